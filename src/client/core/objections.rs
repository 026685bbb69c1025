//! A rate limit for what a server has told again and again: its objections, refusals, keys that change, strangers who
//! write. It may do so without end, and the reader may be a log on a disk.
//!
//! Owned by the core. Pure: the time is an argument. Invariant: in any [`PERIOD`] no more are told than were said, and
//! one sentence that says so.

use std::time::{Duration, Instant};

use crate::client::event::Event;
use crate::client::line::allowance::{Allowance, UsedUp};

/// How many objections, refusals and keys that change are told in a period.
pub(super) const MOST_OBJECTIONS: u32 = 20;

/// How many strangers who write: more than a server lets wait.
pub(super) const MOST_STRANGERS: u32 = 200;

const PERIOD: Duration = Duration::from_secs(60);

/// What is told instead of one more.
const ENOUGH: &str = "the server has more to tell of this kind; it is not shown for a minute";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Objections(Allowance);

impl Objections {
    pub(super) fn new(most: u32) -> Self {
        Self(Allowance::new(most, PERIOD))
    }

    /// What to tell instead of something that the server may cause without end.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Option<Event> {
        match self.0.take(now) {
            Ok(()) => Some(event),
            Err(UsedUp { is_first }) => {
                is_first.then(|| Event::Objection { because: ENOUGH.into() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_told_a_minute_and_then_that_there_are_more() {
        let (mut objections, start) = (Objections::new(20), Instant::now());
        let mut told = |now| -> Vec<String> {
            let objection = || Event::Objection { because: "no".into() };
            let told = (0..100).filter_map(|_| objections.take(objection(), now));
            told.map(|event| format!("{event:?}")).collect()
        };
        for minutes in 0..3 {
            let now = start + minutes * PERIOD;
            let first = told(now);
            assert_eq!(first.len(), 21);
            assert!(first[0].contains("no") && first[20].contains(ENOUGH));
            assert!(told(now + PERIOD - Duration::from_millis(1)).is_empty());
        }
    }
}
