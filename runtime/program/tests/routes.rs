//! Routes and services of an initiator: how they are written, and what is wrong with them.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use revtun::upstream::{HostRewrite, ServiceProtocol};
use revtun_program::config::{Diagnostic, End, Settings, Source, Sources, in_force, override_by};

const ALL: &str = r#"
[initiator]
[[initiator.listener]]
address = "rc://n:c:t@cloud:1"
forward = "web"
[[initiator.listener.route]]
host = "*.example.com"
path = "/api"
methods = ["GET", "HEAD"]
headers = ["x-env: dev"]
to = "grpc"
rewrite_host = "service"
strip_prefix = "/api/"
add_prefix = "/v1"
set_headers = ["x-site: oslo"]
remove_headers = ["cookie"]
first_byte_timeout = "1s"
idle_timeout = "0s"
timeout = "2s"
[[initiator.listener.route]]
host = "a.example.com"
to = "unix:/run/a"
[initiator.services.web]
urls = ["https://a.example.com", "https://b.example.com:8443"]
server_name = "web.example.com"
danger_accept_any_certificate = true
[initiator.services.grpc]
url = "h2c://127.0.0.1:50051"
[initiator.upstreams]
cloud = ["127.0.0.1:1"]
"#;

fn render(diagnostics: &[Diagnostic], text: &str) -> Vec<String> {
    let source = Source { path: Path::new("f.toml"), text };
    diagnostics.iter().map(|diagnostic| diagnostic.render(Some(source))).collect()
}

#[test]
fn routes_and_services_are_read() {
    let settings = Settings::parse(ALL).unwrap();
    assert_eq!(render(&settings.missing(), ALL), [""; 0]);
    let plans = settings.initiator.unwrap().plan().unwrap();
    let (_, forward) = &plans[0];
    let routes: Vec<_> = forward.routes.iter().map(|route| format!("{} -> {}", route.rule, route.service)).collect();
    assert_eq!(
        routes,
        ["*.example.com/api method GET,HEAD header x-env: dev -> grpc", "a.example.com/ -> unix:/run/a", "*/ -> web"]
    );
    let (rewrite, timeouts) = (&forward.routes[0].rewrite, forward.routes[0].timeouts);
    assert_eq!((&rewrite.host, &*rewrite.strip_prefix, &*rewrite.add_prefix), (&HostRewrite::Service, "/api", "/v1"));
    assert_eq!((rewrite.remove_headers[0].as_str(), &rewrite.set_headers[0].1), ("cookie", &"oslo".parse().unwrap()));
    assert_eq!((timeouts.first_byte, timeouts.whole), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!(timeouts.idle, Some(Duration::ZERO));
    let services: Vec<_> = forward.services.iter().map(|service| &service.config).collect();
    let told: Vec<_> =
        services.iter().map(|service| (&*service.name, service.protocol, service.endpoints.len())).collect();
    assert_eq!(
        told,
        [
            ("grpc", ServiceProtocol::Http2, 1),
            ("unix:/run/a", ServiceProtocol::Http1, 1),
            ("web", ServiceProtocol::Negotiated, 2)
        ]
    );
    let tls: Vec<_> = forward.services.iter().map(|service| service.tls.is_some()).collect();
    assert_eq!(tls, [false, false, true]);
}

#[test]
fn what_is_in_force_is_a_file_with_the_same_meaning() {
    let settings = Settings::parse(ALL).unwrap();
    let page = in_force(&settings, &[End::Initiator], None);
    let again = Settings::parse(&page).unwrap();
    let plan = |settings: Settings| format!("{:?}", settings.initiator.unwrap().plan().unwrap());
    assert_eq!(plan(again), plan(settings), "{page}");
}

#[test]
fn a_route_of_the_command_line_is_a_host_a_path_or_both() {
    let given = |texts: &[&str]| {
        let mut settings = Settings::parse(ALL).unwrap();
        let texts: Vec<OsString> = texts.iter().map(OsString::from).collect();
        let flags = |flag: &str| if flag == "route" { texts.clone() } else { Vec::new() };
        let sources = Sources { environment: &|_| None, flags: &flags };
        let outcome = override_by(&mut settings, sources, Some(End::Initiator));
        outcome.map(|()| settings.initiator.unwrap().plan().unwrap().remove(0).1)
    };
    let forward = given(&["grafana.*=http://h:1", "/api=h2c://h:2", "a.b/c=https://h"]).unwrap();
    let routes: Vec<_> = forward.routes.iter().map(|route| format!("{} -> {}", route.rule, route.service)).collect();
    let all = ["grafana.*/ -> http://h:1", "*/api -> h2c://h:2", "a.b/c -> https://h:443", "*/ -> web"];
    assert_eq!(routes, all);
    for text in ["grafana", "=http://h:1", "a=b", "a b=http://h:1", "/a?b=http://h"] {
        let diagnostics = given(&[text]).unwrap_err();
        assert!(diagnostics[0].render(None).starts_with("--route: "), "{text}: {diagnostics:?}");
    }
}

#[test]
fn what_is_wrong_with_routes_is_told_with_its_place() {
    let text = r#"[initiator]
[[initiator.listener]]
address = "rc://n:c:t@cloud:1"
[[initiator.listener.route]]
host = "a:80"
path = "api"
methods = ["get"]
headers = [": x"]
set_headers = ["host: x", "x"]
remove_headers = ["a b"]
rewrite_host = "a b"
idle_timeout = "5"
[initiator.services."a b"]
url = "http://a/b"
[initiator.services.b]
"#;
    let told = render(&Settings::parse(text).unwrap_err(), text);
    let expected = [
        "f.toml:4:1: initiator.listener.route.to: is missing; write to = \"SERVICE\" or to = \"http://HOST:PORT\"",
        "f.toml:5:8: initiator.listener.route.host: \"a:80\" has a port, but the port of a request does not count",
        "f.toml:6:8: initiator.listener.route.path: \"api\" does not begin with a slash",
        "f.toml:7:12: initiator.listener.route.methods: \"get\" is no method in capitals",
        "f.toml:8:12: initiator.listener.route.headers: \": x\" does not begin with the name of a header",
        "f.toml:9:16: initiator.listener.route.set_headers: \"host\" is not left to routes",
        "f.toml:9:27: initiator.listener.route.set_headers: \"x\" is no header",
        "f.toml:10:19: initiator.listener.route.remove_headers: \"a b\" is no name of a header",
        "f.toml:11:16: initiator.listener.route.rewrite_host: \"a b\" is no host",
        "f.toml:12:16: initiator.listener.route.idle_timeout: \"5\" has no unit",
        "f.toml:13:21: initiator.services.a b: \"a b\" is no name of a service",
        "f.toml:14:7: initiator.services.a b.url: \"http://a/b\" has a path",
        "f.toml:15:21: initiator.services.b.url: is missing",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
}

#[test]
fn what_routes_do_not_fit_is_told() {
    let text = r#"[initiator]
[[initiator.listener]]
address = "rc://n:c:t@cloud:1"
forward = "http://a"
[[initiator.listener.route]]
to = "nowhere"
[[initiator.listener.route]]
host = "a"
headers = ["x"]
to = "mixed"
[[initiator.listener.route]]
host = "A"
headers = ["x: 1"]
to = "plain"
[initiator.services.mixed]
urls = ["http://a", "h2c://b"]
[initiator.services.plain]
url = "http://a"
server_name = "a"
[initiator.services.unused]
url = "https://a"
danger_accept_any_certificate = true
[initiator.upstreams]
cloud = ["127.0.0.1:1"]
"#;
    let settings = Settings::parse(text).unwrap();
    let told = render(&settings.missing(), text);
    for (told, expected) in told.iter().zip([
        "f.toml:15:21: initiator.services.mixed: has urls of several schemes",
        "f.toml:17:21: initiator.services.plain: has settings of TLS, but its url is not https",
        "f.toml:5:1: initiator.listener.route: leads to the unknown service \"nowhere\"; write [initiator.services.nowhere]",
        "f.toml:11:1: initiator.listener.route: is never taken: a/ header x matches all that a/ header x: 1 does",
        "f.toml:4:11: initiator.listener.route: is never taken: the same requests (*/) have a route already",
    ]) {
        assert!(told.starts_with(expected), "{told}\n{expected}");
    }
    assert_eq!(told.len(), 5, "{told:#?}");
    assert_eq!(
        render(&settings.warnings(), text),
        [
            "f.toml:20:21: initiator.services.unused: no route leads to it; remove it, or write a route to it",
            "f.toml:20:21: initiator.services.unused: accepts any certificate: whoever is between can read and change everything; give the ca of its certificate",
        ]
    );
}
