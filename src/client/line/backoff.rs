//! How long to wait before trying to connect again. Pure: chance comes in as an argument.

use std::ops::RangeInclusive;
use std::time::Duration;

/// The shortest wait.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// The shortest wait, and the longest one at first, after the server was busy.
const BUSY: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(5);

/// The shortest wait after the agent refused to sign: a person may have told it to, and is asked each time.
const REFUSED: Duration = Duration::from_secs(10);

/// A connection that lived so long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(10);

/// Doubles from 0.2 s to 30 s.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: at least half of its turn's longest, so that many clients of one server do not
    /// come back at the same moment. `chance` is from 0 to 1.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        FIRST.max(self.longest().mul_f64(0.5 + chance / 2.0))
    }

    /// The next wait after the server was busy. Many come to it then: any wait is as likely as any other, so that they
    /// come one after another.
    pub(crate) fn next_when_busy(&mut self, chance: f64) -> Duration {
        let (shortest, longest) = (*BUSY.start(), self.longest().max(*BUSY.end()));
        shortest + (longest - shortest).mul_f64(chance)
    }

    /// The next wait after the agent refused to sign.
    pub(crate) fn next_when_refused(&mut self, chance: f64) -> Duration {
        self.next(chance).max(REFUSED)
    }

    /// The longest wait of this turn.
    fn longest(&mut self) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        longest
    }

    /// A connection has ended that lived for so long.
    pub(crate) fn lived(&mut self, time: Duration) {
        if time >= GOOD {
            self.failures = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_begin_again_after_a_good_connection() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..10).map(|_| backoff.next(1.0).as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
        backoff.lived(Duration::from_secs(1));
        assert_eq!(backoff.next(0.0), Duration::from_secs(15));
        backoff.lived(GOOD);
        assert_eq!(backoff.next(0.0), FIRST);
    }

    #[test]
    fn whoever_told_the_agent_no_is_not_asked_again_at_once() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..9).map(|_| backoff.next_when_refused(1.0).as_secs()).collect();
        assert_eq!(waits, [10, 10, 10, 10, 10, 10, 12, 25, 30]);
    }

    #[test]
    fn those_who_were_told_that_the_server_is_busy_come_back_one_after_another() {
        let waits = |chance| {
            let mut backoff = Backoff::default();
            (0..9).map(|_| backoff.next_when_busy(chance).as_millis()).collect::<Vec<_>>()
        };
        assert_eq!(waits(0.0), [1_000; 9]);
        assert_eq!(waits(0.5)[..5], [3_000; 5]);
        assert_eq!(waits(1.0), [5_000, 5_000, 5_000, 5_000, 5_000, 6_400, 12_800, 25_600, 30_000]);
    }
}
