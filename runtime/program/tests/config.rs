//! What the configuration file may say, and what an operator is told when it says something else.

use std::path::Path;
use std::time::Duration;

use revtun::http::HttpLimits;
use revtun_core::hosts::LookupFamily;
use revtun_program::config::{Diagnostic, LogFormat, Settings, Source};

/// Every diagnostic of a file, as `revtun check` prints it.
fn diagnostics(text: &str) -> Vec<String> {
    let source = Source { path: Path::new("f.toml"), text };
    let diagnostics = match Settings::parse(text) {
        Ok(settings) => settings.missing(),
        Err(diagnostics) => diagnostics,
    };
    diagnostics.iter().map(|diagnostic: &Diagnostic| diagnostic.render(Some(source))).collect()
}

#[test]
fn an_empty_table_means_the_defaults() {
    let settings = Settings::parse("[responder]\n").unwrap();
    let responder = settings.responder.unwrap();
    assert!(settings.initiator.is_none());
    assert!(responder.responder.tunnel_listen.ip().is_loopback());
    assert!(responder.responder.egress_listen.ip().is_loopback());
    assert!(responder.process.admin_listen.ip().is_loopback());
    assert_eq!(responder.responder.core, revtun_core::responder::Config::default());
    assert_eq!(responder.process.drain_grace, Duration::from_secs(30));
    assert_eq!(settings.log.format, LogFormat::Human);
}

#[test]
fn every_key_of_a_responder_is_read() {
    let text = r#"
        [log]
        format = "json"
        level = "revtun=debug,info"
        [responder]
        tunnel_listen = "0.0.0.0:1"
        egress_listen = "[::1]:2"
        admin_listen = "127.0.0.1:0"
        admin_hosts = "a.example, b.example."
        allow_unauthenticated_admin = true
        allow_unauthenticated_egress = true
        allow_mixed_tenants = true
        trusted_hops = "10.0.0.0/8, ::1"
        max_headers_count = 50
        shutdown_delay = "3s"
        max_callers = 12
        max_callers_per_source = 13
        threads = 3
        drain_grace = "1m"
        request_timeout = "15s"
        caller_timeout = "45s"
        request_path = "/tunnel"
        required_cluster_name = "eu-1"
        use_http_upgrade = true
        tenant_isolation = false
        refuse_ambiguous_node = false
        handshake_timeout = "11s"
        settle = "0s"
        ping_interval = "1s500ms"
        echo_timeout = "4s"
        silence = "9s"
        wait = "2s"
        peer_drain_grace = "5m"
        max_streams = 1
        max_streams_per_tenant = 7
        max_waiting = 0
        max_waiting_per_tenant = 8
        max_handshakes = 3
        max_handshakes_per_source = 2
        max_accepts_per_second = 9
        max_tunnels_per_node = 4
        max_tunnels_per_cluster = 10
        max_head_bytes = 1024
        max_headers = 16
        max_idle_bytes = 2048
        max_header_bytes = 4096
        max_pending_resets = 11
        body_timeout = "12s"
        max_tunnels_per_tenant = 5
        max_tunnels = 6
    "#;
    let settings = Settings::parse(text).unwrap();
    let responder = settings.responder.unwrap();
    assert_eq!(settings.log.format, LogFormat::Json);
    assert_eq!(settings.log.level.as_deref(), Some("revtun=debug,info"));
    assert_eq!(responder.responder.tunnel_listen, "0.0.0.0:1".parse().unwrap());
    assert_eq!(responder.responder.egress_listen, "[::1]:2".parse().unwrap());
    assert_eq!(responder.process.admin_listen, "127.0.0.1:0".parse().unwrap());
    assert_eq!(responder.process.admin_hosts, ["a.example", "b.example"]);
    assert!(responder.process.allow_unauthenticated_admin && responder.allow_unauthenticated_egress);
    assert_eq!(responder.process.shutdown_delay, Duration::from_secs(3));
    assert_eq!((responder.responder.max_callers, responder.responder.max_callers_per_source), (12, 13));
    assert_eq!(responder.process.threads.unwrap().get(), 3);
    assert_eq!(responder.process.drain_grace, Duration::from_secs(60));
    assert_eq!(responder.responder.request_timeout, Duration::from_secs(15));
    assert_eq!(responder.responder.caller_timeout, Duration::from_secs(45));
    assert_eq!(responder.responder.request_path, "/tunnel");
    assert_eq!(responder.responder.required_cluster.as_deref(), Some("eu-1"));
    assert!(responder.responder.upgrade);
    let expected = revtun_core::responder::Config {
        tenant_isolation: false,
        refuse_ambiguous_node: false,
        handshake_timeout: Duration::from_secs(11),
        settle: Duration::ZERO,
        ping_interval: Duration::from_millis(1_500),
        echo_timeout: Duration::from_secs(4),
        silence: Duration::from_secs(9),
        wait: Duration::from_secs(2),
        drain_grace: Duration::from_secs(300),
        max_streams: 1,
        max_streams_per_tenant: 7,
        max_waiting: 0,
        max_waiting_per_tenant: 8,
        max_handshakes: 3,
        max_handshakes_per_source: 2,
        max_accepts_per_second: 9,
        max_tunnels_per_node: 4,
        max_tunnels_per_cluster: 10,
        max_tunnels_per_tenant: 5,
        max_tunnels: 6,
    };
    assert_eq!(responder.responder.core, expected);
    assert_eq!((responder.responder.max_head_bytes, responder.responder.max_headers), (1024, 16));
    assert_eq!(responder.responder.max_idle_bytes, 2048);
    let mut http = HttpLimits::default();
    http.header_bytes = 4096;
    http.headers = 50;
    http.pending_resets = 11;
    http.body_timeout = Duration::from_secs(12);
    assert_eq!(responder.responder.http, http);
    assert!(responder.allow_mixed_tenants);
    assert_eq!(responder.responder.trusted_hops.to_string(), "10.0.0.0/8,::1");
}

#[test]
fn a_threshold_for_pings_counts_intervals_and_stands_alone() {
    let text = "[responder]\nping_failure_threshold = 3\nping_interval = \"4s\"\n";
    let mut responder = Settings::parse(text).unwrap().responder.unwrap();
    assert_eq!(responder.responder.core.echo_timeout, Duration::from_secs(12));
    responder.set_ping_interval(Duration::from_secs(1));
    assert_eq!(responder.responder.core.echo_timeout, Duration::from_secs(3));

    let told = diagnostics(&format!("{text}echo_timeout = \"5s\"\n"));
    let expected = "responder.ping_failure_threshold: sets the same as echo_timeout; set only one of them";
    assert_eq!(told, [format!("f.toml:2:26: {expected}")]);
}

#[test]
fn every_key_of_an_initiator_is_read() {
    let text = r#"
        [initiator]
        admin_listen = "127.0.0.1:3"
        threads = 2
        drain_grace = "0s"
        request_path = "/tunnel"
        use_http_upgrade = true
        connect_timeout = "1s"
        handshake_timeout = "2s"
        probe_interval = "3s"
        silence = "30s"
        peer_drain_grace = "4s"
        refused_cap = "5ms"
        backoff_base = "6ms"
        backoff_cap = "7s"
        denied_base = "8s"
        retry_after_cap = "9s"
        [[initiator.listener]]
        address = "rc://n:c:t@cloud:2"
        forward = "http://127.0.0.1:8080"
        [[initiator.listener]]
        address = "rc://n2:c:t@cloud:1"
        forward = "http://[::1]"
        [initiator.upstreams]
        cloud = ["127.0.0.1:15443", "tunnels.example.com:15443"]
    "#;
    let settings = Settings::parse(text).unwrap();
    assert!(settings.missing().is_empty());
    let initiator = settings.initiator.unwrap();
    assert_eq!(initiator.process.admin_listen, "127.0.0.1:3".parse().unwrap());
    assert_eq!(initiator.process.drain_grace, Duration::ZERO);
    assert_eq!(initiator.request_path, "/tunnel");
    assert!(initiator.use_http_upgrade);
    assert_eq!(initiator.core.probe_interval, Duration::from_secs(3));
    assert_eq!(initiator.core.refused_cap, Duration::from_millis(5));
    assert_eq!(initiator.core.retry_after_cap, Duration::from_secs(9));
    let listeners: Vec<_> = initiator
        .listeners
        .iter()
        .map(|listener| format!("{} {}", listener.address, listener.forward.as_ref().unwrap()))
        .collect();
    assert_eq!(listeners, ["rc://n:c:t@cloud:2 http://127.0.0.1:8080", "rc://n2:c:t@cloud:1 http://[::1]:80"]);
    let cloud: Vec<_> = initiator.upstreams["cloud"].iter().map(ToString::to_string).collect();
    assert_eq!(cloud, ["127.0.0.1:15443", "tunnels.example.com:15443"]);
}

#[test]
fn a_longer_ping_interval_takes_the_silence_with_it() {
    let responder = Settings::parse("[responder]\nping_interval = \"20s\"\n").unwrap().responder.unwrap();
    assert_eq!(responder.responder.core.silence, Duration::from_secs(61));
}

#[test]
fn every_problem_is_told_with_its_place() {
    let text = r#"[log]
format = "xml"
level = "shout=loud"
[responder]
tunnel_listen = "localhost:1"
ping_interval = 2
echo_timeout = "0s"
wait = "1x"
threads = 0
tenant_isolation = "yes"
trusted_hops = "10.0.0.1/8"
max_strems = 5
silence = "1s"
request_path = "tunnel"
[initiator]
listener = [{ address = "rc://n:c@cloud:1" }, { forward = "ftp://x" }]
[initiator.upstreams]
cloud = ["nowhere", 5]
none = []
"#;
    let expected = [
        r#"f.toml:2:10: log.format: "xml" is not a log format; write human or json"#,
        r#"f.toml:3:9: log.level: "loud" is not a log level; write error, warn, info, debug or trace, or directives such as revtun=debug,info"#,
        r#"f.toml:5:17: responder.tunnel_listen: "localhost:1" is not an address to listen on; write IP:PORT, such as 127.0.0.1:15443; port 0 lets the system choose"#,
        "f.toml:6:17: responder.ping_interval: is an integer; write a string in quotes",
        "f.toml:7:16: responder.echo_timeout: must not be zero; write for example 1s",
        r#"f.toml:8:8: responder.wait: "1x" is not a duration; write for example 2s, 500ms or 1m30s"#,
        "f.toml:9:11: responder.threads: is out of range; write a whole number from 1 to 1024",
        "f.toml:10:20: responder.tenant_isolation: is a string; write true or false",
        r#"f.toml:11:16: responder.trusted_hops: "10.0.0.1/8" has bits behind its prefix; write addresses and networks"#,
        "f.toml:12:1: responder.max_strems: unknown setting; did you mean `max_streams`?",
        "f.toml:13:11: responder.silence: is not longer than the interval of 2s between probes; write at least 7s",
        r#"f.toml:14:16: responder.request_path: "tunnel" is not a valid request path; write a path that begins with /, at most 255 visible ASCII characters"#,
        r#"f.toml:16:25: initiator.listener.address: "rc://n:c@cloud:1": "#,
        "f.toml:16:47: initiator.listener.address: is missing; write address = ",
        r#"f.toml:16:59: initiator.listener.forward: "ftp://x" begins with no scheme of services; "#,
        r#"f.toml:18:10: initiator.upstreams.cloud: "nowhere" has no port; "#,
        "f.toml:18:21: initiator.upstreams.cloud: is an integer; write a string in quotes",
        "f.toml:19:8: initiator.upstreams.none: is an empty list; write at least one entry",
    ];
    let found = diagnostics(text);
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "\n   found {found}\nexpected {expected}");
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let found = diagnostics("[responder]\nthreads = = 1\n");
    assert!(found[0].starts_with("f.toml:2:11: "), "{found:?}");
    let found = diagnostics("[responder]\nthreads = 1\nthreads = 2\n");
    assert!(found[0].starts_with("f.toml:3:1: "), "{found:?}");
}

#[test]
fn a_file_that_is_not_complete_says_what_is_missing() {
    assert_eq!(
        diagnostics(""),
        ["f.toml: configures neither a responder nor an initiator; write a table [responder] or [initiator]"]
    );
    assert!(diagnostics("[initiator]\n")[0].starts_with("f.toml: an initiator needs an address; "));
    let found = diagnostics("[[initiator.listener]]\naddress = \"rc://n:c:t@cloud:2\"\n");
    assert!(
        found[0].starts_with("f.toml:2:11: initiator.listener: unknown upstream \"cloud\" in rc://n:c:t@cloud:2; ")
    );
    assert!(
        found[1].starts_with(
            "f.toml:2:11: initiator.listener: no service is configured for requests to rc://n:c:t@cloud:2; "
        )
    );
    assert_eq!(found.len(), 2);
}

#[test]
fn nothing_is_open_to_other_machines_unless_somebody_says_so() {
    let proven = "[responder.egress_tls]\ncert = \"a\"\nkey = \"b\"\n";
    for (text, what) in [
        ("[responder]\negress_listen = \"0.0.0.0:2\"\n", Some("--allow-unauthenticated-egress")),
        (&format!("[responder]\negress_listen = \"10.1.2.3:2\"\n{proven}"), Some("--allow-unauthenticated-egress")),
        (&format!("[responder]\negress_listen = \"10.1.2.3:2\"\n{proven}client_ca = \"c\"\n"), None),
        ("[responder]\negress_listen = \"[::]:2\"\nallow_unauthenticated_egress = true\n", None),
        ("[responder]\nadmin_listen = \"0.0.0.0:2\"\n", Some("--allow-unauthenticated-admin")),
        ("[responder]\nadmin_listen = \"0.0.0.0:2\"\nallow_unauthenticated_admin = true\n", None),
        ("[responder]\nadmin_listen = \"127.9.9.9:2\"\negress_listen = \"[::ffff:127.0.0.1]:1\"\n", None),
    ] {
        let found = diagnostics(text);
        assert_eq!(found.len(), usize::from(what.is_some()), "{text}: {found:?}");
        assert!(
            what.is_none_or(|what| found[0].contains("can be reached from other machines") && found[0].contains(what))
        );
    }
    let initiator = "[initiator]\nadmin_listen = \"0.0.0.0:1\"\n[[initiator.listener]]\naddress = \"rc://n:c:t@cloud:1\"\nforward = \"http://a:1\"\n[initiator.upstreams]\ncloud = [\"10.1.2.3:4\", \"127.0.0.1:4\", \"cloud.example:4\"]\n";
    let found = diagnostics(initiator).join("\n");
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains("will not dial 10.1.2.3:4: 10.1.2.3 is another machine"), "{found}");
    assert!(found.contains("--allow-unauthenticated-admin"), "{found}");
}

#[test]
fn tenants_that_are_proven_are_not_mixed_unless_somebody_says_so() {
    let mixed = "[responder]\ntenant_isolation = false\n";
    let tls = "[responder.tls]\ncert = \"a\"\nkey = \"b\"\nclient_ca = \"c\"\n";
    let san = |name| format!("{name}_san = \"spiffe://{{tenant}}/{{cluster}}/{{node}}\"\n");
    let by_certificate = [tls.to_owned(), san("node"), san("cluster"), san("tenant")].concat();
    for (text, is_refused) in [
        (format!("{mixed}{by_certificate}"), true),
        (format!("{mixed}allow_mixed_tenants = true\n{by_certificate}"), false),
        (format!("{mixed}{tls}allow_any_identity = true\n"), false),
        (by_certificate.clone(), false),
        (mixed.to_owned(), false),
    ] {
        let found = diagnostics(&text);
        let told = found
            .iter()
            .any(|line| line.contains("responder.tenant_isolation") && line.contains("--allow-mixed-tenants"));
        assert_eq!((told, found.len()), (is_refused, usize::from(is_refused)), "{text}: {found:?}");
    }
}

#[test]
fn listeners_on_one_port_are_named() {
    let found = diagnostics("[responder]\ntunnel_listen = \"127.0.0.1:7\"\negress_listen = \"127.0.0.1:7\"\n");
    assert_eq!(
        found,
        [
            "f.toml: responder.egress_listen: 127.0.0.1:7 is taken by tunnel_listen; give each listener a port of its own"
        ]
    );
    // The default of another one counts as well.
    let found = diagnostics("[responder]\ntunnel_listen = \"127.0.0.1:15090\"\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("admin_listen: 127.0.0.1:15090 is taken by tunnel_listen"), "{found:?}");
}

#[test]
fn an_address_without_tunnels_or_given_twice_is_told_with_its_place() {
    let text = r#"[initiator]
listener = [
    { address = "rc://n:c:t@cloud:1", forward = "http://a" },
    { address = "rc://n:c:t@other:1", forward = "http://a" },
    { address = "rc://n:c:t@cloud:1", forward = "http://b" },
    { address = "rc://n2:c:t@cloud:0", forward = "http://a" },
    { address = "rc://n:c:t@other:7", forward = "http://a" },
]
[initiator.upstreams]
cloud = ["a:1"]
other = ["a:1"]
"#;
    let mut found = diagnostics(text);
    found.sort();
    assert_eq!(
        found,
        [
            "f.toml:5:17: initiator.listener: rc://n:c:t@cloud:1 is given twice; write each node and upstream once, with the number of tunnels that it shall have in all",
            "f.toml:6:17: initiator.listener: rc://n2:c:t@cloud:0 asks for no tunnels; write a COUNT of 1 or more behind the last colon",
            "f.toml:7:17: initiator.listener: rc://n:c:t@other:7 is rc://n:c:t@other:1 with another count; write each node and upstream once, with the number of tunnels that it shall have in all",
        ]
    );
}

#[test]
fn which_addresses_of_names_get_tunnels_is_a_setting() {
    let read = |text: &str| Settings::parse(text).map(|settings| settings.initiator.unwrap().hosts);
    let hosts = read("[initiator]\ndns_lookup_family = \"v4_only\"\nremoval_delay = \"1m\"\n").unwrap();
    assert_eq!((hosts.lookup_family, hosts.removal_delay), (LookupFamily::V4Only, Duration::from_secs(60)));
    assert_eq!(read("[initiator]\n").unwrap().lookup_family, LookupFamily::Auto);
    let found = diagnostics("[initiator]\ndns_lookup_family = \"v6\"\n");
    let expected = "f.toml:2:21: initiator.dns_lookup_family: \"v6\" is not a family of addresses; write one of auto, v4_only, v6_only, all";
    assert_eq!(found[0], expected);
}
