//! The timeouts of signing in.
//!
//! Owned by the connection's task. A person on a bad line takes long, and so does one who has to confirm something; so
//! does an attacker who only occupies a place. The first sends something now and then, and has little to send. So
//! before `HELLO` there is a limit for silence and a minimum rate, and after it only a limit. [`Hearing`] is pure: no
//! I/O, no clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::clock::Times;
use crate::server::config::Handshake;
use crate::server::limits::Place;
use crate::wire::HANDSHAKE_SECONDS;
use crate::wire::transport::Line;

/// How many bytes have to arrive in the whole time: 100 a second.
const LEAST: u32 = 100 * HANDSHAKE_SECONDS as u32;

/// How often, within the longest silence, it is checked whether something arrived.
const LOOKS: u32 = 4;

/// Why somebody is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    /// Nothing came.
    Silent,
    /// Too little came.
    Slow,
    /// It took too long.
    Over,
    /// It took long, and gave way to another one who may take longer.
    GaveWay,
}

impl Late {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Silent => "nothing came for too long",
            Self::Slow => "signing in is too slow",
            Self::Over => "signing in took too long",
            Self::GaveWay => "signing in took too long, and others wait who may have to confirm it",
        }
    }
}

/// Watches a line until there was `HELLO`.
pub(super) struct Watch<'a> {
    times: &'a dyn Times,
    line: Arc<Line>,
    hearing: Hearing,
}

impl<'a> Watch<'a> {
    /// Begins now, with a line that was accepted earlier.
    pub(super) fn begin(
        times: &'a dyn Times,
        limits: Handshake,
        line: Arc<Line>,
        accepted: Instant,
    ) -> Self {
        Self { times, line, hearing: Hearing::begin(limits, accepted, times.now()) }
    }

    /// Waits until its peer is late.
    pub(super) async fn late(&mut self) -> Late {
        loop {
            let now = self.times.now();
            match self.hearing.look(self.line.heard(), now) {
                Ok(wait) => self.times.until(now + wait).await,
                Err(late) => return late,
            }
        }
    }
}

/// Waits until it is too late for `PROVE`, after a `HELLO` that arrived now. A [`Place`] never means less time than
/// others have.
pub(super) async fn too_late_to_prove(
    times: &dyn Times,
    limits: Handshake,
    accepted: Instant,
    place: Option<Place<'_>>,
) -> Late {
    let over = accepted + limits.all;
    let mut late = Late::Over;
    if let Some(place) = place {
        let left = over.saturating_duration_since(times.now());
        if times.within(limits.confirmation.max(left), place.gives_way()).await.is_none() {
            return Late::Over;
        }
        late = Late::GaveWay;
    }
    times.until(over).await;
    late
}

/// What was heard of somebody, and when.
struct Hearing {
    limits: Handshake,
    accepted: Instant,
    begun: Instant,
    heard: u64,
    last: Instant,
}

impl Hearing {
    fn begin(limits: Handshake, accepted: Instant, now: Instant) -> Self {
        Self { limits, accepted, begun: now, heard: 0, last: now }
    }

    /// Takes how many bytes have arrived by now. Returns when to look again, unless they are late.
    fn look(&mut self, heard: u64, now: Instant) -> Result<Duration, Late> {
        if heard > self.heard {
            (self.heard, self.last) = (heard, now);
        }
        let (until, late) = self.end();
        let left = until.saturating_duration_since(now);
        if left.is_zero() { Err(late) } else { Ok(left.min(self.limits.silence / LOOKS)) }
    }

    /// When they will be late if nothing more arrives.
    fn end(&self) -> (Instant, Late) {
        let Handshake { silence, all, .. } = self.limits;
        let heard = u32::try_from(self.heard).unwrap_or(LEAST).min(LEAST);
        let paid_for = all.saturating_mul(heard) / LEAST;
        let ends = [
            (self.accepted + all, Late::Over),
            (self.last + silence, Late::Silent),
            (self.begun + silence + paid_for, Late::Slow),
        ];
        ends.into_iter().min_by_key(|(until, _)| *until).unwrap_or(ends[0])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// What a client says up to `HELLO`, and after how many round trips: TLS in two pieces, `HELLO` with the second.
    const CLIENT: [(u32, u64); 2] = [(0, 240), (1, 300)];

    /// How long somebody has who says these things, each so long after the last one.
    fn hold(
        limits: Handshake,
        said: impl IntoIterator<Item = (Duration, u64)>,
    ) -> (Duration, Late) {
        let start = Instant::now();
        let (mut hearing, mut now, mut heard) = (Hearing::begin(limits, start, start), start, 0);
        let mut said = said.into_iter();
        let mut next = said.next().map(|(after, bytes)| (start + after, bytes));
        loop {
            while let Some((_, bytes)) = next.filter(|(when, _)| *when <= now) {
                heard += bytes;
                next = said.next().map(|(after, bytes)| (now + after, bytes));
            }
            match hearing.look(heard, now) {
                Ok(wait) => now += wait,
                Err(late) => return (now - start, late),
            }
        }
    }

    #[test]
    fn who_says_nothing_is_ended_after_ten_seconds() {
        assert_eq!(hold(Handshake::default(), []), (10 * SECOND, Late::Silent));
    }

    #[test]
    fn a_byte_now_and_then_holds_no_place() {
        let bytes = std::iter::repeat((2 * SECOND, 1));
        let (held, late) = hold(Handshake::default(), bytes);
        assert!(held >= 10 * SECOND && held < 11 * SECOND, "{held:?}");
        assert_eq!(late, Late::Slow);
    }

    #[test]
    fn who_says_enough_has_a_minute_and_no_more() {
        let bytes = std::iter::repeat((SECOND, 100));
        assert_eq!(hold(Handshake::default(), bytes), (60 * SECOND, Late::Over));
    }

    #[test]
    fn somebody_far_away_is_heard() {
        for round_trip in [SECOND / 10, 5 * SECOND / 2, 7 * SECOND] {
            let limits = Handshake::default();
            let start = Instant::now();
            let mut hearing = Hearing::begin(limits, start, start);
            let mut heard = 0;
            for (trips, bytes) in CLIENT {
                let now = start + round_trip * trips;
                assert!(hearing.look(heard, now).is_ok(), "{round_trip:?}");
                heard += bytes;
                assert!(hearing.look(heard, now).is_ok(), "{round_trip:?}");
            }
        }
    }

    #[test]
    fn all_times_are_in_proportion() {
        let twice = Handshake::within(120 * SECOND);
        assert_eq!((twice.silence, twice.confirmation), (20 * SECOND, 240 * SECOND));
        let bytes = std::iter::repeat((SECOND, 50));
        assert_eq!(hold(twice, bytes), (120 * SECOND, Late::Over), "half of the rate does");
        assert_eq!(Handshake::within(SECOND).confirmation, 2 * SECOND);
    }

    #[test]
    fn who_has_waited_to_be_begun_has_that_much_less_for_all_of_it() {
        let now = Instant::now();
        let mut hearing = Hearing::begin(Handshake::default(), now - 55 * SECOND, now);
        assert_eq!(hearing.look(6_000, now + 4 * SECOND), Ok(SECOND));
        assert_eq!(hearing.look(6_000, now + 5 * SECOND), Err(Late::Over));
    }

    proptest! {
        #[test]
        fn nobody_has_longer_than_they_pay_for(
            said in prop::collection::vec((0_u64..20_000, 0_u64..3_000), 0..40)
        ) {
            let bytes: u64 = said.iter().map(|(_, bytes)| bytes).sum();
            let said = said.into_iter().map(|(after, bytes)| (Duration::from_millis(after), bytes));
            let (held, _) = hold(Handshake::default(), said);
            let paid_for = 10 * SECOND + 10 * Duration::from_millis(bytes);
            prop_assert!(held >= 10 * SECOND && held <= paid_for.min(60 * SECOND) , "{held:?}");
        }
    }
}
