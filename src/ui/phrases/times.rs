//! Times as people write and read them: in their own time zone.
//!
//! Pure: the time and the zone are arguments.

use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ZonedDateTime};

use crate::message::Timestamp;
use crate::ui::settings;

use super::numbers::count;

/// A moment in a zone. A damaged time must not stop whoever reads it.
pub(crate) fn local(time: Timestamp, zone: &TimeZone) -> ZonedDateTime {
    let printable = Instant::try_from(time.printable());
    printable.unwrap_or(Instant::UNIX_EPOCH).to_zoned_datetime(zone.clone())
}

/// How long before it came something was written, in short; or behind that, by a clock that is ahead.
pub(crate) fn written(written: Timestamp, came: Timestamp) -> String {
    const MINUTE: u64 = 60_000;
    const HOUR: u64 = 60 * MINUTE;
    let apart = written.0.abs_diff(came.0);
    let time = match apart {
        0..HOUR => format!("{} min", apart / MINUTE),
        HOUR..172_800_000 => format!("{} h", apart / HOUR),
        _ => count(apart / HOUR / 24, "day"),
    };
    let side = if written < came { "before" } else { "after, by its clock" };
    format!("written {time} {side}")
}

/// The moment that words mean: so long ago, a day's beginning, or a time of day.
pub fn since(words: &str, now: &ZonedDateTime) -> Result<Timestamp, String> {
    let said = words.trim().to_lowercase();
    if let Ok(ago) = settings::time(&said) {
        return Ok(moment(now).before(ago));
    }
    let (day, time) = match said.rsplit_once([' ', 't']).filter(|_| said.contains(':')) {
        Some((day, time)) => (Some(day), Some(time)),
        None if said.contains(':') => (None, Some(&*said)),
        None => (Some(&*said), None),
    };
    let zone = now.time_zone().clone();
    let local = || -> Option<ZonedDateTime> {
        let date = day.map_or(Some(now.date()), |day| date(day, now.date()))?;
        let time = time.map_or(Some(Time::midnight()), clock)?;
        DateTime::from_parts(date, time).to_zoned_datetime(zone).ok()
    };
    // What says itself where it is meant goes first.
    let elsewhere = words.trim().parse::<Instant>().ok();
    let meant = elsewhere.map(|it| it.to_zoned_datetime(TimeZone::UTC)).or_else(local);
    meant.map(|meant| moment(&meant)).ok_or_else(|| {
        "a time is like 2h, 3d, today, yesterday, monday, 9:30, 2026-11-20 or 2026-11-20 9:30"
            .into()
    })
}

/// The day that a word means; of a weekday the last one, which may be today.
fn date(word: &str, today: Date) -> Option<Date> {
    match word {
        "today" => return Some(today),
        "yesterday" => return today.yesterday().ok(),
        _ => {}
    }
    let weekday = ["%A", "%a"].iter().find_map(|form| strtime::parse(form, word).ok()?.weekday());
    match weekday {
        Some(weekday) => today.tomorrow().ok()?.nth_weekday(-1, weekday).ok(),
        None => word.parse().ok(),
    }
}

/// A time of day, like 9:30.
fn clock(text: &str) -> Option<Time> {
    let two_digits = if text.find(':') == Some(1) { "0" } else { "" };
    format!("{two_digits}{text}").parse().ok()
}

fn moment(time: &ZonedDateTime) -> Timestamp {
    Timestamp(u64::try_from(time.timestamp().as_millisecond()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Friday in Berlin, at 2026-11-20T14:05 there.
    fn now() -> ZonedDateTime {
        "2026-11-20T14:05[Europe/Berlin]".parse().unwrap()
    }

    #[test]
    fn it_is_said_in_short_how_long_before_something_was_written() {
        let came = Timestamp(1_700_000_000_000);
        for (seconds, told) in [
            (301, "written 5 min before"),
            (3_599, "written 59 min before"),
            (3_600, "written 1 h before"),
            (2 * 86_400 - 1, "written 47 h before"),
            (2 * 86_400, "written 2 days before"),
            (-7_200, "written 2 h after, by its clock"),
        ] {
            let at = Timestamp(came.0.saturating_add_signed(-1_000 * seconds));
            assert_eq!(written(at, came), told);
        }
    }

    #[test]
    fn a_time_is_said_as_people_say_it() {
        for (words, expected) in [
            ("2h", "2026-11-20T11:05:00Z"),
            ("90", "2026-11-20T13:03:30Z"),
            ("2 days", "2026-11-18T13:05:00Z"),
            ("today", "2026-11-19T23:00:00Z"),
            ("Yesterday", "2026-11-18T23:00:00Z"),
            ("yesterday 18:30", "2026-11-19T17:30:00Z"),
            ("monday", "2026-11-15T23:00:00Z"),
            ("Fri", "2026-11-19T23:00:00Z"),
            ("friday 9:30", "2026-11-20T08:30:00Z"),
            ("09:30", "2026-11-20T08:30:00Z"),
            ("9:30", "2026-11-20T08:30:00Z"),
            ("9:30:10", "2026-11-20T08:30:10Z"),
            ("2026-11-20", "2026-11-19T23:00:00Z"),
            // Before the clocks were turned back.
            ("2026-10-20", "2026-10-19T22:00:00Z"),
            ("2026-10-20 09:30", "2026-10-20T07:30:00Z"),
            ("2026-10-20T09:30:10", "2026-10-20T07:30:10Z"),
            ("2026-10-20T09:30:10Z", "2026-10-20T09:30:10Z"),
            ("2026-10-20T09:30-05:00", "2026-10-20T14:30:00Z"),
            ("1900-01-01", "1970-01-01T00:00:00Z"),
        ] {
            let meant = since(words, &now()).map(|it| local(it, &TimeZone::UTC).timestamp());
            assert_eq!(meant.map(|it| it.to_string()).as_deref(), Ok(expected), "{words}");
        }
        for words in ["", "soon", "2026-13-40", "25:00", "today at noon", "to:day"] {
            let error = since(words, &now()).unwrap_err();
            assert!(
                error.starts_with("a time is like 2h, 3d, today, yesterday"),
                "{words}: {error}"
            );
        }
    }
}
