//! A configuration file: read, or refused with every fault on a line of its own that names its place.

use std::path::Path;

use revtun_program::config::{Settings, Source};

/// The file.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let source = Source { path: Path::new("f"), text };
    match Settings::parse(text) {
        Ok(settings) => {
            for diagnostic in settings.missing() {
                is_one_line(&diagnostic.render(Some(source)));
            }
            assert!(Settings::parse(&format!("# a comment\n{text}\n")).is_ok(), "a comment changes nothing");
        }
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "what is refused has a reason");
            let places: Vec<_> = diagnostics.iter().map(|diagnostic| place(&diagnostic.render(Some(source)))).collect();
            assert!(places.is_sorted(), "from the top of the file to its end: {places:?}");
            let lines = text.split('\n').count();
            assert!(places.iter().flatten().all(|(line, _)| (1..=lines).contains(line)), "{places:?} of {lines} lines");
        }
    }
}

/// Line and column; none comes last.
fn place(diagnostic: &str) -> Option<(usize, usize)> {
    is_one_line(diagnostic);
    let mut parts = diagnostic.strip_prefix("f:").expect("the file comes first").splitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse().ok());
    number().zip(number())
}

fn is_one_line(diagnostic: &str) {
    assert!(!diagnostic.contains(char::is_control), "one clear line: {diagnostic:?}");
}
