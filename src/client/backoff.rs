//! How long to wait before trying to connect again. Pure: chance comes in as an argument.

use std::time::Duration;

/// The shortest wait.
const FIRST: Duration = Duration::from_millis(200);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(30);

/// A connection that lived so long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(10);

/// Doubles from 0.2 s to 30 s.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next wait: at least half of its turn's longest, so that many clients of one server do not
    /// come back at the same moment. `chance` is from 0 to 1.
    pub(super) fn next(&mut self, chance: f64) -> Duration {
        let longest = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures += 1;
        FIRST.max(longest.mul_f64(0.5 + chance / 2.0))
    }

    /// A connection has ended that lived for so long.
    pub(super) fn lived(&mut self, time: Duration) {
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
}
