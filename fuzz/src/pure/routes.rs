//! Routes: the rule that a table finds is the one that a search of all rules finds, without allocating.

use revtun_core::route::{Head, Rule, Table};

/// Lines: a request as `host SP path SP method SP header`, and then rules as `host SP path SP method SP header`, of which each part
/// but the first two may be missing.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let request = Request::of(lines.next().unwrap_or(""));
    let rules: Vec<_> = lines.take(64).filter_map(rule).collect();
    let Ok(table) = Table::new(rules.iter().map(|(rule, _)| rule.clone()).collect()) else { return };
    let found = super::without_allocation(|| table.find(&request));
    let matching = rules.iter().enumerate().filter(|(_, (rule, _))| rule.mismatch(&request).is_none());
    let best = matching.max_by(|(first, (_, one)), (second, (_, other))| one.cmp(other).then(second.cmp(first)));
    assert_eq!(found, best.map(|(place, _)| place), "{text:?}");
    for place in 0..rules.len() {
        if let Some(other) = table.shadowed_by(place) {
            assert!(other != place && found != Some(place), "{text:?}");
        }
    }
    // Reading what is shown gives the same host and path.
    for (rule, _) in &rules {
        let shown = rule.to_string();
        let place = shown.split(' ').next().unwrap_or("");
        let (host, path) = place.split_at(place.find('/').expect("a path"));
        let again = Rule::any().with_host(host).expect("a host").with_path(path).expect("a path").to_string();
        assert_eq!(again.split(' ').next(), Some(place));
    }
}

/// How specific a rule is: kind and length of its host, length of its path, further conditions.
type Rank = (u8, usize, usize, usize);

fn rule(line: &str) -> Option<(Rule, Rank)> {
    let mut parts = line.split(' ');
    let (host, path) = (parts.next()?, parts.next()?);
    let mut rule = Rule::any().with_host(host).ok()?.with_path(path).ok()?;
    let mut conditions = 0;
    if let Some(method) = parts.next().filter(|method| !method.is_empty()) {
        rule = rule.with_method(method).ok()?;
        conditions += 1;
    }
    if let Some(header) = parts.next() {
        rule = rule.with_header(header).ok()?;
        conditions += 1;
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    let kind = match host {
        "*" => 0,
        host if host.starts_with("*.") => 2,
        host if host.ends_with(".*") => 1,
        _ => 3,
    };
    let path = path.trim_end_matches('/');
    Some((rule, (kind, host.len(), path.len(), conditions)))
}

struct Request<'a> {
    host: &'a str,
    path: &'a str,
    method: &'a str,
    header: Option<(String, &'a str)>,
}

impl<'a> Request<'a> {
    fn of(line: &'a str) -> Self {
        let mut parts = line.split(' ');
        let mut part = || parts.next().unwrap_or("");
        let (host, path, method) = (part(), part(), part());
        let header = part().split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value));
        Self { host, path, method, header }
    }
}

impl Head for Request<'_> {
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
        self.header.as_ref().is_some_and(|(own, value)| own == name && test(value.as_bytes()))
    }
}
