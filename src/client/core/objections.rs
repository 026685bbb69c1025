//! A rate limit for reports of a server's objections: it may object without end, and the reader may be a log on a disk.
//!
//! Owned by the core. Pure: the time is an argument. Invariant: in any [`PERIOD`] no more than [`MOST`] are told, and
//! one sentence that says so.

use std::time::{Duration, Instant};

/// How many objections are reported in a period.
const MOST: u32 = 20;
const PERIOD: Duration = Duration::from_secs(60);

/// What is reported instead of one more.
const ENOUGH: &str = "the server objects to more; that is not told for a minute";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Objections {
    since: Instant,
    told: u32,
}

impl Objections {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, told: 0 }
    }

    /// What to tell of an objection.
    pub(super) fn take(&mut self, because: String, now: Instant) -> Option<String> {
        if now.saturating_duration_since(self.since) >= PERIOD {
            *self = Self::new(now);
        }
        self.told = self.told.saturating_add(1);
        match self.told {
            ..=MOST => Some(because),
            told => (told == MOST + 1).then(|| ENOUGH.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_a_minute_and_then_that_there_are_more() {
        let start = Instant::now();
        let mut objections = Objections::new(start);
        let mut told = |now| -> Vec<String> {
            (0..100).filter_map(|_| objections.take("no".into(), now)).collect()
        };
        for minutes in 0..3 {
            let now = start + minutes * PERIOD;
            let first = told(now);
            assert_eq!(first.len() as u32, MOST + 1);
            assert_eq!((first[0].as_str(), first[MOST as usize].as_str()), ("no", ENOUGH));
            assert!(told(now + PERIOD - Duration::from_millis(1)).is_empty());
        }
    }
}
