//! The command line. It is a contract: scripts and service files hold it.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use revtun::initiator::HostPort;
use revtun::tls::Extent;
use revtun_core::address::Address;
use revtun_core::binding::Template;
use revtun_program::config::{
    self, LogFormat, LogSettings, duration, parse_address, parse_claims, parse_extent, parse_identity, parse_interval,
    parse_level, parse_listen, parse_server_name, parse_service, parse_threads, parse_threshold, parse_upstream,
};
use rustls::pki_types::ServerName;

use crate::error::CliError;

/// Reverse tunnels, wire-compatible with Envoy's: a node in a private network dials out to responders in the cloud,
/// and requests for it travel back through the tunnels.
#[derive(Debug, Parser)]
#[command(name = "revtun", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a demonstration in one process: a responder, an initiator, a service, requests, and a tunnel that is cut and
    /// replaced.
    ///
    /// Listens on loopback ports that the system chooses, prints each step, and exits with code 0 if every step
    /// succeeds.
    Demo(DemoArgs),
    /// Run a responder: accept tunnels, and send requests for a node or cluster back through them.
    ///
    /// Prints one line to standard output for each listener once it is bound ("tunnel listener on IP:PORT", then
    /// "egress listener on …" and "admin listener on …"). SIGTERM and SIGINT drain; a second one ends the process
    /// immediately.
    Responder(Box<ResponderArgs>),
    /// Run an initiator: dial responders, keep tunnels to them, and forward requests to a local service.
    ///
    /// Prints "admin listener on IP:PORT" to standard output once it is bound. SIGTERM and SIGINT drain; a second
    /// one ends the process immediately.
    Initiator(Box<InitiatorArgs>),
    /// Check a configuration file and the files that it names: print every mistake with line and column. Exit code 0
    /// if there is none, else 2.
    Check(CheckArgs),
    /// Say whether a journal (--journal) is what the machine does: take every step again and compare.
    ///
    /// Exit code 0 if all steps are equal; 1 at the first that differs, with its line, what was written and what the
    /// machine does; 2 if the file is no journal.
    Replay(ReplayArgs),
}

/// `revtun demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// `revtun responder`.
#[derive(Args, Debug)]
pub(crate) struct ResponderArgs {
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    /// Address of the listener for initiators [default: 127.0.0.1:15443]
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub(crate) tunnel_listen: Option<SocketAddr>,
    /// Address of the listener for callers, whose requests carry x-node-id or x-cluster-id [default: 127.0.0.1:15080]
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub(crate) egress_listen: Option<SocketAddr>,
    /// Address of the admin listener, with /healthz, /readyz, /tunnels, /metrics and /drain [default: 127.0.0.1:15090]
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Time from an answered ping of an idle tunnel to the next one: 2s, 500ms, 1m30s [default: 2s]
    #[arg(long, value_name = "DURATION", value_parser = parse_interval)]
    pub(crate) ping_interval: Option<Duration>,
    /// Intervals that a ping may stay unanswered before the tunnel is closed [default: 5s, whatever the interval]
    #[arg(long, value_name = "N", value_parser = parse_threshold)]
    pub(crate) ping_failure_threshold: Option<u32>,
    /// The certificate for tunnels with its intermediate certificates, in PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The CA of the certificates of initiators; with it, each initiator must present one [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_client_ca: Option<PathBuf>,
    /// The SAN by which the certificate of an initiator proves its identity, as a template:
    /// spiffe://{tenant}/{cluster}/{node} [default: none]
    #[arg(long, value_name = "TEMPLATE", value_parser = parse_identity)]
    pub(crate) tls_identity: Option<[Template; 3]>,
    /// Accept any identity from any certificate of the CA [default: false]
    #[arg(long)]
    pub(crate) allow_any_identity: bool,
    /// The part of a tunnel that TLS protects: whole; for an Envoy as the peer, plaintext-after-handshake, or inner
    /// with the table inner_tls of the file [default: whole]
    #[arg(long, value_name = "EXTENT", value_parser = parse_extent)]
    pub(crate) tls_extent: Option<Extent>,
    /// A file with a JSON Web Key Set, the public keys of token issuers; with it, each initiator must send a token
    /// [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_jwks: Option<PathBuf>,
    /// The required issuer (iss) of tokens [default: none]
    #[arg(long, value_name = "ISSUER")]
    pub(crate) token_issuer: Option<String>,
    /// The required audience (aud) of tokens [default: none]
    #[arg(long, value_name = "AUDIENCE")]
    pub(crate) token_audience: Option<String>,
    /// The claim by which a token proves the identity of an initiator, as a template: sub={tenant}/{cluster}/{node}
    /// [default: none]
    #[arg(long, value_name = "CLAIM=TEMPLATE", value_parser = parse_claims)]
    pub(crate) token_identity: Option<[Template; 3]>,
    /// The certificate for callers, in PEM; without it, callers connect unencrypted [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) egress_tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) egress_tls_key: Option<PathBuf>,
    /// Accept unencrypted tunnels from other machines, because something else encrypts the connection [default: false]
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// Whether every request must name a tenant (x-tenant-id) and reaches that tenant only [default: true]
    #[arg(long, value_name = "true|false", action = clap::ArgAction::Set, hide_possible_values = true)]
    pub(crate) tenant_isolation: Option<bool>,
}

/// `revtun initiator`.
#[derive(Args, Debug)]
pub(crate) struct InitiatorArgs {
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    /// The identity, the upstream to dial, and the number of tunnels to each of its hosts:
    /// rc://NODE:CLUSTER:TENANT@UPSTREAM:COUNT. May be given several times; replaces those of the file
    #[arg(long, value_name = "RC_URL", value_parser = parse_address)]
    pub(crate) address: Vec<Address>,
    /// The endpoints of an upstream, by DNS name or IP address. May be given several times
    #[arg(long, value_name = "NAME=HOST:PORT[,HOST:PORT]...", value_parser = parse_upstream)]
    pub(crate) upstream: Vec<(String, Vec<HostPort>)>,
    /// The local service to forward requests to; replaces those of the file [example: http://127.0.0.1:8080]
    #[arg(long, value_name = "http://HOST:PORT", value_parser = parse_service)]
    pub(crate) forward: Option<HostPort>,
    /// Connect with TLS; implied by every other TLS flag [default: false]
    #[arg(long)]
    pub(crate) tls: bool,
    /// The CA of the responder's certificate, in PEM [default: the root certificates of this system]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The initiator's own certificate, in PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of that certificate, in PEM [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name that the responder's certificate must contain [default: the host that is dialled]
    #[arg(long, value_name = "NAME", value_parser = parse_server_name)]
    pub(crate) tls_server_name: Option<ServerName<'static>>,
    /// The part of a tunnel that TLS protects: whole; for an Envoy as the peer, plaintext-after-handshake, or inner
    /// with the table inner_tls of the file [default: whole]
    #[arg(long, value_name = "EXTENT", value_parser = parse_extent)]
    pub(crate) tls_extent: Option<Extent>,
    /// A file with the bearer token that proves the identity, read at each dial [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Connect to other machines unencrypted, because something else encrypts the connection [default: false]
    #[arg(long)]
    pub(crate) allow_plaintext: bool,
    /// Address of the admin listener, with /healthz, /readyz, /tunnels, /metrics and /drain [default: 127.0.0.1:15091]
    #[arg(long, value_name = "IP:PORT", value_parser = parse_listen)]
    pub(crate) admin_listen: Option<SocketAddr>,
}

/// `revtun check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The TOML file to check
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

/// `revtun replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The journal to check
    #[arg(value_name = "FILE")]
    pub(crate) journal: PathBuf,
    /// Also print every step as a TLA+ record, for the trace validation of the specification [default: not]
    #[arg(long)]
    pub(crate) tla: bool,
}

/// What both ends have in common.
#[derive(Args, Debug)]
pub(crate) struct ProcessArgs {
    /// A TOML file with these settings and more; flags override it [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Worker threads; the number of tunnels does not depend on it [default: one per processor]
    #[arg(long, value_name = "N", value_parser = parse_threads)]
    pub(crate) threads: Option<NonZeroUsize>,
    /// How long requests may continue after SIGTERM or SIGINT: 30s, 5m [default: 30s]
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) drain_grace: Option<Duration>,
    /// Write every step of the machine to this file, in place of what is there; see replay. The machine of the
    /// second --address writes to FILE.2, and so on [default: none]
    #[arg(long, value_name = "FILE")]
    pub(crate) journal: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

/// How to log.
#[derive(Args, Debug)]
pub(crate) struct LogArgs {
    /// The format of the log on standard error: human or json [default: human]
    #[arg(long, value_name = "human|json", value_parser = LogFormat::parse)]
    pub(crate) log_format: Option<LogFormat>,
    /// The log level: error, warn, info, debug, trace, off, or directives such as revtun=debug,info; overrides RUST_LOG
    /// [default: info]
    #[arg(long, value_name = "LEVEL", value_parser = parse_level)]
    pub(crate) log_level: Option<String>,
}

impl LogArgs {
    /// What the file says, the environment, and these flags on top of it.
    ///
    /// # Errors
    /// If what the environment says counts and is no level.
    pub(crate) fn over(&self, file: LogSettings) -> Result<LogSettings, CliError> {
        let level = match &self.log_level {
            Some(level) => Some(level.clone()),
            None => level_of_environment()?.or(file.level),
        };
        Ok(LogSettings { format: self.log_format.unwrap_or(file.format), level })
    }
}

/// What `RUST_LOG` says, unless it is empty.
fn level_of_environment() -> Result<Option<String>, CliError> {
    let text = std::env::var_os("RUST_LOG").unwrap_or_default();
    let text = text.to_string_lossy();
    if text.trim().is_empty() {
        return Ok(None);
    }
    let wrong = |fault| CliError::user(format!("the environment variable RUST_LOG: {fault}"));
    config::parse_level(&text).map(Some).map_err(wrong)
}

/// Reads the command line; asked for help or the version, prints that and ends the process with code 0.
pub(crate) fn read() -> Result<Command, CliError> {
    match Cli::try_parse() {
        Ok(cli) => Ok(cli.command),
        Err(error) if error.use_stderr() => Err(CliError::user(one_line(&error))),
        Err(help) => help.exit(),
    }
}

/// What clap spreads over a paragraph, without its preamble and its epilogue.
fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "nothing to do: give a subcommand; see revtun --help".to_owned();
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let first = text.split("\n\n").next().unwrap_or(text);
    let words: Vec<_> = first.split_whitespace().collect();
    format!("{}; see revtun --help", words.join(" "))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        for (args, what) in [
            (&["revtun", "responder", "--ping-interval", "5"][..], "\"5\" has no unit; write for example 2s"),
            (&["revtun", "responder", "--ping-interval", "0s"], "must not be zero"),
            (&["revtun", "responder", "--egress-listen", "x"], "\"x\" is not an address to listen on"),
            (&["revtun", "responder", "--threads", "0"], "\"0\" is not a valid number of threads"),
            (&["revtun", "initiator", "--address", "rc:/x"], "Address must start with 'rc://'"),
            (&["revtun", "initiator", "--upstream", "x"], "\"x\" does not name an upstream"),
            (&["revtun", "check"], "required arguments were not provided: --config <FILE>"),
            (&["revtun", "dance"], "unrecognized subcommand 'dance'"),
            (&["revtun"], "give a subcommand"),
        ] {
            let error = Cli::try_parse_from(args).unwrap_err();
            let line = one_line(&error);
            assert!(line.contains(what) && !line.contains('\n'), "{args:?}: {line}");
        }
    }
}
