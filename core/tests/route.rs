//! Routes: which rule a request falls under, against a naive search of all rules.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::cmp::Reverse;

use proptest::prelude::*;
use revtun_core::route::{
    Head, HeaderError, HostError, MAX_ALIKE, MAX_HOST, MAX_RULES, MethodError, Mismatch, PathError, Rule, Table,
    TableError,
};

/// A request.
#[derive(Clone, Debug, Default)]
struct Request {
    host: String,
    path: String,
    method: String,
    headers: Vec<(String, String)>,
}

impl Head for Request {
    fn host(&self) -> &[u8] {
        self.host.as_bytes()
    }

    fn path(&self) -> &[u8] {
        self.path.as_bytes()
    }

    fn method(&self) -> &[u8] {
        self.method.as_bytes()
    }

    fn any_header(&self, name: &str, test: &mut dyn FnMut(&[u8]) -> bool) -> bool {
        self.headers.iter().any(|(own, value)| own == name && test(value.as_bytes()))
    }
}

fn get(host: &str, path: &str) -> Request {
    Request { host: host.to_owned(), path: path.to_owned(), method: "GET".to_owned(), headers: Vec::new() }
}

fn rule(host: &str, path: &str) -> Rule {
    Rule::any().with_host(host).unwrap().with_path(path).unwrap()
}

fn table(rules: &[Rule]) -> Table {
    Table::new(rules.to_vec()).unwrap()
}

#[test]
fn the_most_specific_host_is_taken() {
    let hosts = ["*", "*.example.com", "*.site.example.com", "a.site.example.com", "a.*", "a.site.*"];
    let table = table(&hosts.map(|host| rule(host, "/")));
    for (host, taken) in [
        ("a.site.example.com", 3),
        ("A.Site.Example.Com:8080", 3),
        ("a.site.example.com.", 3),
        ("b.site.example.com", 2),
        ("c.b.site.example.com", 2),
        ("site.example.com", 1),
        ("example.com", 0),
        ("a.site.other", 5),
        ("a.other", 4),
        ("a.", 0),
        ("a", 0),
        (".example.com", 0),
        ("", 0),
        ("[::1]:80", 0),
    ] {
        assert_eq!(table.find(&get(host, "/x")), Some(taken), "{host}");
    }
    assert_eq!(table.rules().len(), hosts.len());
}

#[test]
fn the_longest_path_of_whole_segments_is_taken() {
    let paths = ["/", "/api", "/api/v1//", "/api/v1/users", "/static"];
    let table = table(&paths.map(|path| rule("*", path)));
    for (path, taken) in [
        ("/", 0),
        ("*", 0),
        ("", 0),
        ("/ap", 0),
        ("/apis", 0),
        ("/api", 1),
        ("/api?x=/api/v1", 1),
        ("/api/", 1),
        ("/api/v1", 2),
        ("/api/v1x", 1),
        ("/api/v1/", 2),
        ("/api/v1/users", 3),
        ("/api/v1/users/7?", 3),
        ("/api/v1/user", 2),
        ("/API", 0),
    ] {
        assert_eq!(table.find(&get("a", path)), Some(taken), "{path}");
    }
}

#[test]
fn more_conditions_win_and_then_the_order() {
    let plain = rule("a", "/x");
    let posts = plain.clone().with_method("POST").unwrap().with_method("PUT").unwrap();
    let dev = plain.clone().with_header("X-Env: dev").unwrap();
    let dev_posts = posts.clone().with_header("x-env:dev*").unwrap();
    let table = table(&[plain, posts, dev, dev_posts, rule("a", "/x")]);
    let mut request = get("a", "/x/y");
    assert_eq!(table.find(&request), Some(0));
    request.method = "PUT".to_owned();
    assert_eq!(table.find(&request), Some(1));
    request.headers = vec![("x-env".to_owned(), "prod".to_owned()), ("x-env".to_owned(), "dev".to_owned())];
    assert_eq!(table.find(&request), Some(3));
    request.method = "GET".to_owned();
    assert_eq!(table.find(&request), Some(2));
    request.headers = vec![("x-env".to_owned(), "development".to_owned())];
    assert_eq!(table.find(&request), Some(0));
}

#[test]
fn a_rule_with_a_less_specific_host_is_taken_if_no_other_matches() {
    let table = table(&[rule("*.b", "/"), rule("a.b", "/x"), rule("*.a.b", "/y"), rule("c.*", "/z")]);
    assert_eq!(table.find(&get("a.b", "/x")), Some(1));
    assert_eq!(table.find(&get("a.b", "/y")), Some(0));
    assert_eq!(table.find(&get("c.a.b", "/x")), Some(0));
    assert_eq!(table.find(&get("c.a.b", "/y")), Some(2));
    assert_eq!(table.find(&get("c.d", "/z")), Some(3));
    assert_eq!(table.find(&get("c.d", "/y")), None);
    assert_eq!(Table::new(Vec::new()).unwrap().find(&get("a", "/")), None);
}

#[test]
fn a_rule_says_which_condition_is_not_met() {
    let rule = rule("*.b", "/x").with_method("GET").unwrap().with_header("x-a").unwrap().with_header("x-b:*").unwrap();
    let mut request = get("a.c", "/y");
    request.method = "POST".to_owned();
    let mut told = Vec::new();
    told.push(rule.mismatch(&request));
    request.host = "a.b".to_owned();
    told.push(rule.mismatch(&request));
    request.path = "/x".to_owned();
    told.push(rule.mismatch(&request));
    request.method = "GET".to_owned();
    request.headers.push(("x-a".to_owned(), String::new()));
    told.push(rule.mismatch(&request));
    request.headers.push(("x-b".to_owned(), "1".to_owned()));
    told.push(rule.mismatch(&request));
    let all = [Mismatch::Host, Mismatch::Path, Mismatch::Method, Mismatch::Header];
    assert_eq!(told, all.map(Some).into_iter().chain([None]).collect::<Vec<_>>());
    assert_eq!(all.map(Mismatch::as_str), ["host", "path", "method", "header"]);
}

#[test]
fn rules_are_shown_as_they_are_read() {
    let one = rule("A.Example.", "/x/").with_method("GET").unwrap().with_method("HEAD").unwrap();
    let one = one.with_header("X-Env: dev").unwrap().with_header("x-b: c*").unwrap().with_header("x-d").unwrap();
    assert_eq!(one.to_string(), "a.example/x method GET,HEAD header x-env: dev header x-b: c* header x-d");
    assert_eq!(
        [rule("*", "/"), rule("*.A", "/"), rule("b.*", "/")].map(|rule| rule.to_string()),
        ["*/", "*.a/", "b.*/"]
    );
    assert!(Rule::any().is_default() && !one.is_default());
    assert_eq!(rule("[::1]", "/").mismatch(&get("[::1]:80", "/")), None);
}

#[test]
fn what_is_no_condition_is_named() {
    let host = |text: &str| Rule::any().with_host(text).unwrap_err();
    let long = "a".repeat(MAX_HOST + 1);
    for (text, error) in [
        (long.as_str(), HostError::TooLong),
        ("a.*.b", HostError::Wildcard),
        ("*a", HostError::Wildcard),
        ("*.*", HostError::Wildcard),
        ("a:80", HostError::Port),
        ("", HostError::Illegal),
        ("a b", HostError::Illegal),
        ("a..b", HostError::Illegal),
        ("a..*", HostError::Illegal),
        ("*.", HostError::Wildcard),
        (".a", HostError::Illegal),
        ("a/b", HostError::Illegal),
    ] {
        assert_eq!(host(text), error, "{text}");
    }
    let path = |text: &str| Rule::any().with_path(text).unwrap_err();
    let long = format!("/{}", "a".repeat(1024));
    assert_eq!(
        [path(""), path("a"), path(&long), path("/a?b"), path("/a b")],
        [PathError::NoSlash, PathError::NoSlash, PathError::TooLong, PathError::Illegal, PathError::Illegal]
    );
    let method = |text: &str| Rule::any().with_method(text).unwrap_err();
    assert_eq!([method(""), method("get"), method("A B")], [MethodError::Illegal; 3]);
    let header = |text: &str| Rule::any().with_header(text).unwrap_err();
    assert_eq!([header(""), header(": a"), header("a b: c")], [HeaderError::Name; 3]);
    assert_eq!(header("a: \u{e9}"), HeaderError::Value);
    let many = |rule: Rule| (0..16).fold(rule, |rule, _| rule.with_method("A").unwrap().with_header("a").unwrap());
    assert_eq!(many(Rule::any()).with_method("A").unwrap_err(), MethodError::TooMany);
    assert_eq!(many(Rule::any()).with_header("a").unwrap_err(), HeaderError::TooMany);
    let texts = [
        [HostError::TooLong, HostError::Wildcard, HostError::Port, HostError::Illegal].map(|e| e.to_string()).to_vec(),
        [PathError::NoSlash, PathError::TooLong, PathError::Illegal].map(|e| e.to_string()).to_vec(),
        [MethodError::Illegal, MethodError::TooMany].map(|e| e.to_string()).to_vec(),
        [HeaderError::Name, HeaderError::Value, HeaderError::TooMany].map(|e| e.to_string()).to_vec(),
        [TableError::TooMany, TableError::TooManyAlike { rule: 0 }].map(|e| e.to_string()).to_vec(),
    ];
    assert!(texts.iter().flatten().all(|text| !text.is_empty() && !text.contains('\n')));
}

#[test]
fn a_table_has_limits() {
    let alike = |count| (0..count).map(|number| rule("a", "/").with_header(&format!("x-{number}")).unwrap()).collect();
    assert!(Table::new(alike(MAX_ALIKE)).is_ok());
    assert_eq!(Table::new(alike(MAX_ALIKE + 1)).unwrap_err(), TableError::TooManyAlike { rule: MAX_ALIKE });
    assert_eq!(Table::new(vec![Rule::any(); MAX_RULES + 1]).unwrap_err(), TableError::TooMany);
}

#[test]
fn a_rule_that_can_never_be_taken_is_known() {
    let plain = rule("a", "/x");
    let gets = plain.clone().with_method("GET").unwrap();
    let both = gets.clone().with_method("POST").unwrap();
    let with = |header| plain.clone().with_header(header).unwrap();
    let shadowed = |rules: &[Rule]| {
        let table = table(rules);
        (0..rules.len()).filter_map(|place| Some((place, table.shadowed_by(place)?))).collect::<Vec<_>>()
    };
    assert_eq!(shadowed(&[plain.clone(), rule("A.", "/x/")]), [(1, 0)]);
    assert_eq!(shadowed(&[rule("a", "/"), rule("*.a", "/x"), rule("b", "/x"), plain.clone()]), []);
    assert_eq!(shadowed(&[both.clone(), gets.clone()]), [(1, 0)]);
    assert_eq!(shadowed(&[gets.clone(), both]), []);
    assert_eq!(shadowed(&[gets.clone(), plain.clone()]), []);
    assert_eq!(shadowed(&[with("h"), with("h: v")]), [(1, 0)]);
    assert_eq!(
        shadowed(&[with("h: v*"), with("h: vw"), with("h: vx*"), with("h: w"), with("i: vw")]),
        [(1, 0), (2, 0)]
    );
    assert_eq!(shadowed(&[with("h: v"), with("h: v*"), with("h")]), []);
    assert_eq!(shadowed(&[with("h: v"), with("h"), with("h: v*")]), [(2, 1)]);
    assert_eq!(shadowed(&[with("h"), with("h")]), [(1, 0)]);
}

/// What is looked at does not depend on how many rules there are.
#[test]
fn ten_thousand_rules_cost_at_most_twice_as_much_as_one() {
    let host = |number: usize| format!("host-{number}.site.example.com");
    let request = |number: usize| get(&host(number), "/api/v1/things/7?page=2");
    let by_host: Vec<_> = (0..10_000).map(|number| rule(&host(number), "/api/v1")).collect();
    let one = table(&by_host[..1]);
    let many = table(&by_host);
    let of_one = one.cost(&request(0));
    let most = (0..10_000).map(|number| many.cost(&request(number))).max().unwrap();
    let mean = (0..10_000).map(|number| many.cost(&request(number))).sum::<u32>() / 10_000;
    assert!(mean <= 2 * of_one && most <= 16 * of_one, "one: {of_one}, mean {mean}, most {most}");
    let by_path: Vec<_> = (0..10_000).map(|number| rule("*.site.example.com", &format!("/app-{number}/v1"))).collect();
    let request = |number: usize| get("a.site.example.com", &format!("/app-{number}/v1/things/7"));
    let of_one = table(&by_path[..1]).cost(&request(0));
    let many = table(&by_path);
    let mean = (0..10_000).map(|number| many.cost(&request(number))).sum::<u32>() / 10_000;
    assert!(mean <= 2 * of_one, "one: {of_one}, mean {mean}");
    let request = request(7);
    let measured = allocation_counter::measure(|| assert_eq!(many.find(&request), Some(7)));
    assert_eq!(measured.count_total, 0, "finding a rule allocates nothing");
}

/// The rule of which the conditions are the most specific, among all that match.
fn naive(rules: &[Rule], specs: &[Spec], request: &Request) -> Option<usize> {
    let matching = (0..rules.len()).filter(|place| rules[*place].mismatch(request).is_none());
    matching.max_by_key(|place| {
        let Spec { host, path, method, headers } = &specs[*place];
        let kind = match host.as_str() {
            "*" => 0,
            host if host.ends_with(".*") => 1,
            host if host.starts_with("*.") => 2,
            _ => 3,
        };
        let conditions = usize::from(method.is_some()) + headers.len();
        (kind, host.len(), path.trim_end_matches('/').len(), conditions, Reverse(*place))
    })
}

/// A rule as it is written.
#[derive(Clone, Debug)]
struct Spec {
    host: String,
    path: String,
    method: Option<String>,
    headers: Vec<String>,
}

impl Spec {
    fn rule(&self) -> Rule {
        let rule = rule(&self.host, &self.path);
        let rule = self.method.iter().fold(rule, |rule, method| rule.with_method(method).unwrap());
        self.headers.iter().fold(rule, |rule, header| rule.with_header(header).unwrap())
    }
}

fn host() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]", 1..4).prop_map(|labels| labels.join("."))
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[ab]{1,2}", 0..4).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn spec() -> impl Strategy<Value = Spec> {
    let host = prop_oneof![
        Just("*".to_owned()),
        host(),
        host().prop_map(|host| format!("*.{host}")),
        host().prop_map(|host| format!("{host}.*")),
    ];
    let headers = prop::collection::vec("[xy](: (a|b|ab|a\\*))?", 0..3);
    (host, path(), prop::option::of("GET|PUT"), headers).prop_map(|(host, path, method, headers)| Spec {
        host,
        path,
        method,
        headers,
    })
}

fn request() -> impl Strategy<Value = Request> {
    (host(), path(), "GET|PUT|POST", prop::collection::vec(("[xy]", "a|b|ab"), 0..3), "(:80)?", "(/|\\?q)?").prop_map(
        |(host, path, method, headers, port, end)| Request { host: host + &port, path: path + &end, method, headers },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_table_finds_what_a_search_of_all_rules_finds(
        specs in prop::collection::vec(spec(), 0..24),
        requests in prop::collection::vec(request(), 1..8),
    ) {
        let rules: Vec<_> = specs.iter().map(Spec::rule).collect();
        let table = table(&rules);
        for request in requests {
            let found = table.find(&request);
            prop_assert_eq!(found, naive(&rules, &specs, &request), "{:?}", request);
            if let Some(found) = found {
                prop_assert_eq!(table.shadowed_by(found), None);
            }
        }
    }
}
