//! `rc://` addresses: any text is one, and survives being written and read, or has a fault within it.

use revtun_core::address::{Address, MAX_COUNT};

/// See the module.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Address::parse(text) {
        Ok(address) => {
            let written = address.to_string();
            assert!(address.count() <= MAX_COUNT);
            assert!(written.starts_with(text.trim_end_matches(|end: char| end != ':')), "{written} of {text:?}");
            assert!(written.contains(&format!(":{}@{}:", address.identity().tenant, address.upstream())));
            assert_eq!(Address::parse(&written), Ok(address));
        }
        Err(error) => {
            assert!(text.is_char_boundary(error.offset()));
            assert!(!error.to_string().contains(char::is_control), "one clear line");
        }
    }
}
