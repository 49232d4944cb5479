//! The command line. It is a contract: scripts and service files hold it.
//!
//! The flags of settings are made from their declarations, see [`revtun_program::config`].

mod connect;
mod mistakes;

pub(crate) use self::connect::ConnectArgs;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, value_parser};
use revtun_program::config::{Declared, DeclaredGroup, End, Sources, Takes, declared, declared_log, variable_of};

use crate::error::CliError;

/// What to do.
#[derive(Debug)]
pub(crate) enum Command {
    Demo(Given),
    Responder(Given),
    Initiator(Given),
    Check(Given),
    /// Print what is in force: for one end, or for those that the file configures.
    Config(Option<End>, Given),
    Connect(Box<ConnectArgs>),
    Replay(ReplayArgs),
    /// Say which route a request takes.
    Route(RouteArgs, Given),
}

/// `revtun route`.
#[derive(Debug)]
pub(crate) struct RouteArgs {
    /// The URL that is asked for.
    pub(crate) url: String,
    /// The method.
    pub(crate) method: String,
    /// Headers, each as `NAME: VALUE`.
    pub(crate) headers: Vec<String>,
}

/// `revtun replay`.
#[derive(Debug)]
pub(crate) struct ReplayArgs {
    /// The journal to check.
    pub(crate) journal: PathBuf,
    /// Whether to print every step as a TLA+ record as well.
    pub(crate) tla: bool,
}

/// The flags of settings that the command line gives, without their dashes.
#[derive(Debug, Default)]
pub(crate) struct Given(BTreeMap<String, Vec<OsString>>);

impl Given {
    /// Does something with these flags and the environment.
    pub(crate) fn with_sources<T>(&self, act: impl FnOnce(Sources<'_>) -> T) -> T {
        let flags = |flag: &str| self.0.get(flag).cloned().unwrap_or_default();
        act(Sources { environment: &|variable| std::env::var_os(variable), flags: &flags })
    }

    /// The configuration file, by flag or by environment variable.
    pub(crate) fn config(&self) -> Option<PathBuf> {
        let by_flag = self.0.get(CONFIG).and_then(|values| values.last().cloned());
        let path = by_flag.or_else(|| self.with_sources(|sources| sources.variable(&variable_of(CONFIG))));
        path.map(PathBuf::from)
    }
}

const CONFIG: &str = "config";

/// What the demonstration logs unless somebody says otherwise.
pub(crate) const DEMO_LEVEL: &str = "error";

const RESPONDER_PAGE: &str =
    "Run a responder: accept tunnels, and send requests for a node or cluster back through them.

Prints one line to standard output for each listener once it is bound (\"tunnel listener on IP:PORT\", then \"egress \
listener on …\" and \"admin listener on …\"). SIGTERM and SIGINT drain; a second one ends the process immediately.";

const INITIATOR_PAGE: &str =
    "Run an initiator: dial responders, keep tunnels to them, and forward requests to a local service.

Prints \"admin listener on IP:PORT\" to standard output once it is bound. SIGTERM and SIGINT drain; a second one ends the \
process immediately.";

const CONFIG_PAGE: &str =
    "Print the settings in force, a line each, with where each value comes from: the default, a line of the file, an \
environment variable or a flag.

Takes the flags of the end that it is asked about, and starts nothing. Without an end, prints those that the file \
configures. What is printed is a configuration file with the same meaning. Exit code 2 if something is missing to start \
with these settings.";

const CHECK_PAGE: &str = "Check a configuration file and the files that it names: print every mistake with line and column. Exit code 0 if \
there is none, else 2.";

const DEMO_PAGE: &str =
    "Run a demonstration in one process: a responder, an initiator, a service, requests, and a tunnel \
that is cut and replaced.

Listens on loopback ports that the system chooses, prints each step, and exits with code 0 if every step succeeds.";

const ROUTE_PAGE: &str = "Say which route of an initiator a request takes, and why: for each listener the routes that match, the \
one that is taken first, and what of the request the others do not match.

Takes the flags of revtun initiator, and starts nothing. Exit code 0 if every listener has a route for the request, 1 if one has none.";

const REPLAY_PAGE: &str =
    "Say whether a journal (--journal) is what the machine does: take every step again and compare.

Exit code 0 if all steps are equal; 1 at the first that differs, with its line, what was written and what the machine \
does; 2 if the file is no journal.";

/// Reads the command line; asked for help or the version, prints that and ends the process with code 0.
pub(crate) fn read() -> Result<Command, CliError> {
    match command().try_get_matches() {
        Ok(matches) => meaning(&matches).ok_or_else(|| CliError::user(mistakes::NOTHING_TO_DO)),
        Err(error) if error.use_stderr() => Err(CliError::user(mistakes::one_line(&error))),
        Err(help) => help.exit(),
    }
}

fn command() -> clap::Command {
    let responder = || declared(End::Responder);
    let initiator = || declared(End::Initiator);
    let config = subcommand(CONFIG, CONFIG_PAGE)
        .arg(config_file(false))
        .args(flags(declared_log()))
        .subcommand(end("responder", "The settings of revtun responder.", responder()))
        .subcommand(end("initiator", "The settings of revtun initiator.", initiator()));
    clap::Command::new("revtun")
        .version(env!("CARGO_PKG_VERSION"))
        .propagate_version(true)
        .max_term_width(100)
        .about(
            "Reverse tunnels, wire-compatible with Envoy's: a node in a private network dials out to responders in the \
             cloud, and requests for it travel back through the tunnels",
        )
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(subcommand("demo", DEMO_PAGE).args(flags(log_of_demo())))
        .subcommand(end("responder", RESPONDER_PAGE, responder()))
        .subcommand(end("initiator", INITIATOR_PAGE, initiator()))
        .subcommand(connect::arguments(subcommand("connect", connect::PAGE)))
        .subcommand(subcommand("check", CHECK_PAGE).arg(config_file(true)))
        .subcommand(config)
        .subcommand(
            end("route", ROUTE_PAGE, initiator())
                .arg(Arg::new("url").value_name("URL").required(true).help("The URL that is asked for, such as https://grafana.example/x"))
                .arg(Arg::new("method").long("method").value_name("METHOD").default_value("GET").help("The method"))
                .arg(
                    Arg::new("header")
                        .long("header")
                        .value_name("NAME: VALUE")
                        .action(ArgAction::Append)
                        .help("A header; may be given several times [default: none]"),
                ),
        )
        .subcommand(
            subcommand("replay", REPLAY_PAGE)
                .arg(
                    Arg::new("journal")
                        .value_name("FILE")
                        .required(true)
                        .value_parser(value_parser!(PathBuf))
                        .help("The journal to check"),
                )
                .arg(Arg::new("tla").long("tla").action(ArgAction::SetTrue).help(
                    "Also print every step as a TLA+ record, for the trace validation of the specification [default: not]",
                )),
        )
}

/// The settings of the log, of which the demonstration writes less.
fn log_of_demo() -> Vec<DeclaredGroup> {
    let mut groups = declared_log();
    for setting in groups.iter_mut().flat_map(|group| &mut group.settings).filter(|setting| setting.key == "level") {
        setting.default = Some(DEMO_LEVEL.to_owned());
    }
    groups
}

/// A subcommand, whose page begins with a paragraph that says it in short.
fn subcommand(name: &'static str, page: &'static str) -> clap::Command {
    let short = page.split("\n\n").next().unwrap_or(page);
    clap::Command::new(name).about(short.strip_suffix('.').unwrap_or(short)).long_about(page)
}

fn end(name: &'static str, page: &'static str, groups: Vec<DeclaredGroup>) -> clap::Command {
    subcommand(name, page).arg(config_file(false)).args(flags(groups)).args(flags(declared_log()))
}

fn config_file(is_all: bool) -> Arg {
    let variable = variable_of(CONFIG);
    let help = match is_all {
        true => format!("The TOML file to check [env: {variable}]"),
        false => format!(
            "A TOML file with these settings and more; environment variables override it, and flags override both \
             [default: none] [env: {variable}]"
        ),
    };
    Arg::new(CONFIG).long(CONFIG).value_name("FILE").value_parser(value_parser!(OsString)).help(help)
}

fn flags(groups: Vec<DeclaredGroup>) -> Vec<Arg> {
    groups.into_iter().flat_map(|group| group.settings).filter_map(flag).collect()
}

fn flag(setting: Declared) -> Option<Arg> {
    let default = setting.default.as_deref().map_or(setting.absent, |value| value.trim_matches('"'));
    let help = format!("{} [default: {default}] [env: {}]", setting.sentence, setting.variables.join(", or else "));
    let name = setting.flag?;
    let arg = Arg::new(name.clone())
        .long(name)
        .help(help)
        .help_heading(setting.heading)
        .value_name(setting.value_name)
        .value_parser(value_parser!(OsString));
    Some(match setting.takes {
        Takes::One => arg,
        Takes::Several => arg.action(ArgAction::Append),
        Takes::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
    })
}

fn meaning(matches: &ArgMatches) -> Option<Command> {
    let (name, matches) = matches.subcommand()?;
    Some(match name {
        "demo" => Command::Demo(given(matches)),
        "responder" => Command::Responder(given(matches)),
        "initiator" => Command::Initiator(given(matches)),
        "connect" => Command::Connect(Box::new(connect::meaning(matches)?)),
        "check" => Command::Check(given(matches)),
        "route" => {
            let args = RouteArgs {
                url: matches.get_one::<String>("url")?.clone(),
                method: matches.get_one::<String>("method")?.clone(),
                headers: matches.get_many::<String>("header").into_iter().flatten().cloned().collect(),
            };
            Command::Route(args, given(matches))
        }
        CONFIG => match matches.subcommand() {
            Some((name, flags)) => {
                let end = if name == "initiator" { End::Initiator } else { End::Responder };
                // Those that stand before the name of the end count as well.
                let mut all = given(matches);
                all.0.extend(given(flags).0);
                Command::Config(Some(end), all)
            }
            None => Command::Config(None, given(matches)),
        },
        _ => Command::Replay(ReplayArgs {
            journal: matches.get_one::<PathBuf>("journal")?.clone(),
            tla: matches.get_flag("tla"),
        }),
    })
}

fn given(matches: &ArgMatches) -> Given {
    let values = |id: &clap::Id| {
        let values = matches.try_get_many::<OsString>(id.as_str()).ok().flatten()?;
        Some((id.to_string(), values.cloned().collect()))
    };
    Given(matches.ids().filter_map(values).collect())
}

#[cfg(test)]
mod tests {
    use revtun_program::config::{Settings, override_by};

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    /// What a user is told, who gives these arguments.
    fn told(args: &[&str]) -> Vec<String> {
        let matches = match command().try_get_matches_from(args) {
            Ok(matches) => matches,
            Err(error) => return vec![mistakes::one_line(&error)],
        };
        let flags = match meaning(&matches) {
            Some(Command::Responder(given)) => (End::Responder, given),
            Some(Command::Initiator(given)) => (End::Initiator, given),
            other => panic!("{other:?}"),
        };
        let (end, Given(flags)) = flags;
        let sources =
            Sources { environment: &|_| None, flags: &|flag: &str| flags.get(flag).cloned().unwrap_or_default() };
        let outcome = override_by(&mut Settings::default(), sources, Some(end));
        outcome.err().into_iter().flatten().map(|diagnostic| diagnostic.render(None)).collect()
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        for (args, what) in [
            (
                &["revtun", "responder", "--ping-interval", "5"][..],
                "--ping-interval: \"5\" has no unit; write for example 2s",
            ),
            (&["revtun", "responder", "--ping-interval", "0s"], "must not be zero"),
            (&["revtun", "responder", "--egress-listen", "x"], "--egress-listen: \"x\" is not an address to listen on"),
            (
                &["revtun", "responder", "--threads", "0"],
                "--threads: \"0\" is out of range; write a whole number from 1 to 1024",
            ),
            (&["revtun", "responder", "--threads", "many"], "--threads: \"many\" is not a whole number"),
            (
                &["revtun", "responder", "--allow-plaintext=maybe"],
                "--allow-plaintext: \"maybe\" is neither true nor false",
            ),
            (&["revtun", "initiator", "--address", "rc:/x"], "Address must start with 'rc://'"),
            (&["revtun", "initiator", "--upstream", "x"], "\"x\" does not name an upstream"),
            (&["revtun", "responder", "--threads"], "a value is required for '--threads <N>'"),
            (&["revtun", "responder", "--threads", "1", "--threads", "2"], "cannot be used multiple times"),
            (&["revtun", "dance"], "unknown subcommand dance; see revtun --help"),
            (&["revtun", "respnder"], "unknown subcommand respnder; did you mean responder?"),
            (
                &["revtun", "responder", "--tunel-listen", "x"],
                "unknown flag --tunel-listen; did you mean --tunnel-listen?",
            ),
            (&["revtun", "initiator", "--nonsense"], "unknown flag --nonsense; see revtun initiator --help"),
            (&["revtun"], "give a subcommand"),
        ] {
            let lines = told(args);
            assert!(lines.len() == 1 && lines[0].contains(what) && !lines[0].contains('\n'), "{args:?}: {lines:?}");
        }
    }

    #[test]
    fn every_mistake_in_flags_is_told() {
        let lines = told(&["revtun", "responder", "--threads", "0", "--ping-interval", "soon"]);
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn switches_that_are_off_may_stand_alone() {
        for args in
            [&["revtun", "responder", "--allow-plaintext"][..], &["revtun", "initiator", "--tls=false", "--tls-ca=x"]]
        {
            assert_eq!(told(args), <[String; 0]>::default(), "{args:?}");
        }
    }
}
