//! Durations as people write them: `2s`, `500ms`, `1m30s`.

use std::time::Duration;

use super::diagnostic::ConfigError;

/// The longest duration that a setting may have.
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The units, from the longest to the shortest, in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration: whole numbers, each with a unit (`h`, `m`, `s`, `ms`), the longest unit first; at most
/// [`LONGEST`].
///
/// # Errors
/// If the text is anything else.
pub fn parse(text: &str) -> Result<Duration, ConfigError> {
    let error = |what: &str| ConfigError::new(format!("{text:?} {what}"), "write for example 2s, 500ms or 1m30s");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut total = Duration::ZERO;
    while !rest.is_empty() || text.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| !c.is_ascii_digit());
        if number.is_empty() {
            return Err(error("is not a duration"));
        }
        if unit.is_empty() {
            return Err(error("has no unit"));
        }
        // Taking the search on from where it stood makes each unit legal once, and only in descending order.
        let Some((_, millis)) = units.find(|(name, _)| *name == unit) else {
            return Err(error("is not a duration"));
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*millis));
        total = total.saturating_add(part.map_or(Duration::MAX, Duration::from_millis));
        rest = after;
    }
    if total > LONGEST { Err(error("is longer than 24h")) } else { Ok(total) }
}

/// The shortest way to write `duration`, which [`parse`] reads back; parts of a millisecond are dropped.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if rest >= millis {
            text += &format!("{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split(text: &str, take: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !take(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_written() {
        for (text, millis) in [
            ("2s", 2_000),
            ("500ms", 500),
            ("1m30s", 90_000),
            ("1h", 3_600_000),
            ("24h", 86_400_000),
            ("1s5ms", 1_005),
            ("0s", 0),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_named() {
        for (text, what) in [
            ("", "is not a duration"),
            ("5", "has no unit"),
            ("s", "is not a duration"),
            ("1.5s", "is not a duration"),
            ("-1s", "is not a duration"),
            ("1s1m", "is not a duration"),
            ("1s1s", "is not a duration"),
            ("2 s", "is not a duration"),
            ("2s ", "is not a duration"),
            ("25h", "is longer than 24h"),
            ("99999999999999999999h", "is longer than 24h"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_001, 3_600_000, 86_400_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}
