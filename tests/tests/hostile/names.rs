//! Identity strings: what is no name is turned away, and what looks like another's is not taken for it.

use revtun_tests::client::{get, to_node};
use revtun_tests::fake::Handshake;
use revtun_tests::patience::SOON;
use revtun_tests::prometheus::Metrics;
use revtun_tests::raw::Raw;

use crate::scene::{BAD, GOOD, NODE, Scene, bad, has_reason, is_refusal};

#[tokio::test]
async fn what_is_no_name_is_turned_away_by_name() {
    let scene = Scene::set("").await;
    let bystander = scene.bystander();
    let long = "n".repeat(256);
    for (name, reason) in [
        ("", "empty-node"),
        ("a:b", "colon-in-identity"),
        (&long, "invalid-identity"),
        ("tab\u{b}", "bad-request"),
        ("nul\0", "bad-request"),
        ("del\u{7f}", "bad-request"),
        ("cr\rx-envoy-reverse-tunnel-tenant-id: tenant-a", "bad-request"),
        ("lf\nx-envoy-reverse-tunnel-tenant-id: tenant-a", "bad-request"),
    ] {
        let series = format!("revtun_responder_handshakes_rejected_total{{reason=\"{reason}\"}}");
        let before = scene.count(&series).await;
        let (_, answer) = scene.greet(&bad(name).request()).await;
        assert!(is_refusal(&answer, 400), "{name:?}: {answer}");
        assert_eq!(scene.count(&series).await, before + 1, "{name:?}");
    }
    // Bytes that are no text at all.
    let mut raw = Raw::connect(scene.responder.tunnel()).await;
    let hello = bad("@").request().replace('@', "\u{1}").into_bytes();
    raw.send(&hello.into_iter().map(|byte| if byte == 1 { 0xff } else { byte }).collect::<Vec<_>>()).await;
    raw.read_to_end(SOON, "it is turned away").await;
    assert!(raw.received().starts_with(b"HTTP/1.1 400 "));
    bystander.was_served().await;
}

#[tokio::test]
async fn who_looks_like_a_tenant_is_not_taken_for_it() {
    let scene = Scene::set("wait = \"0s\"").await;
    let bystander = scene.bystander();
    let before = scene.service.seen().len();
    // A capital, a Cyrillic a, a mark that is not seen, the same in another form, a shorter and a longer one.
    let alike = ["Tenant-a", "ten\u{430}nt-a", "tenant-a\u{200b}", "tena\u{301}nt-a", "tenant-", "tenant-a-"];
    let mut tunnels = Vec::new();
    for tenant in alike {
        let elsewhere = to_node(NODE, "/").header("x-tenant-id", tenant.as_bytes());
        let answer = scene.responder.ask(elsewhere).await;
        assert!(has_reason(&answer, 503, "no-tunnel"), "{tenant:?}: {answer:?}");
        // Nor does a node of that name take the other's requests.
        tunnels.push(Handshake { node: NODE, cluster: "cluster-a", tenant }.dial(scene.responder.tunnel()).await);
    }
    for _ in 0..20 {
        assert_eq!(scene.responder.ask(scene.request("/")).await.status, 200);
    }
    assert!(scene.service.seen().len() >= before + 20);
    for tunnel in &mut tunnels {
        assert!(!tunnel.received().starts_with(b"PRI"), "a request has reached a tenant that looks like its own");
    }
    bystander.was_served().await;
}

#[tokio::test]
async fn names_are_only_names_in_logs_metrics_and_pages() {
    let mut scene = Scene::set("").await;
    let bystander = scene.bystander();
    let names = [
        "\",\"node\":\"node-a",
        "</pre><script>alert(1)</script>",
        "\u{1b}[2Jclear",
        "x tenant accepted\\n2026-01-01 ERROR forged",
        "n\u{202e}\u{85}\u{2028}",
        "{reason=\"x\"} 1",
        "%0d%0aset-cookie: a=b",
    ];
    let (mut tunnels, mut accepted) = (Vec::new(), Vec::new());
    for name in names {
        let (raw, answer) = scene.greet(&bad(name).request()).await;
        let fits = !name.contains(':') && !name.contains('\u{1b}');
        assert_eq!(answer.starts_with("HTTP/1.1 200 "), fits, "{name:?}: {answer}");
        assert!(fits || is_refusal(&answer, 400), "{name:?}: {answer}");
        if fits {
            accepted.push(name);
            tunnels.push(raw);
        }
    }
    let page = get(scene.responder.admin(), "/tunnels").await.expect("a page");
    assert_eq!(page.header("content-type"), "application/json");
    let shown = page.json();
    let shown: Vec<&str> =
        shown["tunnels"].as_array().expect("a list").iter().filter_map(|tunnel| tunnel["node"].as_str()).collect();
    for name in &accepted {
        assert!(shown.contains(name), "{name:?} is shown as it is: {shown:?}");
    }
    // Every line that is counted is one of ours, and no name is a label.
    let metrics = Metrics::parse(&get(scene.responder.admin(), "/metrics").await.expect("a page").text());
    assert!(metrics.series().all(|series| series.starts_with("revtun_") && !series.contains("node-a")));
    let log = scene.responder.process().stderr();
    assert!(log.lines().any(|line| line.contains("clear") || line.contains("script")), "names are logged");
    assert!(!log.contains("\u{1b}[2J") && !log.lines().any(|line| line.starts_with("2026-01-01 ERROR")), "{log}");
    assert!(!log.contains('\u{85}') && !log.contains('\u{2028}') && !log.contains('\u{202e}'), "{log}");
    let answer = scene.responder.ask(to_node("nobody%0d%0a", "/").header("x-tenant-id", BAD)).await;
    assert_eq!(answer.status, 503);
    assert_ne!(GOOD, BAD);
    bystander.was_served().await;
}
