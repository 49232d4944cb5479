//! The command line of `revtun connect`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Arg, ArgGroup, ArgMatches, value_parser};
use http::HeaderValue;
use revtun::initiator::HostPort;

/// The page of `--help`.
pub(super) const PAGE: &str =
    "Connect to a host and port behind a node's tunnels: join standard input and output with it, or listen for connections.

Asks the egress listener of a responder for it by CONNECT. The node's initiator has to allow the destination (tcp_allow). Without \
--listen it ends with the connection, as ssh wants of a ProxyCommand. With --listen it prints \"connect listener on IP:PORT\" to \
standard output, and opens a connection to the destination for each one that it accepts. Exit code 1 if the connection is \
refused or fails.";

/// `revtun connect`.
#[derive(Clone, Debug)]
pub(crate) struct ConnectArgs {
    /// Whom the responder is to find a tunnel to, by header.
    pub(crate) target: Vec<(&'static str, HeaderValue)>,
    /// The scheme, and where the egress listener is.
    pub(crate) egress: Egress,
    /// Whom to believe if that is inside TLS; none means the roots of this system.
    pub(crate) ca: Option<PathBuf>,
    /// What to show there, and the key of that.
    pub(crate) own: Option<(PathBuf, PathBuf)>,
    /// Where to listen; none joins standard input and output.
    pub(crate) listen: Option<SocketAddr>,
    /// Where to.
    pub(crate) destination: HostPort,
}

/// An egress listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Egress {
    /// Whether it is inside TLS.
    pub(crate) tls: bool,
    /// Where it is.
    pub(crate) at: HostPort,
}

/// Its arguments.
pub(super) fn arguments(command: clap::Command) -> clap::Command {
    let name = |id, value_name, help| Arg::new(id).long(id).value_name(value_name).value_parser(header).help(help);
    let file = |id, help| Arg::new(id).long(id).value_name("FILE").value_parser(value_parser!(PathBuf)).help(help);
    command
        .arg(name("to", "NODE", "The node whose tunnels to use [default: any of --cluster]"))
        .arg(name("cluster", "CLUSTER", "The cluster, if any of its nodes will do [default: none]"))
        .group(ArgGroup::new("target").args(["to", "cluster"]).required(true).multiple(false))
        .arg(name("tenant", "TENANT", "Its tenant, where the responder keeps tenants apart [default: none]"))
        .arg(
            Arg::new("egress")
                .long("egress")
                .value_name("URL")
                .value_parser(egress)
                .default_value("http://127.0.0.1:15080")
                .hide_default_value(true)
                .help("The egress listener of a responder, as http:// or https:// and a host [default: http://127.0.0.1:15080]"),
        )
        .arg(file("ca", "Who may have signed the certificate of the egress listener, in PEM [default: the roots of this system]"))
        .arg(file("cert", "The certificate to show there, in PEM [default: none]").requires("key"))
        .arg(file("key", "Its key [default: none]").requires("cert"))
        .arg(
            Arg::new("listen")
                .long("listen")
                .short('L')
                .value_name("[IP:]PORT")
                .value_parser(listen)
                .help("Listen there, on loopback unless an address is given, in place of standard input and output [default: not]"),
        )
        .arg(
            Arg::new("destination")
                .value_name("HOST:PORT")
                .required(true)
                .value_parser(|text: &str| text.parse::<HostPort>())
                .help("Where to connect to, as the node names it"),
        )
}

/// What they mean.
pub(super) fn meaning(matches: &ArgMatches) -> Option<ConnectArgs> {
    let headers = [("to", "x-node-id"), ("cluster", "x-cluster-id"), ("tenant", "x-tenant-id")];
    let target = headers.into_iter().filter_map(|(id, name)| Some((name, matches.get_one::<HeaderValue>(id)?.clone())));
    let file = |id| matches.get_one::<PathBuf>(id).cloned();
    Some(ConnectArgs {
        target: target.collect(),
        egress: matches.get_one::<Egress>("egress")?.clone(),
        ca: file("ca"),
        own: file("cert").zip(file("key")),
        listen: matches.get_one::<SocketAddr>("listen").copied(),
        destination: matches.get_one::<HostPort>("destination")?.clone(),
    })
}

fn header(text: &str) -> Result<HeaderValue, &'static str> {
    let legal = (1..=255).contains(&text.len());
    let value = HeaderValue::from_str(text).ok().filter(|_| legal);
    value.ok_or("write 1 to 255 bytes without control characters")
}

fn egress(text: &str) -> Result<Egress, &'static str> {
    let (tls, rest, port) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest, 80),
        (_, Some(rest)) => (true, rest, 443),
        (None, None) => return Err("write http:// or https://, a host and perhaps a port"),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let at = host.parse().or_else(|_| format!("{host}:{port}").parse::<HostPort>());
    Ok(Egress { tls, at: at.map_err(|_| "write http:// or https://, a host and perhaps a port")? })
}

fn listen(text: &str) -> Result<SocketAddr, &'static str> {
    let at = text.parse().or_else(|_| text.parse::<u16>().map(|port| ([127, 0, 0, 1], port).into()));
    at.map_err(|_| "write a port, or an IP address and a port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_egress_is_a_url_without_a_path() {
        let at = |text: &str| egress(text).map(|egress| (egress.tls, egress.at.to_string()));
        assert_eq!(at("http://a"), Ok((false, "a:80".to_owned())));
        assert_eq!(at("https://a/"), Ok((true, "a:443".to_owned())));
        assert_eq!(at("https://[::1]:8443"), Ok((true, "[::1]:8443".to_owned())));
        for illegal in ["a:80", "http://", "http://a/b", "ftp://a", "http://a:0"] {
            assert!(egress(illegal).is_err(), "{illegal}");
        }
    }

    #[test]
    fn a_port_alone_is_one_of_loopback() {
        assert_eq!(listen("0"), Ok(([127, 0, 0, 1], 0).into()));
        assert_eq!(listen("0.0.0.0:22"), Ok(([0, 0, 0, 0], 22).into()));
        assert!(listen("ssh").is_err() && listen("70000").is_err());
    }
}
