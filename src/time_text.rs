//! Times as text, in files and for people: `1h 30m`, `2026-11-20T09:30:00Z`.
//!
//! Pure: the time is an argument. Invariant: a duration that was written here is parsed back to the same.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::civil::DateTime;
use jiff::fmt::friendly::{SpanParser, SpanPrinter};
use jiff::{Span, SpanRelativeTo, SpanRound, Unit};

/// Where the system's clocks begin.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

const PRINTER: SpanPrinter = SpanPrinter::new();
const PARSER: SpanParser = SpanParser::new();

/// How long something takes: `1d 1h 30m`. What is longer than a [`Span`] of some 20,000 years is written in hours.
pub fn duration(time: Duration) -> String {
    let in_days = SpanRound::new().largest(Unit::Day).days_are_24_hours();
    match Span::try_from(time).and_then(|span| span.round(in_days)) {
        Ok(span) => PRINTER.span_to_string(&span),
        Err(_) => PRINTER.unsigned_duration_to_string(&time),
    }
}

/// Reads a duration: numbers with their units from weeks to nanoseconds, the longest first, or 0.
///
/// None are years and months, which are not always as long, parts of days (`1.5d`), negative durations, ISO 8601, and
/// times of day like `9:30:00`.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    if text == "0" {
        return Some(Duration::ZERO);
    }
    if text.contains(':') {
        return None;
    }
    // Days and weeks are read into spans alone, and hours beyond their range into durations alone.
    let span = PARSER.parse_span(text);
    span.and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours())?.try_into())
        .or_else(|_| PARSER.parse_unsigned_duration(text))
        .ok()
}

/// A moment in UTC as in RFC 3339, with so many digits behind its seconds.
pub fn moment(time: SystemTime, digits: usize) -> String {
    let moment = EPOCH.saturating_add(time.duration_since(UNIX_EPOCH).unwrap_or_default());
    format!("{moment:.digits$}Z")
}

/// The moment that a text is, as in RFC 3339.
pub fn parse_moment(text: &str) -> Option<SystemTime> {
    SystemTime::try_from(text.parse::<jiff::Timestamp>().ok()?).ok()
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
            ("0s", days(0)),
            ("30d", days(30)),
            ("30days", days(30)),
            ("2 weeks 1day", days(15)),
            ("1day 2h", Some(Duration::from_secs(93_600))),
            ("1.5 hours", Some(Duration::from_secs(5_400))),
            (" 1h30m ", Some(Duration::from_secs(5_400))),
            ("1h, 30s", Some(Duration::from_secs(3_630))),
            ("3s", Some(Duration::from_secs(3))),
            ("250ms", Some(Duration::from_millis(250))),
            ("1ms 500us", Some(Duration::from_micros(1_500))),
            ("18446744073709551615s", Some(Duration::from_secs(u64::MAX))),
        ] {
            assert_eq!(parse_duration(text), read, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_not_read() {
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
            "9:30:00",
            "1d 9:30:00",
            "P1D",
            "1y",
            "2mo",
            "2M",
            "1.5d",
            "30s 1h",
            "1 fortnight",
            "999999999999d",
            "18446744073709551616s",
            "18446744073709551615s 1000ms",
            "5124095576030432h",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_are_written_in_words() {
        for (seconds, text) in [
            (0, "0s"),
            (9_420, "2h 37m"),
            (86_400, "1d"),
            (30 * 86_400, "30d"),
            (63_115_200 + 60, "730d 12h 1m"),
            (u64::MAX, "5124095576030431h 15s"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
        assert_eq!(duration(Duration::from_micros(1_500)), "1ms 500µs");
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
        fn a_duration_survives(
            seconds in prop_oneof![0..700_000_000_000_u64, any::<u64>()],
            nanos in 0..1_000_000_000_u32,
        ) {
            let time = Duration::new(seconds, nanos);
            prop_assert_eq!(parse_duration(&duration(time)), Some(time));
        }

        #[test]
        fn no_numbers_are_too_large_to_refuse(text in "-?([0-9]{1,22}(\\.[0-9]{1,10})? ?(y|mo|w|d|h|m|s|ms|us|ns)){1,4}") {
            let _ = parse_duration(&text);
        }
    }
}
