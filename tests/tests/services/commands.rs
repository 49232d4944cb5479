//! `revtun route` and `revtun check` about routes.

use std::process::Command;

use revtun_tests::revtun;
use revtun_tests::settings::Settings;

const ROUTES: &str = "[[initiator.listener]]\naddress = \"rc://n:c:t@cloud:1\"\n\
    route = [{ host = \"*.example\", to = \"web\" }, { host = \"*.example\", path = \"/api\", methods = [\"POST\"], to = \"unix:/run/api\" }]\n\
    [initiator.services.web]\nurl = \"http://127.0.0.1:1\"\n[initiator.upstreams]\ncloud = [\"127.0.0.1:1\"]\n";

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(revtun::binary()).args(args).output().expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_route_of_a_request_is_told_with_why() {
    let file = Settings::write(ROUTES);
    let route = |more: &[&str]| run(&[&["route", "--config", file.path()], more].concat());
    let (code, told, _) = route(&["https://a.example/api/x", "--method", "POST"]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!((code, lines.len()), (Some(0), 3), "{told}");
    assert_eq!(lines[0], "rc://n:c:t@cloud:1: unix:/run/api (*.example/api method POST)");
    assert_eq!(lines[1], "  *.example/ -> web: matches, but is less specific or comes later");
    assert!(lines[2].starts_with("  *.example/api method POST -> unix:/run/api: taken"), "{told}");
    let (code, told, _) = route(&["https://a.example/api/x"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("-> unix:/run/api: does not match: another method"), "{told}");
    let (code, told, why) = route(&["https://b/"]);
    assert_eq!((code, why.as_str()), (Some(1), "revtun: no route for this request at rc://n:c:t@cloud:1\n"), "{told}");
    for mistake in [&["nowhere"][..], &["http://a/", "--method", "A B"], &["http://a/", "--header", "x"]] {
        let (code, _, why) = route(mistake);
        assert!(code == Some(2) && why.lines().count() == 1 && why.contains("; write "), "{why}");
    }
}

#[test]
fn a_route_that_can_never_be_taken_is_a_mistake() {
    let twice = ROUTES.replace("route = [", "route = [{ host = \"*.EXAMPLE\", to = \"web\" }, ");
    let file = Settings::write(&twice);
    let (code, _, why) = run(&["check", "--config", file.path()]);
    assert!(code == Some(2) && why.contains("initiator.listener.route: is never taken"), "{why}");
    let file = Settings::write(ROUTES);
    assert_eq!(run(&["check", "--config", file.path()]).0, Some(0));
}
