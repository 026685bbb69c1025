//! Times as text, in files and for people: `1h 30m`, `2026-11-20T09:30:00Z`.
//!
//! Pure: what the time is, is an argument. Invariant: a duration that was written here is read here as the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;

/// Where the system's clocks begin.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The most digits behind the point of a number that are read.
const MAX_DIGITS: usize = 9;

/// A unit of durations: its nanoseconds, how one and several of it are written, and how it may be written.
type Unit = (u128, Option<[&'static str; 2]>, &'static [&'static str]);

const SECOND: u128 = 1_000_000_000;
const DAY: u128 = 24 * 60 * 60 * SECOND;

/// The longest first. A year has 365.25 days, and a month 30.44.
const UNITS: &[Unit] = &[
    (31_557_600 * SECOND, Some(["year", "years"]), &["years", "year", "yrs", "yr", "y"]),
    (2_630_016 * SECOND, Some(["month", "months"]), &["months", "month", "M"]),
    (7 * DAY, None, &["weeks", "week", "wks", "wk", "w"]),
    (DAY, Some(["day", "days"]), &["days", "day", "d"]),
    (60 * 60 * SECOND, Some(["h", "h"]), &["hours", "hour", "hrs", "hr", "h"]),
    (60 * SECOND, Some(["m", "m"]), &["minutes", "minute", "mins", "min", "m"]),
    (SECOND, Some(["s", "s"]), &["seconds", "second", "secs", "sec", "s"]),
    (1_000_000, Some(["ms", "ms"]), &["millis", "msec", "ms"]),
    (1_000, Some(["us", "us"]), &["usec", "us", "µs"]),
    (1, Some(["ns", "ns"]), &["nanos", "nsec", "ns"]),
];

/// How long something takes: `1h 30m`.
pub fn duration(time: Duration) -> String {
    let mut left = time.as_nanos();
    let mut words = Vec::new();
    for (nanos, written, _) in UNITS {
        let Some([one, several]) = written else { continue };
        match left / nanos {
            0 => {}
            1 => words.push(format!("1{one}")),
            count => words.push(format!("{count}{several}")),
        }
        left %= nanos;
    }
    if words.is_empty() { "0s".into() } else { words.join(" ") }
}

/// Reads a duration: numbers with their units, or 0.
pub fn parse_duration(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.trim();
    let mut nanos = (!rest.is_empty()).then_some(0_u128)?;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit() || c == '.' || c.is_whitespace());
        let (word, behind) = split(behind, |c| c.is_ascii_alphabetic() || c == 'µ');
        let (unit, ..) = UNITS.iter().find(|(.., words)| words.contains(&word))?;
        nanos = nanos.checked_add(times(number, *unit)?)?;
        rest = behind.trim_start();
    }
    let seconds = u64::try_from(nanos / SECOND).ok()?;
    Some(Duration::new(seconds, (nanos % SECOND) as u32))
}

/// What a text begins with, and what is behind it.
fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// So many of a unit, in nanoseconds, if that is a whole number of them. The number may have a point, and blanks.
fn times(number: &str, unit: u128) -> Option<u128> {
    let number: String = number.split_whitespace().collect();
    let (whole, part) = number.split_once('.').unwrap_or((&number, "0"));
    let whole: u64 = whole.parse().ok()?;
    let digits = u32::try_from(part.len()).ok().filter(|_| part.len() <= MAX_DIGITS)?;
    let (part, of) = (u128::from(part.parse::<u64>().ok()?) * unit, 10_u128.pow(digits));
    (part % of == 0).then_some(u128::from(whole) * unit + part / of)
}

/// A moment in UTC as in RFC 3339, with so many digits behind its seconds.
pub fn moment(time: SystemTime, digits: usize) -> String {
    let moment = EPOCH.saturating_add(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    format!("{moment:.digits$}Z")
}

/// Whether a text is a moment as in RFC 3339.
pub fn is_moment(text: &str) -> bool {
    text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        let days = |days: u64| Some(Duration::from_secs(days * 86_400));
        for (text, read) in [
            ("0", days(0)),
            ("30d", days(30)),
            ("2 weeks 1day", days(15)),
            ("1.5 days", Some(Duration::from_secs(129_600))),
            ("1y", Some(Duration::from_secs(31_557_600))),
            ("2M", Some(Duration::from_secs(2 * 2_630_016))),
            (" 1h30m ", Some(Duration::from_secs(5_400))),
            ("30s 1 h", Some(Duration::from_secs(3_630))),
            ("250ms", Some(Duration::from_millis(250))),
        ] {
            assert_eq!(parse_duration(text), read, "{text}");
        }
        for bad in [
            "",
            " ",
            "1",
            "s",
            ".5s",
            "1.s",
            "-1s",
            "1h ago",
            "9:30",
            "P1D",
            "1 fortnight",
            "999999999999y",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_in_words() {
        for (seconds, text) in
            [(0, "0s"), (9_420, "2h 37m"), (86_400, "1day"), (63_115_200 + 60, "2years 1m")]
        {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(duration(Duration::from_micros(1_500)), "1ms 500us");
    }

    #[test]
    fn moments_end_with_the_year_9999() {
        let last = UNIX_EPOCH + Duration::from_millis(253_402_300_799_999);
        assert_eq!(moment(last, 3), "9999-12-31T23:59:59.999Z");
        assert_eq!(moment(last + Duration::from_secs(1), 0), "9999-12-31T23:59:59Z");
        assert_eq!(moment(UNIX_EPOCH, 0), "1970-01-01T00:00:00Z");
        assert!(is_moment("2026-11-20T09:30:00Z") && !is_moment("1234"));
    }

    proptest! {
        #[test]
        fn a_duration_survives(seconds in 0..1_u64 << 62, nanos in 0..1_000_000_000_u32) {
            let time = Duration::new(seconds, nanos);
            prop_assert_eq!(parse_duration(&duration(time)), Some(time));
        }
    }
}
