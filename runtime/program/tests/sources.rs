//! What overrides what, where values are told to come from, and that what is printed is what runs.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use revtun_program::config::{
    End, Settings, Source, Sources, declared, declared_log, in_force, override_by, variable_of,
};

type Texts<'a> = &'a [(&'a str, &'a str)];

/// The file with environment variables and flags over it; a flag is given as often as it stands there.
fn load(file: &str, end: End, environment: Texts<'_>, flags: Texts<'_>) -> Result<Settings, Vec<String>> {
    let mut settings = Settings::parse(file).unwrap();
    let variables: BTreeMap<_, _> = environment.iter().copied().collect();
    let sources = Sources {
        environment: &|name| variables.get(name).map(OsString::from),
        flags: &|name| flags.iter().filter(|(flag, _)| *flag == name).map(|(_, text)| text.into()).collect(),
    };
    let outcome = override_by(&mut settings, sources, Some(end));
    outcome.map(|()| settings).map_err(|told| told.iter().map(|diagnostic| diagnostic.render(None)).collect())
}

fn printed(settings: &Settings, end: End, file: &str) -> String {
    in_force(settings, &[end], Some(Source { path: Path::new("f.toml"), text: file }))
}

/// The line of `setting`, with single spaces.
fn line(page: &str, setting: &str) -> String {
    let begins = |line: &&str| line.trim_start_matches("# ").split(' ').next() == Some(setting);
    let line = page.lines().find(begins).unwrap_or_else(|| panic!("no {setting} in {page}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn flags_override_the_environment_and_that_overrides_the_file() {
    let file = "[responder]\nthreads = 1\nping_interval = \"3s\"\ndrain_grace = \"1s\"\n";
    let environment = [("REVTUN_THREADS", "2"), ("REVTUN_DRAIN_GRACE", "2s"), ("REVTUN_TUNNEL_LISTEN", "")];
    let settings = load(file, End::Responder, &environment, &[("threads", "3")]).unwrap();
    let responder = settings.responder.clone().unwrap();
    assert_eq!(responder.process.threads.unwrap().get(), 3);
    assert_eq!(responder.process.drain_grace, Duration::from_secs(2));
    assert_eq!(responder.responder.core.ping_interval, Duration::from_secs(3));
    let page = printed(&settings, End::Responder, file);
    for (setting, expected) in [
        ("responder.threads", "responder.threads = 3 # flag --threads"),
        ("responder.drain_grace", "responder.drain_grace = \"2s\" # environment variable REVTUN_DRAIN_GRACE"),
        ("responder.ping_interval", "responder.ping_interval = \"3s\" # f.toml:3"),
        ("responder.silence", "# responder.silence = \"10s\" # follows from ping_interval"),
        ("responder.tunnel_listen", "responder.tunnel_listen = \"127.0.0.1:15443\" # default"),
        ("responder.journal", "# responder.journal # default: none"),
        ("log.level", "log.level = \"info\" # default"),
    ] {
        assert_eq!(line(&page, setting), expected);
    }
}

#[test]
fn every_flag_has_a_variable_that_says_the_same() {
    for (end, groups) in [(End::Responder, declared(End::Responder)), (End::Initiator, declared(End::Initiator))] {
        let settings = groups.into_iter().chain(declared_log()).flat_map(|group| group.settings);
        let mut flags = 0;
        for setting in settings {
            let Some(flag) = setting.flag else { continue };
            let value = setting.example.or(setting.default).map(|value| value.trim_matches('"').to_owned());
            let value = value.unwrap_or_else(|| match flag.as_str() {
                "address" => "rc://n:c:t@cloud:1".to_owned(),
                "upstream" => "cloud=127.0.0.1:1".to_owned(),
                "forward" => "http://127.0.0.1:1".to_owned(),
                "route" => "grafana.*/x=http://127.0.0.1:1".to_owned(),
                "tls" => "true".to_owned(),
                "tls-identity" => "spiffe://{tenant}/{cluster}/{node}".to_owned(),
                "token-identity" => "sub={tenant}/{cluster}/{node}".to_owned(),
                other => panic!("no value for --{other}"),
            });
            let variable = variable_of(&flag);
            let by_flag = load("", end, &[], &[(&flag, &value)]).unwrap();
            let by_variable = load("", end, &[(&variable, &value)], &[]).unwrap();
            let page = printed(&by_variable, end, "")
                .replace(&format!("environment variable {variable}"), &format!("flag --{flag}"));
            let words = |page: &str| page.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(&page), words(&printed(&by_flag, end, "")), "{flag}");
            let told = load("", end, &[(&variable, "\u{1}")], &[]);
            // Any text is the name of a file, an issuer or an audience.
            if let Err(told) = told {
                assert!(
                    told.len() == 1 && told[0].starts_with(&format!("the environment variable {variable}: ")),
                    "{told:?}"
                );
            }
            flags += 1;
        }
        assert!(flags >= 15, "{flags}");
    }
}

#[test]
fn the_level_of_other_programs_counts_below_ours() {
    let level = |environment: Texts<'_>, flags: Texts<'_>| {
        load("[log]\nlevel = \"error\"\n", End::Responder, environment, flags).unwrap().log.level().to_owned()
    };
    assert_eq!(level(&[], &[]), "error");
    assert_eq!(level(&[("RUST_LOG", "warn")], &[]), "warn");
    assert_eq!(level(&[("RUST_LOG", "warn"), ("REVTUN_LOG_LEVEL", "debug")], &[]), "debug");
    assert_eq!(level(&[("RUST_LOG", "nonsense")], &[("log-level", "trace")]), "trace");
    let told = load("", End::Initiator, &[("RUST_LOG", "warning")], &[]).unwrap_err();
    assert_eq!(told, ["the environment variable RUST_LOG: \"warning\" is not a log level; did you mean warn?"]);
}

#[test]
fn addresses_and_upstreams_of_the_environment_stand_between_spaces() {
    let environment = [
        ("REVTUN_ADDRESS", "rc://a:c:t@cloud:1 rc://b:c:t@other:2"),
        ("REVTUN_UPSTREAM", "cloud=127.0.0.1:1 other=[::1]:2,127.0.0.1:3"),
        ("REVTUN_FORWARD", "http://127.0.0.1:4"),
    ];
    let settings = load("", End::Initiator, &environment, &[]).unwrap();
    assert_eq!(settings.initiator.unwrap().plan().unwrap().len(), 2);
    // A flag replaces addresses, and joins upstreams; what they are forwarded to stays.
    let flags = [("address", "rc://d:c:t@more:1"), ("upstream", "more=127.0.0.1:5")];
    let settings = load("", End::Initiator, &environment, &flags).unwrap();
    let initiator = settings.initiator.clone().unwrap();
    assert_eq!((initiator.plan().unwrap().len(), initiator.upstreams.len()), (1, 3));
    let page = printed(&settings, End::Initiator, "");
    assert!(page.contains("# flag --address, forward: environment variable REVTUN_FORWARD\n"), "{page}");
    assert!(page.contains("# environment variable REVTUN_UPSTREAM\n"), "{page}");
}

#[test]
fn a_longer_interval_by_flag_takes_the_silence_of_the_file_with_it() {
    let file = "[responder]\nsilence = \"5s\"\n";
    let silence =
        |flags: Texts<'_>| load(file, End::Responder, &[], flags).unwrap().responder.unwrap().responder.core.silence;
    assert_eq!(silence(&[]), Duration::from_secs(5));
    assert_eq!(silence(&[("ping-interval", "4s")]), Duration::from_secs(5));
    assert_eq!(silence(&[("ping-interval", "20s")]), Duration::from_secs(61));
    let file = "[responder]\nping_failure_threshold = 2\n";
    let settings = load(file, End::Responder, &[], &[("ping-interval", "20s")]).unwrap();
    assert_eq!(settings.responder.unwrap().responder.core.echo_timeout, Duration::from_secs(40));
}

#[test]
fn a_flag_can_turn_off_what_a_file_turns_on() {
    let file = "[initiator]\nallow_plaintext = true\n[initiator.tls]\nca = \"ca.pem\"\n";
    let initiator = load(file, End::Initiator, &[], &[]).unwrap().initiator.unwrap();
    assert!(initiator.allow_plaintext && initiator.tls.is_some());
    let off = [("allow-plaintext", "false"), ("tls", "false")];
    let initiator = load(file, End::Initiator, &[], &off).unwrap().initiator.unwrap();
    assert!(!initiator.allow_plaintext && initiator.tls.is_none());
}

#[test]
fn paths_of_a_file_are_relative_to_its_folder() {
    let file = "[responder]\njournal = \"steps\"\n[responder.tls]\ncert = \"a.pem\"\nkey = \"/keys/a.key\"\n";
    let responder = Settings::parse_in(file, Path::new("etc/revtun")).unwrap().responder.unwrap();
    assert_eq!(responder.process.journal.as_deref(), Some(Path::new("etc/revtun/steps")));
    assert_eq!(responder.tls.cert.as_deref(), Some(Path::new("etc/revtun/a.pem")));
    assert_eq!(responder.tls.key.as_deref(), Some(Path::new("/keys/a.key")));
    let responder = load(file, End::Responder, &[], &[("tls-cert", "b.pem")]).unwrap().responder.unwrap();
    assert_eq!(responder.tls.cert.as_deref(), Some(Path::new("b.pem")));
}

/// Each part is a case: a file, and flags over it.
#[test]
fn what_is_printed_is_a_file_that_says_the_same() {
    let initiator = "[initiator]\nprobe_interval = \"9s\"\n[initiator.tls]\n[initiator.upstreams]\n\"a b\" = [\"127.0.0.1:1\"]\n\
                     [[initiator.listener]]\naddress = \"rc://n:c:t@a:1\"\nforward = \"http://[::1]:2\"\n";
    let inner = "[initiator.tls]\nextent = \"inner\"\n[initiator.inner_tls]\ncert = \"a\\\"b\"\nkey = \"k\"\n";
    let cases: [(End, &str, Texts<'_>); 9] = [
        (End::Responder, "[responder]\nping_interval = \"20s\"\n", &[("ping-interval", "1s")]),
        (End::Responder, "[responder]\nsilence = \"3s\"\n", &[("ping-interval", "3s")]),
        (End::Responder, "", &[]),
        (End::Responder, "[responder]\nping_failure_threshold = 3\nthreads = 2\n", &[("ping-interval", "30s")]),
        (
            End::Responder,
            "[responder.inner_tls]\nserver_name = \"a.example\"\n[responder.tls]\nextent = \"inner\"\n",
            &[],
        ),
        (
            End::Responder,
            "",
            &[
                ("tls-identity", "spiffe://{tenant}/{cluster}/{node}"),
                ("token-identity", "sub={tenant}/{cluster}/{node}"),
            ],
        ),
        (End::Initiator, initiator, &[("token-file", "t.jwt"), ("log-format", "json")]),
        (End::Initiator, inner, &[]),
        (
            End::Initiator,
            "",
            &[("address", "rc://n:c:t@cloud:1"), ("upstream", "cloud=h:1"), ("forward", "http://h:1"), ("tls", "true")],
        ),
    ];
    for (end, file, flags) in cases {
        let settings = load(file, end, &[], flags).unwrap();
        let page = printed(&settings, end, file);
        let again = Settings::parse(&page).unwrap_or_else(|told| panic!("{told:#?}\n{page}"));
        assert_eq!(again.responder, settings.responder, "{page}");
        assert_eq!(again.log.level(), settings.log.level());
        assert_eq!(again.log.format, settings.log.format);
        let without_origins = |settings: Settings| {
            let mut initiator = settings.initiator?;
            let listeners = std::mem::take(&mut initiator.listeners);
            Some((
                initiator,
                listeners.into_iter().map(|listener| (listener.address, listener.forward)).collect::<Vec<_>>(),
            ))
        };
        assert_eq!(without_origins(again), without_origins(settings), "{page}");
    }
}
