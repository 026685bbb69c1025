//! So many of something in a period: for what a server can make a client do, or tell, without end.
//!
//! Owned by whoever counts. Pure: the time is an argument. Invariant: in any period no more are allowed than were said.

use std::time::{Duration, Instant};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Allowance {
    most: u32,
    period: Duration,
    /// When the present period began; none before the first one.
    since: Option<Instant>,
    taken: u32,
}

/// There are no more in this period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UsedUp {
    /// It is the first one too many.
    pub(crate) is_first: bool,
}

impl Allowance {
    pub(crate) const fn new(most: u32, period: Duration) -> Self {
        Self { most, period, since: None, taken: 0 }
    }

    /// Takes one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), UsedUp> {
        if self.is_over(now) {
            (self.since, self.taken) = (Some(now), 0);
        }
        self.taken = self.taken.saturating_add(1);
        let is_first = self.taken == self.most + 1;
        if self.taken <= self.most { Ok(()) } else { Err(UsedUp { is_first }) }
    }

    /// When one can be taken; none if that is so now.
    pub(crate) fn due_at(&self, now: Instant) -> Option<Instant> {
        let is_used_up = !self.is_over(now) && self.taken >= self.most;
        self.since.filter(|_| is_used_up).map(|since| since + self.period)
    }

    fn is_over(&self, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) >= self.period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(60);

    #[test]
    fn so_many_are_allowed_in_a_period_and_then_again() {
        let (mut allowance, start) = (Allowance::new(20, PERIOD), Instant::now());
        for minutes in 0..3 {
            let begin = start + minutes * PERIOD;
            for _ in 0..20 {
                assert_eq!(allowance.due_at(begin), None);
                assert_eq!(allowance.take(begin), Ok(()));
            }
            assert_eq!(allowance.due_at(begin), Some(begin + PERIOD));
            let end = begin + PERIOD - Duration::from_millis(1);
            assert_eq!(allowance.take(begin), Err(UsedUp { is_first: true }));
            assert_eq!(allowance.take(end), Err(UsedUp { is_first: false }));
        }
    }
}
