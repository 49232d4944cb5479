//! What does not start, and what an operator is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use revtun_tests::certificates::{Authority, Files, P521};
use revtun_tests::issuer::{Paper, now};
use revtun_tests::revtun;
use revtun_tests::settings::Settings;
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
    let overlapping = Settings::write(
        "[responder.tls]\nnode_san = \"x://y/{node}\"\ncluster_san = \"x://c/{cluster}\"\ntenant_san = \"x://y/{tenant}\"\n",
    );
    let encrypted = [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nMAA=\n-----END RSA PRIVATE KEY-----\n",
    ];
    let encrypted = encrypted.map(Paper::write);
    let p521 = Paper::write(P521);
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
        (
            &["--tls-cert", &cert, "--tls-key", &key, "--tls-client-ca", &ca, "--config", overlapping.path()],
            "the same text could fit the templates for {node} and {tenant}",
        ),
        (&["--tls-cert", "/nowhere", "--tls-key", &key], "cannot read /nowhere"),
        (&["--tls-cert", &key, "--tls-key", &key], "holds no certificate"),
        (&["--tls-cert", &cert, "--tls-key", &cert], "holds no private key"),
        (&["--tls-cert", &cert, "--tls-key", encrypted[0].path()], "holds a private key that is encrypted"),
        (&["--tls-cert", &cert, "--tls-key", encrypted[1].path()], "holds a private key that is encrypted"),
        (&["--tls-cert", &cert, "--tls-key", p521.path()], "holds a private key of a kind that is not supported"),
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

/// Whatever peers will not take, the check tells before they do.
#[test]
fn check_tells_certificates_that_are_not_valid_now_and_keys_that_others_can_read() {
    const HOUR: u64 = 3600;
    let authority = Authority::new();
    let checked = |Files { cert, key }: &Files| {
        let ends = Settings::write(&format!(
            "[responder.egress_tls]\ncert = {cert:?}\nkey = {key:?}\n\
             [initiator.tls]\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n\
             [[initiator.listener]]\naddress = \"rc://n:c:t@u:1\"\nforward = \"http://127.0.0.1:1\"\n\
             [initiator.upstreams]\nu = [\"127.0.0.1:1\"]\n",
            ca = authority.ca(),
        ));
        said(&["check", "--config", ends.path()])
    };
    for (valid, told) in [
        (now() - 2 * HOUR..=now() - HOUR, "holds a certificate that has expired (certificate number 1)"),
        (now() + HOUR..=now() + 2 * HOUR, "holds a certificate that is not valid yet (certificate number 1)"),
    ] {
        let (code, text) = checked(&authority.issue_for("own", &["127.0.0.1"], valid));
        assert_eq!((code, text.lines().count()), (Some(2), 2), "{text}");
        assert!(text.lines().all(|line| line.contains(told)), "{text}");
    }
    let own = authority.issue_for("own", &["127.0.0.1"], now() - HOUR..=now() + HOUR);
    assert_eq!(checked(&own), (Some(0), String::new()));
    // The certificates above it count as well.
    let old = authority.issue_to("old", &["127.0.0.1"], now() - HOUR);
    let chain = [fs::read(&own.cert).expect("a file"), fs::read(&old.cert).expect("a file")].concat();
    fs::write(&own.cert, chain).expect("the target folder is writable");
    let (code, text) = checked(&own);
    assert!(code == Some(2) && text.contains("has expired (certificate number 2)"), "{text}");

    let own = authority.issue("own", &["127.0.0.1"]);
    fs::set_permissions(&own.key, fs::Permissions::from_mode(0o644)).expect("it is ours");
    let (code, text) = checked(&own);
    assert_eq!((code, text.lines().count()), (Some(0), 2), "{text}");
    let warns = |line: &str| line.starts_with("warning: ") && line.contains("that everybody on this machine can read");
    assert!(text.lines().all(warns), "{text}");
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
pub(super) fn said(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(revtun::binary()).args(args).output().expect("the binary runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
