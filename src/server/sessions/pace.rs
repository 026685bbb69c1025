//! How soon a receiver acknowledges, and so how long a commit may wait for it.
//!
//! Owned by a session, under its lock. Pure: the time is given. A message whose receiver is online and usually has it
//! on disk at once need not be written by the server, too: its commit waits somewhat longer than acknowledgements
//! usually take. Invariant: a receiver that takes longer than usual is waited for once, not for each message.

use std::time::{Duration, Instant};

/// The least and the most that a commit waits. People notice neither.
const GRACE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The message that is timed: its position, and when it was accepted.
    timed: Option<(u64, Instant)>,
    /// How long it usually takes; none until it is known.
    usual: Option<Duration>,
}

impl Pace {
    /// Messages up to `position` are accepted for a receiver who is online. Returns when they are to be committed if
    /// they are not acknowledged.
    pub(super) fn accepted(&mut self, position: u64, now: Instant) -> Instant {
        let (_, since) = *self.timed.get_or_insert((position, now));
        since + self.grace()
    }

    /// Everything up to `position` is acknowledged. Returns how long the message took that is timed, if it is among
    /// these.
    pub(super) fn acknowledged(&mut self, position: u64, now: Instant) -> Option<Duration> {
        let (_, since) = self.timed.take_if(|(timed, _)| *timed <= position)?;
        let took = now.saturating_duration_since(since);
        self.usual = Some(self.usual.map_or(took, |usual| (3 * usual + took) / 4));
        Some(took)
    }

    /// Another connection reads from now on.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    fn grace(&self) -> Duration {
        match self.usual.map(|usual| 2 * usual) {
            Some(grace) if grace <= GRACE.1 => grace.max(GRACE.0),
            _ => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A pace that has seen one acknowledgement after so long, and the time at which it did.
    fn pace(took: Duration) -> (Pace, Instant) {
        let (mut pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.accepted(1, start), start, "nobody knows yet");
        assert_eq!(pace.acknowledged(1, start + took), Some(took));
        (pace, start + took)
    }

    #[test]
    fn the_disk_waits_for_those_who_acknowledge_soon() {
        for (took, grace) in [(1, 10), (5, 10), (20, 40), (100, 200), (101, 0), (5_000, 0)] {
            let (mut pace, now) = pace(ms(took));
            assert_eq!(pace.accepted(2, now), now + ms(grace), "after {took} ms");
        }
    }

    #[test]
    fn who_suddenly_does_not_acknowledge_is_waited_for_once() {
        let (mut pace, now) = pace(ms(20));
        assert_eq!(pace.accepted(2, now), now + ms(40));
        assert_eq!(pace.accepted(3, now + ms(30)), now + ms(40), "of the first one");
        pace.acknowledged(1, now + ms(35));
        assert_eq!(pace.accepted(4, now + ms(50)), now + ms(40), "is over");
        pace.acknowledged(3, now + ms(60));
        assert_eq!(pace.accepted(5, now + ms(60)), now + ms(60) + ms(60), "and learnt from");
    }

    #[test]
    fn another_reader_begins_unknown() {
        let (mut pace, now) = pace(ms(1));
        pace.restart();
        assert_eq!(pace.accepted(2, now), now);
    }
}
