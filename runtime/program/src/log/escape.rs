//! Lines stay lines: what a peer, a certificate or a token says cannot end one, hide in it, or turn the order of what is shown.

use std::borrow::Cow;
use std::fmt::Write;

use revtun_program::config::LogFormat;

/// The escape character, with which a terminal is told of colours.
const ESC: char = '\u{1b}';

/// `line` with everything escaped that is not shown as itself, save its own end; and the colours of a terminal, if there is one.
pub(super) fn escaped(line: &[u8], format: LogFormat, colours: bool) -> Cow<'_, [u8]> {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') || (colours && *byte == 0x1b);
    if body.iter().all(plain) {
        return Cow::Borrowed(line);
    }
    let mut text = String::with_capacity(line.len() + 16);
    for letter in String::from_utf8_lossy(body).chars() {
        let shown = matches!(letter, ' '..='~') || (colours && letter == ESC);
        if shown || (!letter.is_ascii() && letter.escape_debug().len() == 1) {
            text.push(letter);
        } else {
            escape(&mut text, letter, format);
        }
    }
    text.push_str(if line.len() > body.len() { "\n" } else { "" });
    Cow::Owned(text.into_bytes())
}

fn escape(text: &mut String, letter: char, format: LogFormat) {
    // Nothing fails that is written into a string.
    let _infallible = match format {
        LogFormat::Human => write!(text, "{}", letter.escape_debug()),
        // As JSON does (RFC 8259 §7).
        LogFormat::Json => letter.encode_utf16(&mut [0; 2]).iter().try_for_each(|half| write!(text, "\\u{half:04x}")),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn human(line: &str) -> String {
        String::from_utf8(escaped(line.as_bytes(), LogFormat::Human, false).into_owned()).unwrap()
    }

    #[test]
    fn what_is_not_shown_as_itself_is_escaped() {
        for (line, told) in [
            ("a plain line\n", "a plain line\n"),
            ("no end", "no end"),
            ("\n", "\n"),
            ("two\nlines\n", "two\\nlines\n"),
            ("\u{202e}drow\u{2066}\u{200f}\n", "\\u{202e}drow\\u{2066}\\u{200f}\n"),
            ("\u{7f}\u{85}\u{2028}\r\t\0\n", "\\u{7f}\\u{85}\\u{2028}\\r\\t\\0\n"),
            ("\u{1b}[31mred\n", "\\u{1b}[31mred\n"),
            ("Łódź \"q\" \\n 漢字\n", "Łódź \"q\" \\n 漢字\n"),
        ] {
            assert_eq!(human(line), told);
        }
        let coloured = escaped("\u{1b}[31mred\u{202e}\n".as_bytes(), LogFormat::Human, true);
        assert_eq!(coloured, "\u{1b}[31mred\\u{202e}\n".as_bytes());
        assert_eq!(escaped(b"\xff\n", LogFormat::Human, false), "\u{fffd}\n".as_bytes());
    }

    #[test]
    fn json_stays_json() {
        let line = "{\"a\":\"\u{202e}\u{e0001}\u{7f}é\"}\n";
        let told = escaped(line.as_bytes(), LogFormat::Json, false);
        assert_eq!(told, "{\"a\":\"\\u202e\\udb40\\udc01\\u007fé\"}\n".as_bytes());
    }
}
