//! The log never hurts: not when it cannot be written, not when nobody reads it, not when there is too much of it.

use std::fs::{self, File, OpenOptions};
use std::io::{Write, pipe};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use http::StatusCode;
use revtun_tests::body;
use revtun_tests::client::{ask_for, get, to_node};
use revtun_tests::patience::{SOON, until, within};
use revtun_tests::process::Process;
use revtun_tests::prometheus::Metrics;
use revtun_tests::revtun::{binary, listener};
use revtun_tests::service::Service;
use revtun_tests::settings::Settings;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A fraction of a second on an idle machine. Whoever waits for a log waits for ever.
const PROMPT: Duration = Duration::from_secs(5);

/// What a pipe holds that nobody reads, on Linux.
const PIPE_BYTES: usize = 64 << 10;

const ANYWHERE: &str = "127.0.0.1:0";

const NODE: &str = "edge-1";

/// Both ends, with a service behind them.
struct Pair {
    responder: Process,
    initiator: Process,
    tunnel: SocketAddr,
    egress: SocketAddr,
    admins: [SocketAddr; 2],
    _service: Service,
}

impl Pair {
    /// Starts both with `flags`, and standard error where `stderr` leads.
    async fn start(flags: &[&str], stderr: impl Fn() -> Stdio) -> Self {
        let service = Service::start("service").await;
        let mut responder = begin(&[RESPONDER, flags].concat(), stderr());
        let tunnel = listener(&mut responder, "tunnel").await;
        let egress = listener(&mut responder, "egress").await;
        let admin = listener(&mut responder, "admin").await;
        let (cloud, forward) = (format!("cloud={tunnel}"), format!("http://{}", service.addr()));
        let dialling = ["--upstream", &cloud, "--forward", &forward];
        let mut initiator = begin(&[INITIATOR, &dialling, flags].concat(), stderr());
        let admins = [admin, listener(&mut initiator, "admin").await];
        let mut pair = Self { responder, initiator, tunnel, egress, admins, _service: service };
        pair.is_well().await;
        pair
    }

    /// Requests are answered promptly, and both ends say that they live and are ready.
    async fn is_well(&mut self) {
        until(SOON, "a request goes through", async || {
            let request = to_node(NODE, "/").header("x-tenant-id", "acme").body(body::empty()).expect("legal");
            let answer = ask_for(PROMPT, self.egress, request).await.ok()?;
            (answer.status == 200).then_some(())
        })
        .await;
        for admin in self.admins {
            for path in ["/healthz", "/readyz"] {
                let answer = within(PROMPT, path, get(admin, path)).await.expect("an answer");
                assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
            }
        }
        assert_eq!((self.responder.ended(), self.initiator.ended()), (None, None));
    }

    /// Both end when they are told to, and say that all went well.
    async fn ends_well(mut self) {
        for process in [&mut self.initiator, &mut self.responder] {
            process.signal("TERM");
            assert_eq!(process.end(SOON).await.code(), Some(0));
        }
    }
}

const RESPONDER: &[&str] =
    &["responder", "--tunnel-listen", ANYWHERE, "--egress-listen", ANYWHERE, "--admin-listen", ANYWHERE];

const INITIATOR: &[&str] = &["initiator", "--address", "rc://edge-1:edge:acme@cloud:2", "--admin-listen", ANYWHERE];

fn begin(args: &[&str], stderr: Stdio) -> Process {
    Process::start_with_stderr(args[0], Command::new(binary()).args(args).env_remove("RUST_LOG"), stderr)
}

/// A responder alone, whose standard error is kept.
async fn responder(flags: &[&str]) -> (Process, SocketAddr, SocketAddr) {
    let mut process = begin(&[RESPONDER, flags].concat(), Stdio::piped());
    let (tunnel, admin) = (listener(&mut process, "tunnel").await, listener(&mut process, "admin").await);
    (process, tunnel, admin)
}

/// Strangers who are turned away, a warning each, or dropped.
async fn strangers(tunnel: SocketAddr, count: usize) {
    for _ in 0..count {
        let mut stranger = TcpStream::connect(tunnel).await.expect("it listens");
        let _dropped = stranger.write_all(b"no handshake\r\n\r\n").await;
        let _reset = within(PROMPT, "a stranger is answered", stranger.read_to_end(&mut Vec::new())).await;
    }
}

async fn metrics(admin: SocketAddr) -> Metrics {
    Metrics::parse(&within(PROMPT, "/metrics", get(admin, "/metrics")).await.expect("an answer").text())
}

const WRITE_FAILED: &str = "revtun_log_lines_dropped_total{reason=\"write-failed\"}";
const QUEUE_FULL: &str = "revtun_log_lines_dropped_total{reason=\"queue-full\"}";

#[tokio::test]
async fn a_log_that_cannot_be_written_hurts_nobody() {
    let full = || File::options().write(true).open("/dev/full").expect("it is there").into();
    let unread = || pipe().expect("a pipe").1.into();
    let stderrs: [&dyn Fn() -> Stdio; 2] = [&full, &unread];
    for stderr in stderrs {
        let mut pair = Pair::start(&[], stderr).await;
        strangers(pair.tunnel, 20).await;
        pair.is_well().await;
        for admin in pair.admins {
            until(SOON, "lines are lost", async || (metrics(admin).await.value(WRITE_FAILED) > 0).then_some(())).await;
            assert_eq!(metrics(admin).await.value("revtun_panics_total"), 0);
        }
        pair.ends_well().await;
    }
}

#[tokio::test]
async fn nothing_waits_for_a_log_that_nobody_reads() {
    for threads in ["1", "2"] {
        let (_reader, mut writer) = pipe().expect("a pipe");
        writer.write_all(&vec![b'x'; PIPE_BYTES]).expect("there is just so much room");
        let stalled = || writer.try_clone().expect("a descriptor").into();
        let mut pair = Pair::start(&["--threads", threads, "--log-level", "trace"], stalled).await;
        strangers(pair.tunnel, 600).await;
        pair.is_well().await;
        until(SOON, "the queue is full", async || {
            pair.is_well().await;
            (metrics(pair.admins[0]).await.value(QUEUE_FULL) > 0).then_some(())
        })
        .await;
        pair.is_well().await;
        pair.ends_well().await;
    }
}

#[tokio::test]
async fn a_file_that_was_full_is_told_what_it_lacks() {
    let path = std::env::temp_dir().join(format!("revtun-log-{}", std::process::id()));
    // A shell counts in blocks of 512 or of 1024 bytes.
    let script = "ulimit -f 1 && exec \"$0\" \"$@\" 2>>\"$LOG\"";
    let mut limited = Command::new("sh");
    limited.args(["-c", script]).arg(binary()).args(RESPONDER).env("LOG", &path).env_remove("RUST_LOG");
    let mut process = Process::start("a responder with a short log", &mut limited);
    let (tunnel, admin) = (listener(&mut process, "tunnel").await, listener(&mut process, "admin").await);
    until(SOON, "lines are lost", async || {
        strangers(tunnel, 20).await;
        (metrics(admin).await.value(WRITE_FAILED) > 0).then_some(())
    })
    .await;
    OpenOptions::new().write(true).open(&path).expect("it is there").set_len(0).expect("it is ours");
    let log = until(SOON, "it is told", async || {
        let log = fs::read_to_string(&path).expect("UTF-8");
        log.contains("log lines dropped").then_some(log)
    })
    .await;
    let _gone = fs::remove_file(&path);
    let line = log.lines().find(|line| line.contains("log lines dropped")).expect("it was there");
    assert!(line.contains(" WARN ") && line.contains(" queue_full=0 write_failed="), "{line}");
    assert_eq!(process.ended(), None);
}

#[tokio::test]
async fn three_hundred_bad_handshakes_are_told_in_a_few_lines() {
    for (format, left_out) in [("human", "left_out=290"), ("json", "\"left_out\":290")] {
        let (mut process, tunnel, admin) = responder(&["--log-format", format]).await;
        strangers(tunnel, 300).await;
        let name = "revtun_log_lines_left_out_total";
        until(SOON, "290 are left out", async || (metrics(admin).await.value(name) == 290).then_some(())).await;
        process.signal("TERM");
        assert_eq!(process.end(SOON).await.code(), Some(0));
        let log = until(SOON, "the last line is told", async || {
            Some(process.stderr()).filter(|log| log.contains("left out 290 like it in the last"))
        })
        .await;
        let count = |words: &str| log.lines().filter(|line| line.contains(words)).count();
        assert_eq!(count("handshake rejected") + count("no whole handshake came"), 11, "{log}");
        let told = log.lines().find(|line| line.contains("left out 290 like it in the last")).expect(&log);
        assert!(told.contains(left_out) && told.contains("reason"), "{told}");
    }
}

#[tokio::test]
async fn a_site_whose_responder_is_down_says_so_once() {
    let flags = ["--upstream", "cloud=127.0.0.1:1", "--forward", "http://127.0.0.1:1"];
    let mut process = begin(&[INITIATOR, &flags].concat(), Stdio::piped());
    let admin = listener(&mut process, "admin").await;
    until(SOON, "it dials", async || (metrics(admin).await.value("revtun_initiator_dials_total") > 8).then_some(()))
        .await;
    process.signal("TERM");
    assert_eq!(process.end(SOON).await.code(), Some(0));
    let log = until(SOON, "it ends", async || Some(process.stderr()).filter(|log| log.contains("drained"))).await;
    let told: Vec<_> = log.lines().filter(|line| line.contains("dial failed")).collect();
    assert!(told.len() == 1 && told[0].contains("Connection refused"), "{log}");
}

#[tokio::test]
async fn a_name_that_cannot_be_resolved_ends_nobody_and_is_told_once() {
    let flags = ["--upstream", "cloud=no-such-host.invalid:1", "--forward", "http://no-such-host.invalid:1"];
    // Several listeners do not wait for one.
    let second = ["--address", "rc://edge-2:edge:acme@cloud:1"];
    let mut process = begin(&[INITIATOR, &second, &flags].concat(), Stdio::piped());
    let admin = listener(&mut process, "admin").await;
    until(SOON, "/readyz tells", async || {
        let answer = get(admin, "/readyz").await.ok()?;
        let text = answer.text();
        (answer.status == StatusCode::SERVICE_UNAVAILABLE
            && text.matches("cannot resolve no-such-host.invalid:1: ").count() == 2)
            .then_some(())
    })
    .await;
    assert_eq!(get(admin, "/healthz").await.expect("an answer").status, StatusCode::OK);
    assert_eq!(process.ended(), None);
    process.signal("TERM");
    assert_eq!(process.end(SOON).await.code(), Some(0));
    let log = process.stderr();
    assert_eq!(log.matches("cannot resolve an endpoint, and will try again").count(), 2, "{log}");
    assert!(log.matches("cannot resolve the local service, and will try again").count() <= 2, "{log}");
}

#[tokio::test]
async fn a_word_that_is_no_level_is_a_mistake_wherever_it_stands() {
    let file = Settings::write("[log]\nlevel = \"warning\"\n[responder]\n");
    let config = ["responder", "--config", file.path()];
    let check = ["check", "--config", file.path()];
    let flag = ["responder", "--log-level", "warning"];
    let directive = ["responder", "--log-level", "info,revtun=warning"];
    let environment = ["demo"];
    for (args, rust_log) in [(&config[..], ""), (&check, ""), (&flag, ""), (&directive, ""), (&environment, "warning")]
    {
        let mut command = Command::new(binary());
        let mut process = Process::start(args[0], command.args(args).env("RUST_LOG", rust_log));
        let code = process.end(SOON).await.code();
        let told = until(SOON, "it is told", async || Some(process.stderr()).filter(|told| !told.is_empty())).await;
        assert_eq!((code, told.lines().count()), (Some(2), 1), "{args:?}: {told}");
        assert!(told.contains("\"warning\" is not a log level; did you mean warn?"), "{args:?}: {told}");
    }
    // Where a flag says it, the environment does not count.
    let mut process = Process::start(
        "a responder",
        Command::new(binary()).args(RESPONDER).args(["--log-level", "warn"]).env("RUST_LOG", "warning"),
    );
    listener(&mut process, "admin").await;
}

/// The lines about a tunnel that came up, and about a dial that failed.
async fn of_initiator(flags: &[&str]) -> String {
    let (_responder, tunnel, _) = responder(&[]).await;
    let cloud = format!("cloud={tunnel},127.0.0.1:1");
    let dialling = ["--upstream", &cloud, "--forward", "http://127.0.0.1:1"];
    let mut process = begin(&[INITIATOR, &dialling, flags].concat(), Stdio::piped());
    listener(&mut process, "admin").await;
    until(SOON, "it logs", async || {
        let log = process.stderr();
        (log.contains("dial failed") && (log.contains("tunnel up") || flags.contains(&"warn"))).then_some(log)
    })
    .await
}

#[tokio::test]
async fn json_lines_hold_what_lines_for_people_hold() {
    const ADDRESS: &str = "rc://edge-1:edge:acme@cloud:2";
    for level in ["info", "warn"] {
        let human = of_initiator(&["--log-level", level]).await;
        let json = of_initiator(&["--log-level", level, "--log-format", "json"]).await;
        for words in if level == "info" { &["tunnel up", "dial failed"][..] } else { &["dial failed"] } {
            let human = human.lines().find(|line| line.contains(words)).expect("it is there");
            assert!(human.contains(&format!("initiator{{address={ADDRESS}}}: {words} tunnel=")), "{human}");
            let json = json.lines().find(|line| line.contains(words)).expect("it is there");
            let line: Value = serde_json::from_str(json).expect("JSON");
            assert_eq!(line["message"], *words);
            assert_eq!(
                (&line["spans"][0]["name"], &line["spans"][0]["address"]),
                (&"initiator".into(), &ADDRESS.into())
            );
            assert!(line["tunnel"].is_string() && line["peer"].is_string(), "{json}");
        }
    }
}

#[tokio::test]
async fn signals_for_users_do_nothing() {
    let (mut process, _, admin) = responder(&[]).await;
    for signal in ["USR1", "USR2"] {
        process.signal(signal);
        let answer = get(admin, "/healthz").await.expect("an answer");
        assert_eq!((answer.status, process.ended()), (StatusCode::OK, None), "{signal}");
    }
}

#[test]
fn nobody_who_closed_standard_output_makes_it_panic() {
    let full = || Stdio::from(File::options().write(true).open("/dev/full").expect("it is there"));
    let file = Settings::write("[responder]\n");
    for args in [&["check", "--config", file.path()][..], &["demo"], &["--help"]] {
        let output = Command::new(binary()).args(args).stdout(full()).stderr(full()).output().expect("it runs");
        assert_eq!(output.status.code(), Some(0), "{args:?}");
    }
    let output = Command::new(binary()).arg("dance").stdout(full()).stderr(full()).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
}
