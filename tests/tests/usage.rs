//! Mistakes: one clear line on standard error, exit code 2, never a panic.

use std::net::TcpListener;
use std::process::Command;

use revtun_tests::patience::SOON;
use revtun_tests::process::Process;
use revtun_tests::revtun;
use revtun_tests::settings::Settings;

/// Runs `revtun` with `args`, which hold one mistake, and checks how it is told; `about` must be named.
async fn mistake(args: &[&str], about: &str) {
    mistake_with(&[], args, about).await;
}

/// The same with environment variables.
async fn mistake_with(environment: &[(&str, &str)], args: &[&str], about: &str) {
    let mut command = Command::new(revtun::binary());
    command.args(args).env_remove("RUST_LOG").envs(environment.iter().copied());
    let mut process = Process::start(&format!("revtun {}", args.join(" ")), &mut command);
    let code = process.end(SOON).await.code();
    // The reader of standard error may still be at it when the process is gone.
    revtun_tests::patience::until(SOON, "something is said", async || (!process.stderr().is_empty()).then_some(()))
        .await;
    let said = process.stderr();
    assert_eq!(code, Some(2), "{args:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{args:?}:\n{said}");
    assert!(said.contains(about), "{args:?} does not name {about:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
}

const INITIATOR: &[&str] = &["initiator", "--admin-listen", "127.0.0.1:0"];
const RESPONDER: &[&str] =
    &["responder", "--tunnel-listen", "127.0.0.1:0", "--egress-listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

#[tokio::test]
async fn a_mistake_in_a_flag_is_told_in_one_line() {
    mistake(&["dance"], "dance").await;
    mistake(&["responder", "--tunnel-listen", "nonsense"], "nonsense").await;
    mistake(&["responder", "--egress-listen", "127.0.0.1:99999"], "99999").await;
    mistake(&["responder", "--ping-interval", "soon"], "soon").await;
    mistake(&["responder", "--ping-interval", "0s"], "0s").await;
    mistake(&["responder", "--tenant-isolation", "perhaps"], "perhaps").await;
    mistake(&["responder", "--threads", "0"], "0").await;
    mistake(&["responder", "--threads", "many"], "many").await;
    mistake(&["initiator", "--upstream", "cloud"], "cloud").await;
    mistake(&["initiator", "--forward", "ftp://a:1"], "ftp://a:1").await;
    mistake(&["initiator", "--address", "http://a"], "Address must start with 'rc://'").await;
    mistake(&["initiator", "--address", "rc://a:b@u:1"], "Expected: src_node_id:src_cluster_id:src_tenant_id").await;
    mistake(&["initiator", "--address", "rc://a:b:c@u:1025"], "1025").await;
    mistake(&["check"], "--config").await;
    mistake(&["config"], "--config").await;
}

#[tokio::test]
async fn a_typo_in_a_flag_or_subcommand_gets_a_suggestion() {
    mistake(&["respnder"], "unknown subcommand respnder; did you mean responder?").await;
    mistake(&["responder", "--tunel-listen", "127.0.0.1:0"], "--tunel-listen; did you mean --tunnel-listen?").await;
    mistake(&["initiator", "--adress", "rc://a:b:c@u:1"], "--adress; did you mean --address?").await;
    mistake(&["config", "responder", "--thread", "1"], "--thread; did you mean --threads?").await;
}

#[tokio::test]
async fn a_mistake_in_the_environment_names_the_variable() {
    for (command, variable, value) in [
        ("responder", "REVTUN_TUNNEL_LISTEN", "nonsense"),
        ("responder", "REVTUN_TENANT_ISOLATION", "perhaps"),
        ("responder", "REVTUN_CONFIG", "/no/such/file.toml"),
        ("initiator", "REVTUN_ADDRESS", "rc://a:b:c@u:1 http://a"),
        ("initiator", "REVTUN_FORWARD", "ftp://a:1"),
        ("demo", "REVTUN_LOG_LEVEL", "warning"),
        ("demo", "RUST_LOG", "warning"),
    ] {
        let about = if variable == "REVTUN_CONFIG" { value } else { variable };
        mistake_with(&[(variable, value)], &[command], about).await;
    }
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let file = Settings::write("[responder.tls]\ncert = \"no-such.pem\"\nkey = \"no-such.key\"\n");
    let (folder, name) = file.path().rsplit_once('/').expect("a folder");
    let told = |config: &str, within: &str| {
        let mut command = Command::new(revtun::binary());
        let output = command.args(["check", "--config", config]).current_dir(within).output().expect("it runs");
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let from_elsewhere = told(file.path(), "/");
    for file in ["no-such.pem", "no-such.key"] {
        assert!(from_elsewhere.contains(&format!("cannot read {folder}/{file}: ")), "{from_elsewhere}");
    }
    let from_there = told(name, folder);
    assert!(from_there.contains("cannot read no-such.pem: "), "{from_there}");
}

#[tokio::test]
async fn what_an_initiator_lacks_is_told_in_one_line() {
    let address = ["--address", "rc://n:c:t@cloud:1"];
    let (upstream, forward) = (["--upstream", "cloud=127.0.0.1:1"], ["--forward", "http://127.0.0.1:1"]);
    mistake(&[INITIATOR, &upstream, &forward].concat(), "--address").await;
    mistake(&[INITIATOR, &address, &forward].concat(), "cloud").await;
    mistake(&[INITIATOR, &address, &upstream].concat(), "--forward").await;
    let none = ["--address", "rc://n:c:t@cloud:0"];
    let nothing = "--address: rc://n:c:t@cloud:0 asks for no tunnels; write a COUNT of 1 or more";
    mistake(&[INITIATOR, &none, &upstream, &forward].concat(), nothing).await;
    let twice = "--address: rc://n:c:t@cloud:1 is given twice";
    mistake(&[INITIATOR, &address, &address, &upstream, &forward].concat(), twice).await;
}

#[tokio::test]
async fn a_port_in_use_is_told_in_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("it is bound").to_string();
    for flag in ["--tunnel-listen", "--egress-listen", "--admin-listen"] {
        let at = RESPONDER.iter().position(|word| *word == flag).expect("a flag of ours");
        let mut args = RESPONDER.to_vec();
        args[at + 1] = &addr;
        args.extend(["--log-level", "error"]);
        mistake(&args, &addr).await;
    }
}

#[tokio::test]
async fn a_mistake_in_a_file_is_told_with_its_place() {
    mistake(&["check", "--config", "/no/such/file.toml"], "/no/such/file.toml").await;
    for (text, place) in [
        ("[responder\n", ":1:"),
        ("[responder]\nping_intervall = \"2s\"\n", ":2:1: "),
        ("[responder]\nping_interval = \"2\"\n", ":2:17: "),
        ("[responder]\nmax_tunnels = 0\n", ":2:15: "),
        ("[responder]\ntunnel_listen = \"here\"\n", ":2:17: "),
        (
            "[initiator]\n[[initiator.listener]]\naddress = \"rc://n:c:t@cloud:1\"\nforward = \"http://a:1\"\n",
            ":3:11: ",
        ),
        ("[nonsense]\n", ":1:2: "),
    ] {
        let file = Settings::write(text);
        mistake(&["check", "--config", file.path()], &format!("{}{place}", file.path())).await;
        let command = if text.contains("initiator") { "initiator" } else { "responder" };
        if !text.contains("nonsense") {
            mistake(&[command, "--config", file.path()], file.path()).await;
        }
    }
}

#[tokio::test]
async fn what_a_start_would_refuse_is_seen_by_check() {
    for (text, command, about) in [
        ("[responder]\negress_listen = \"127.0.0.1:15443\"\n", "responder", "is taken by tunnel_listen"),
        ("[responder]\negress_listen = \"0.0.0.0:0\"\n", "responder", "--allow-unauthenticated-egress"),
        ("[responder]\nadmin_listen = \"0.0.0.0:0\"\n", "responder", "--allow-unauthenticated-admin"),
        ("[responder]\ntunnel_listen = \"0.0.0.0:0\"\n", "responder", "--allow-plaintext"),
        ("[responder.egress_tls]\ncert = \"/no/cert\"\nkey = \"/no/key\"\n", "responder", "cannot read /no/"),
    ] {
        let file = Settings::write(text);
        for command in ["check", command] {
            let mut process = revtun::start(&[command, "--config", file.path()].map(str::to_owned));
            let code = process.end(SOON).await.code();
            let what = format!("{command} names {about:?}");
            revtun_tests::patience::until(SOON, &what, async || process.stderr().contains(about).then_some(())).await;
            assert_eq!(code, Some(2), "{what}: {}", process.stderr());
        }
    }
}

#[tokio::test]
async fn the_file_of_the_other_end_is_named_as_such() {
    let responder = Settings::write("[responder]\n");
    let initiator = Settings::write(
        "[[initiator.listener]]\naddress = \"rc://n:c:t@cloud:1\"\nforward = \"http://a:1\"\n[initiator.upstreams]\ncloud = [\"127.0.0.1:1\"]\n",
    );
    for (command, file, other) in [("initiator", &responder, "responder"), ("responder", &initiator, "initiator")] {
        mistake(&[command, "--config", file.path()], &format!("run `revtun {other} --config {}`", file.path())).await;
        mistake(&["config", command, "--config", file.path()], &format!("configures the {other}")).await;
        let mut process = revtun::start(&["check", "--config", file.path()].map(str::to_owned));
        process.line(&format!("{}: ok, for revtun {other}", file.path()), SOON).await;
    }
}

#[tokio::test]
async fn a_sound_file_is_told_to_be_sound() {
    let file = Settings::write("[responder]\nping_interval = \"3s\"\n");
    let mut process = revtun::start(&["check".to_owned(), "--config".to_owned(), file.path().to_owned()]);
    assert_eq!(process.end(SOON).await.code(), Some(0), "{}", process.stderr());
}
