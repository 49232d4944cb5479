//! Journals from outside: both ends write them, and `revtun replay` tells a true one from a lie.

use std::fs;
use std::path::Path;
use std::process::Command;

use revtun_tests::ends::{Dialling, Initiator, Responder};
use revtun_tests::journal::{Journal, Judgement, check};
use revtun_tests::patience::SOON;
use revtun_tests::revtun;
use revtun_tests::service::Service;

const NODE: &str = "node-a";
/// What `spec/validate-journals` exits with when TLC cannot be had.
const UNAVAILABLE: i32 = 3;

/// The journals of an initiator and a responder that had some work, and were ended by `signal`.
async fn journals_of_a_pair(signal: &str) -> [Journal; 2] {
    let journals = [Journal::reserve(), Journal::reserve()];
    let service = Service::start("backend").await;
    let mut responder = Responder::revtun(&["--tenant-isolation", "false", "--journal", journals[1].path()]).await;
    let hosts = [responder.tunnel()];
    let flags = ["--journal", journals[0].path()];
    let dialling = Dialling { count: 3, flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) };
    let mut initiator = Initiator::revtun(dialling).await;
    responder.has_within(SOON, NODE, 3).await;
    for _ in 0..5 {
        assert_eq!(responder.ask_node(NODE, "/").await.status, 200);
    }
    initiator.process().signal(signal);
    initiator.process().end(SOON).await;
    responder.process().signal(signal);
    responder.process().end(SOON).await;
    journals
}

/// The number of steps in `FILE: N steps, equal`.
fn steps(judgement: &Judgement) -> usize {
    let (_, said) = judgement.said.split_once(": ").expect("FILE: …");
    said.split(' ').next().and_then(|number| number.parse().ok()).expect("N steps")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_journals_of_both_ends_are_what_the_machines_do() {
    for (journal, machine) in journals_of_a_pair("TERM").await.iter().zip(["Initiator", "Responder"]) {
        let text = journal.text();
        assert!(text.starts_with(&format!("# revtun-journal 1 {machine} ")), "{text}");
        let judgement = journal.check();
        assert_eq!(judgement.code, Some(0), "{judgement:?}");
        assert_eq!(judgement.said, format!("{}: {} steps, equal\n", journal.path(), text.lines().count() - 1));
        assert!(steps(&judgement) > 12, "{judgement:?}");
        assert!(text.contains(" -> Drained\n") || text.contains(" + Drained\n"), "the drain is in it: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_specification_allows_what_both_ends_do() {
    let [initiator, responder] = journals_of_a_pair("TERM").await;
    let validate = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spec/validate-journals");
    let mut command = Command::new(validate);
    command.args(["--floor", "40", initiator.path(), responder.path()]).env("REVTUN_BINARY", revtun::binary());
    let output = command.output().expect("python3 is there");
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if output.status.code() == Some(UNAVAILABLE) {
        eprintln!("SKIPPED: the trace validation, since TLC cannot be had: {}", said.trim());
        return;
    }
    assert!(output.status.success() && said.contains("2 of 2 runs of TLC as expected"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_process_leaves_is_true_as_far_as_it_goes() {
    for journal in journals_of_a_pair("KILL").await {
        let judgement = journal.check();
        assert_eq!(judgement.code, Some(0), "{judgement:?}");
        assert!(steps(&judgement) > 12, "{judgement:?}");

        let text = journal.text();
        let torn = Journal::of(&text[..text.len() - 2]).check();
        assert_eq!((torn.code, steps(&torn)), (Some(0), steps(&judgement) - 1));
        assert!(torn.said.ends_with("steps, equal; its last line is torn off\n"), "{torn:?}");

        let cut = Journal::of(&format!("{text}# truncated: steps came faster than they could be written\n")).check();
        assert_eq!((cut.code, steps(&cut)), (Some(0), steps(&judgement)));
        assert!(cut.said.ends_with("steps, equal; then it is cut short: its writer did not keep up\n"), "{cut:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_is_found_at_its_line() {
    let events = [("Answered", "Deliver", "Connected"), ("HandshakeReceived", "Accept", "Admit")];
    for (journal, (event, effect, before)) in journals_of_a_pair("TERM").await.iter().zip(events) {
        let text = journal.text();
        let lines: Vec<_> = text.lines().collect();
        // The last of the three, so that another tunnel is there already.
        let at = lines.iter().rposition(|line| line.contains(event)).expect("it came up");
        let with = |lie: &str| joined(&[&lines[..at], &[lie], &lines[at + 1..]]);
        let own = lines[at].split("tunnel=").nth(1).and_then(|rest| rest.split(' ').next()).expect("an id");
        let other = if own == "0.0" { "1.0" } else { "0.0" };
        for (what, lie) in [
            ("another effect", with(&lines[at].replace(effect, "Goaway"))),
            ("no effect", with(lines[at].split(" -> ").next().expect("an event"))),
            ("another tunnel", with(&lines[at].replacen(own, other, 1))),
        ] {
            assert_eq!(lie_found(&lie), at + 1, "{what}");
        }
        let twice = joined(&[&lines[..=at], &lines[at..]]);
        assert_eq!(lie_found(&twice), at + 2, "an event that came twice");

        let missing = lines.iter().position(|line| line.contains(&format!("{before} tunnel={own}"))).expect("it came");
        let found = lie_found(&joined(&[&lines[..missing], &lines[missing + 1..]]));
        assert!((missing + 1..=at).contains(&found), "an event that is missing shows in the next about its tunnel");
    }
}

fn joined(parts: &[&[&str]]) -> String {
    parts.concat().join("\n") + "\n"
}

/// The number of the line that `revtun replay` complains about.
fn lie_found(text: &str) -> usize {
    let judgement = Journal::of(text).check();
    assert_eq!(judgement.code, Some(1), "{judgement:?}");
    let complaint = judgement.complained;
    assert!(complaint.contains("\n  written: at=") && complaint.contains("\n  machine: at="), "{complaint}");
    let number = complaint.lines().next().and_then(|first| first.split(':').nth(2)).expect("revtun: FILE:LINE: …");
    number.parse().expect("a number")
}

#[test]
fn what_is_no_journal_is_told_in_one_line() {
    let header = "# revtun-journal 1 Initiator";
    for (text, complaint) in [
        ("", ":1: expected # revtun-journal 1 MACHINE SETTING=VALUE ... at the beginning\n"),
        ("at=1 dice=2 Tick\n", ":1: expected # revtun-journal 1 MACHINE SETTING=VALUE ... at the beginning\n"),
        (header, ":1: expected Initiator or Responder, and all its settings\n"),
    ] {
        let journal = Journal::of(text);
        let judgement = journal.check();
        assert_eq!(judgement.code, Some(2));
        assert_eq!(judgement.complained, format!("revtun: {}{complaint}", journal.path()));
    }
    let missing = Journal::reserve().check();
    assert_eq!(missing.code, Some(2));
    assert!(missing.complained.starts_with("revtun: cannot read ") && missing.complained.lines().count() == 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_address_has_a_journal_of_its_own() {
    let first = Journal::reserve();
    let second = format!("{}.2", first.path());
    let service = Service::start("backend").await;
    let responder = Responder::revtun(&["--tenant-isolation", "false"]).await;
    let hosts = [responder.tunnel()];
    let flags = ["--address", "rc://node-b:cluster-a:tenant-a@cloud:2", "--journal", first.path()];
    let mut initiator =
        Initiator::revtun(Dialling { flags: &flags, ..Dialling::from_revtun(&hosts, service.addr()) }).await;
    responder.has_within(SOON, "node-a", 1).await;
    responder.has_within(SOON, "node-b", 2).await;
    initiator.process().signal("TERM");
    initiator.process().end(SOON).await;
    assert_eq!(first.text().matches(" -> Dial ").count(), 1);
    assert_eq!(fs::read_to_string(&second).expect("it is there").matches(" -> Dial ").count(), 2);
    assert_eq!([first.check().code, check(second.as_ref()).code], [Some(0); 2]);
    fs::remove_file(second).expect("it is there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_can_ask_for_a_journal() {
    let journal = Journal::reserve();
    let settings = format!(
        "[responder]\ntunnel_listen = \"127.0.0.1:0\"\negress_listen = \"127.0.0.1:0\"\nadmin_listen = \"127.0.0.1:0\"\n\
         max_streams = 9\njournal = {:?}\n",
        journal.path()
    );
    let settings = revtun_tests::settings::Settings::write(&settings);
    let args = ["responder", "--config", settings.path()].map(str::to_owned);
    let mut process = revtun::start(&args);
    revtun::listener(&mut process, "admin").await;
    process.signal("TERM");
    assert_eq!(process.end(SOON).await.code(), Some(0));
    assert!(journal.text().lines().next().is_some_and(|header| header.contains(" max_streams=9 ")));
    assert_eq!(journal.check().code, Some(0));
}

#[test]
fn a_journal_that_cannot_be_written_is_told_before_anything_starts() {
    let args = ["responder", "--journal", "/no/such/folder/x.journal"];
    let output = Command::new(revtun::binary()).args(args).output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        said.starts_with("revtun: cannot write the journal /no/such/folder/x.journal: ") && said.lines().count() == 1
    );
}
