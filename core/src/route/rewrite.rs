//! What a route makes of a path.

use alloc::string::String;

/// The path and query of a request without the prefix `strip`, if its first segments are that, and behind the prefix `add`. Neither
/// prefix ends with a slash; an empty one changes nothing. What comes out begins with a slash, unless nothing was changed.
#[must_use]
pub fn rewrite_path(path: &str, strip: &str, add: &str) -> String {
    let rest = match path.strip_prefix(strip) {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => rest,
        Some(_) | None => path,
    };
    let is_changed = rest.len() < path.len() || !add.is_empty();
    let slash =
        if is_changed && !rest.starts_with('/') && (add.is_empty() || !rest.starts_with('?')) { "/" } else { "" };
    let slash = if !add.is_empty() && rest.is_empty() { "" } else { slash };
    [add, slash, rest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_whole_segments() {
        for (path, strip, add, rewritten) in [
            ("/a/b?c", "", "", "/a/b?c"),
            ("/a/b?c", "/a", "", "/b?c"),
            ("/a", "/a", "", "/"),
            ("/a?c", "/a", "", "/?c"),
            ("/a/", "/a", "", "/"),
            ("/ab", "/a", "", "/ab"),
            ("/a/b", "/a/b/c", "", "/a/b"),
            ("/a/b", "/a", "/x/y", "/x/y/b"),
            ("/a", "/a", "/x", "/x"),
            ("/a?c", "/a", "/x", "/x?c"),
            ("/b", "/a", "/x", "/x/b"),
            ("/", "", "/x", "/x/"),
            ("*", "", "", "*"),
        ] {
            assert_eq!(rewrite_path(path, strip, add), rewritten, "{path} without {strip} behind {add}");
        }
    }
}
