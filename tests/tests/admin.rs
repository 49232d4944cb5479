//! The admin listener of both ends.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Request, StatusCode, request};
use revtun_tests::body;
use revtun_tests::client::{Answer, ask, get, post};
use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::patience::{SOON, until};
use revtun_tests::port::Port;
use revtun_tests::prometheus::Metrics;
use revtun_tests::raw::Raw;
use revtun_tests::service::Service;

struct Pair {
    responder: Responder,
    initiator: Initiator,
    _service: Service,
}

impl Pair {
    async fn start(responder: &[&str]) -> Self {
        let service = Service::start("service").await;
        let responder = Responder::revtun(responder).await;
        let hosts = [responder.tunnel()];
        let initiator = Initiator::revtun(Dialling::from_revtun(&hosts, service.addr())).await;
        Self { responder, initiator, _service: service }
    }
}

async fn status(admin: SocketAddr, path: &str) -> StatusCode {
    get(admin, path).await.expect("an answer").status
}

async fn becomes(admin: SocketAddr, path: &str, wanted: u16) {
    let what = format!("{path} answers {wanted}");
    until(SOON, &what, async || (status(admin, path).await == wanted).then_some(())).await;
}

async fn metrics(admin: SocketAddr) -> Metrics {
    let answer = get(admin, "/metrics").await.expect("an answer");
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    Metrics::parse(&answer.text())
}

#[tokio::test]
async fn each_page_has_its_method_and_nothing_else_is_there() {
    let responder = Responder::revtun(&[]).await;
    for path in ["/healthz", "/readyz", "/tunnels", "/metrics"] {
        assert_eq!(status(responder.admin(), path).await, 200, "{path}");
        let answer = post(responder.admin(), path).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "GET, HEAD, OPTIONS"), "{path}");
        let head = said(responder.admin(), Request::head(path)).await;
        assert_eq!((head.status.as_u16(), head.text().as_str()), (200, ""), "{path}");
        assert_ne!(head.header("content-length"), "0", "{path}");
        let options = said(responder.admin(), Request::options(path)).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, HEAD, OPTIONS"), "{path}");
        let answer = get(responder.admin(), &format!("{path}?verbose=1")).await.expect("an answer");
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.text().contains("verbose=1"), "{}", answer.text());
    }
    let options = said(responder.admin(), Request::options("*")).await;
    assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, HEAD, POST, OPTIONS"));
    let answer = get(responder.admin(), "/drain").await.expect("an answer");
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST, OPTIONS"));
    assert_eq!(status(responder.admin(), "/").await, 404);
    assert_eq!(status(responder.admin(), "/healthz/").await, 404);
}

async fn said(admin: SocketAddr, request: request::Builder) -> Answer {
    let request = request.header("host", admin.to_string()).body(body::empty()).expect("a legal request");
    ask(admin, request).await.expect("an answer")
}

/// Headers of a request, the status of the answer, and the reason that is counted.
type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

#[tokio::test]
async fn a_web_page_can_neither_drain_nor_read() {
    let mut responder = Responder::revtun(&[]).await;
    let admin = responder.admin();
    let ours = admin.to_string();
    let own_origin = format!("http://{ours}");
    let rows: [Row; 8] = [
        (&[("host", "evil.example")], 403, "foreign-host"),
        (&[("host", &ours), ("origin", "http://evil.example")], 403, "foreign-origin"),
        (&[("host", &ours), ("origin", "null")], 403, "foreign-origin"),
        (&[("host", &ours), ("sec-fetch-site", "cross-site")], 403, "cross-site"),
        (&[("host", &ours), ("sec-fetch-site", "same-site")], 403, "cross-site"),
        (&[("host", &ours), ("host", "evil.example")], 400, "illegal-host"),
        (&[("host", &ours), ("origin", &own_origin), ("sec-fetch-site", "same-origin")], 200, ""),
        (&[("host", "localhost")], 200, ""),
    ];
    for (headers, expected, reason) in rows {
        for (method, path) in [("GET", "/tunnels"), ("POST", "/drain")] {
            if expected == 200 && method == "POST" {
                continue;
            }
            let before = metrics(admin).await;
            let request = Request::builder().method(method).uri(path);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            let answer = ask(admin, request.body(body::empty()).expect("legal")).await.expect("an answer");
            assert_eq!(answer.status.as_u16(), expected, "{method} {headers:?}: {}", answer.text());
            if !reason.is_empty() {
                let series = format!("revtun_admin_requests_refused_total{{reason=\"{reason}\"}}");
                assert_eq!(metrics(admin).await.value(&series), before.value(&series) + 1, "{headers:?}");
            }
        }
    }
    assert_eq!(responder.process().ended(), None);
    assert_eq!(status(admin, "/readyz").await, 200);
}

#[tokio::test]
async fn an_admin_listener_may_have_names() {
    let responder = Responder::configured("[responder]\nadmin_hosts = \"a.example, b.example\"\n").await;
    for (host, expected) in [("b.example:15090", 200), ("c.example", 403)] {
        let request = Request::get("/healthz").header("host", host).body(body::empty()).expect("legal");
        assert_eq!(ask(responder.admin(), request).await.expect("an answer").status, expected, "{host}");
    }
}

#[tokio::test]
async fn mute_connections_do_not_starve_the_admin_listener() {
    let responder = Responder::revtun(&[]).await;
    let mut mute = Vec::new();
    for _ in 0..64 {
        mute.push(Raw::connect(responder.admin()).await);
    }
    // Those that say something without an end are mute as well.
    for raw in &mut mute[32..] {
        raw.send(b"GET /healthz HTTP/1.1\r\nhost: ").await;
    }
    let began = Instant::now();
    assert_eq!(status(responder.admin(), "/healthz").await, 200);
    assert!(began.elapsed() < Duration::from_secs(1), "nobody was waited for");
    assert!(metrics(responder.admin()).await.value("revtun_admin_connections_displaced_total") >= 32);
    // Who stays is not waited for much longer.
    for raw in &mut mute {
        raw.read_to_end(Duration::from_secs(5), "it is closed").await;
    }
}

#[tokio::test]
async fn a_gauge_with_nothing_to_count_is_zero() {
    let nobody = Port::reserve();
    let hosts = [nobody.addr()];
    let dialling = Dialling { count: 3, ..Dialling::from_revtun(&hosts, nobody.addr()) };
    let initiator = Initiator::revtun(dialling).await;
    let page = metrics(initiator.admin()).await;
    for stage in ["handshaking", "idle", "in-use", "draining"] {
        assert_eq!(page.value(&format!("revtun_initiator_tunnels{{stage=\"{stage}\"}}")), 0);
    }
    assert_eq!(page.value("revtun_initiator_tunnels_wanted"), 3);
    assert_eq!(page.value("revtun_initiator_hosts"), 1);
}

#[tokio::test]
async fn a_shutdown_lets_load_balancers_see_it_first() {
    let mut pair = Pair::start(&["--tenant-isolation", "false", "--shutdown-delay", "2s"]).await;
    pair.responder.reaches("node-a").await;
    let began = Instant::now();
    pair.responder.process().signal("TERM");
    becomes(pair.responder.admin(), "/readyz", 503).await;
    let answer = get(pair.responder.admin(), "/readyz").await.expect("an answer");
    assert_eq!(answer.text(), "not ready: shutting down\n");
    assert_eq!(status(pair.responder.admin(), "/healthz").await, 200);
    // New connections are taken, and served.
    assert_eq!(pair.responder.ask_node("node-a", "/").await.status, 200);
    assert_eq!(metrics(pair.responder.admin()).await.value("revtun_responder_draining"), 0);
    assert_eq!(pair.responder.process().end(SOON).await.code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(2), "not before its time");
}

#[tokio::test]
async fn a_drain_says_how_much_it_is_about() {
    let pair = Pair::start(&[]).await;
    pair.responder.has_within(SOON, "node-a", 1).await;
    for (query, text) in [
        ("tenant=tenant-a&node=nobody", "draining node nobody of tenant tenant-a: 0 tunnels\n"),
        ("tenant=tenant-a&node=node-a&grace=1s", "draining node node-a of tenant tenant-a: 1 tunnel\n"),
    ] {
        let answer = post(pair.responder.admin(), &format!("/drain?{query}")).await.expect("an answer");
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (202, text));
    }
}

#[tokio::test]
async fn an_initiator_is_ready_only_while_a_tunnel_is_heard() {
    let mut pair = Pair::start(&[]).await;
    let admin = pair.initiator.admin();
    becomes(admin, "/readyz", 200).await;
    pair.responder.kill();
    becomes(admin, "/readyz", 503).await;
    let answer = get(admin, "/readyz").await.expect("an answer");
    assert!(answer.text().contains("rc://"), "it names the address: {}", answer.text());
    assert_eq!(status(admin, "/healthz").await, 200);
}

#[tokio::test]
async fn metrics_keep_the_format_and_count_what_happens() {
    let pair = Pair::start(&["--tenant-isolation", "false"]).await;
    becomes(pair.initiator.admin(), "/readyz", 200).await;
    let before = metrics(pair.responder.admin()).await;
    let node = get(pair.responder.admin(), "/tunnels").await.expect("an answer").json()["tunnels"][0]["node"].clone();
    assert_eq!(pair.responder.ask_node(node.as_str().expect("a node"), "/").await.status, 200);
    assert_eq!(pair.responder.ask_node("nobody\"{}\\", "/").await.status, 503);
    let after = metrics(pair.responder.admin()).await;
    assert_eq!(after.value("revtun_responder_requests_assigned_total"), 1);
    assert_eq!(after.value("revtun_responder_local_replies_total{reason=\"no-tunnel\"}"), 1);
    assert_eq!(after.value("revtun_responder_nodes"), 1);
    assert!(before.series().eq(after.series()), "what peers and callers send makes no new series");
    let initiator = metrics(pair.initiator.admin()).await;
    assert_eq!(initiator.value("revtun_initiator_requests_total"), 1);
    assert_eq!(initiator.value("revtun_initiator_listeners_ready"), 1);
}

#[tokio::test]
async fn a_drain_of_everything_is_answered_and_ends_the_process() {
    let mut pair = Pair::start(&[]).await;
    becomes(pair.initiator.admin(), "/readyz", 200).await;
    let (initiator, responder) = (pair.initiator.admin(), pair.responder.admin());
    for (process, what) in [(initiator, "1 listener"), (responder, "")] {
        let answer = post(process, "/drain?grace=5s").await.expect("an answer");
        assert_eq!(answer.status, 202);
        assert!(answer.text().starts_with(&format!("draining everything: {what}")), "{}", answer.text());
    }
    assert_eq!(pair.initiator.process().end(SOON).await.code(), Some(0));
    assert_eq!(pair.responder.process().end(SOON).await.code(), Some(0));
}

#[tokio::test]
async fn a_drain_that_makes_no_sense_is_refused() {
    let pair = Pair::start(&[]).await;
    for (admin, query) in [
        (pair.responder.admin(), "nodes=a"),
        (pair.responder.admin(), "node=a"),
        (pair.responder.admin(), "tenant=a&grace=5"),
        (pair.initiator.admin(), "tunnel=0.0"),
        (pair.initiator.admin(), "node=nobody"),
    ] {
        let answer = post(admin, &format!("/drain?{query}")).await.expect("an answer");
        assert_eq!(answer.status, 400, "{query}: {}", answer.text());
    }
    becomes(pair.initiator.admin(), "/readyz", 200).await;
}
