//! What does not start, and what an operator is told.

use std::process::Command;

use revtun_tests::certificates::{Authority, Files};
use revtun_tests::revtun;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::{TEMPLATE, counts, metrics, responder, shows};

#[test]
fn nothing_leaves_this_machine_in_the_clear_unless_somebody_says_so() {
    let initiator = |upstream: &str| {
        let upstream = format!("cloud={upstream}");
        let args = [
            "initiator",
            "--address",
            "rc://n:c:t@cloud:1",
            "--forward",
            "http://127.0.0.1:1",
            "--upstream",
            &upstream,
        ];
        said(&args)
    };
    let responder = |more: &[&str]| said(&[&["responder", "--tunnel-listen", "0.0.0.0:0"], more].concat());
    let (code, text) = responder(&[]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("0.0.0.0:0 can be reached from other machines, and tunnels would be unencrypted"), "{text}");
    assert!(text.contains("--allow-plaintext"), "{text}");
    let (code, text) = initiator("192.0.2.1:1");
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("will not dial 192.0.2.1:1: 192.0.2.1 is another machine"), "{text}");
    assert!(text.contains("--allow-plaintext"), "{text}");
}

#[test]
fn half_a_setting_is_refused_with_what_to_do() {
    let authority = Authority::new();
    let Files { cert, key } = authority.issue("server", &["127.0.0.1"]);
    let other = authority.issue("other", &["127.0.0.1"]);
    let ca = authority.ca();
    for (args, what) in [
        (&["--tls-cert", &cert][..], "has a certificate but not its key"),
        (&["--tls-key", &key], "has a key but no certificate"),
        (&["--tls-client-ca", &ca], "has no certificate"),
        (&["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca], "lets each of them claim any identity"),
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-identity", TEMPLATE],
            "but does not require client certificates",
        ),
        (&["--tls-identity", "spiffe://{node}"], "has no {cluster}"),
        (&["--tls-cert", "/nowhere", "--tls-key", &key], "cannot read /nowhere"),
        (&["--tls-cert", &key, "--tls-key", &key], "holds no certificate"),
        (&["--tls-cert", &cert, "--tls-key", &cert], "holds no private key"),
        (&["--tls-cert", &cert, "--tls-key", &other.key], "do not belong together"),
        (&["--tls-extent", "half"], "is not a TLS extent"),
    ] {
        let listen =
            ["--tunnel-listen", "127.0.0.1:0", "--egress-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let (code, text) = said(&[&["responder"], &listen[..], args].concat());
        assert_eq!(code, Some(2), "{args:?}: {text}");
        assert!(text.contains(what) && text.trim_end().lines().count() == 1, "{args:?}: {text}");
    }
}

/// Load balancers connect and close, some with a reset.
#[tokio::test]
async fn a_health_check_of_tcp_is_no_tls_failure() {
    let authority = Authority::new();
    let server = authority.issue("server", &["127.0.0.1"]);
    let mut responder = responder(&[&shows(&server)]).await;
    for closes_with_reset in [false, true] {
        let check = TcpStream::connect(responder.tunnel()).await.expect("it listens");
        if closes_with_reset {
            check.set_zero_linger().expect("a socket");
        }
    }
    counts(responder.admin(), "revtun_responder_handshakes_abandoned_total", 2).await;
    assert_eq!(metrics(responder.admin()).await.value("revtun_responder_tls_handshake_failures_total"), 0);
    // Whoever begins and does not go on is one.
    let mut half = TcpStream::connect(responder.tunnel()).await.expect("it listens");
    half.write_all(&[22, 3, 1]).await.expect("there is room");
    drop(half);
    counts(responder.admin(), "revtun_responder_tls_handshake_failures_total", 1).await;
    let log = responder.process().stderr();
    assert_eq!(log.matches("TLS handshake failed").count(), 1, "{log}");
}

/// Runs a command that must not start anything; its exit code and its last lines.
fn said(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(revtun::binary()).args(args).output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
