//! Which of a name's addresses is tried when (RFC 8305, "Happy Eyeballs"). Pure: every clock is an argument.
//!
//! Owned by the [`dial`](super::dial). Invariant: each address is tried once, and none waits for one that was silent for
//! longer than [`DELAY`].

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long after one attempt the next begins, unless that one has failed by then (RFC 8305 §5).
const DELAY: Duration = Duration::from_millis(250);

/// How many addresses of a name are tried. Those beyond are left out: a server has a few.
const MAX_ADDRESSES: usize = 16;

/// The order to try addresses in: the one that worked before goes first, then both families take turns, each in the
/// order in which they were found.
pub(super) fn in_turns(found: Vec<SocketAddr>, worked: Option<SocketAddr>) -> VecDeque<SocketAddr> {
    let mut seen = HashSet::new();
    let mut found: Vec<_> = found.into_iter().filter(|it| seen.insert(*it)).collect();
    if let Some(at) = found.iter().position(|it| Some(*it) == worked) {
        found[..=at].rotate_right(1);
    }
    let is_v4 = found.first().is_some_and(SocketAddr::is_ipv4);
    let (mut these, mut those): (VecDeque<_>, VecDeque<_>) =
        found.into_iter().partition(|it| it.is_ipv4() == is_v4);
    let mut order = VecDeque::new();
    while let Some(next) = these.pop_front().or_else(|| those.pop_front()) {
        order.push_back(next);
        std::mem::swap(&mut these, &mut those);
    }
    order.truncate(MAX_ADDRESSES);
    order
}

/// The attempts that are still to begin.
#[derive(Debug)]
pub(super) struct Attempts {
    waiting: VecDeque<SocketAddr>,
    due: Instant,
}

impl Attempts {
    /// Attempts at addresses in their order. The first is due now.
    pub(crate) fn new(waiting: VecDeque<SocketAddr>, now: Instant) -> Self {
        Self { waiting, due: now }
    }

    /// The address to begin with now, if one is due.
    pub(crate) fn next(&mut self, now: Instant) -> Option<SocketAddr> {
        if now < self.due {
            return None;
        }
        let next = self.waiting.pop_front()?;
        self.due = now + DELAY;
        Some(next)
    }

    /// An attempt has failed: the next is due at once.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.due = self.due.min(now);
    }

    /// How long it is until the next is due; none if there is no more.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        let wait = self.due.saturating_duration_since(now);
        (!self.waiting.is_empty()).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn addresses(text: &str) -> Vec<SocketAddr> {
        text.split_whitespace().map(|word| word.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_behind_what_worked_before() {
        let found =
            addresses("[2001:db8::1]:7 [2001:db8::2]:7 [2001:db8::1]:7 192.0.2.1:7 192.0.2.2:7");
        let order =
            |worked: Option<&str>| in_turns(found.clone(), worked.map(|it| it.parse().unwrap()));
        let usual = addresses("[2001:db8::1]:7 192.0.2.1:7 [2001:db8::2]:7 192.0.2.2:7");
        assert_eq!(order(None), usual);
        assert_eq!(order(Some("192.0.2.9:7")), usual, "it is not one of them any more");
        let after = addresses("192.0.2.2:7 [2001:db8::1]:7 192.0.2.1:7 [2001:db8::2]:7");
        assert_eq!(order(Some("192.0.2.2:7")), after);
        assert_eq!(in_turns(addresses("192.0.2.1:7 192.0.2.2:7"), None).len(), 2);
        assert!(in_turns(Vec::new(), None).is_empty());
    }

    #[test]
    fn the_next_begins_after_the_delay_or_when_one_fails() {
        let begin = Instant::now();
        let after = |millis| begin + Duration::from_millis(millis);
        let found = addresses("192.0.2.1:7 192.0.2.2:7 192.0.2.3:7");
        let mut attempts = Attempts::new(found.clone().into(), begin);
        assert_eq!(attempts.next(begin), Some(found[0]));
        assert_eq!(attempts.next(after(249)), None);
        assert_eq!(attempts.wait(after(249)), Some(Duration::from_millis(1)));
        assert_eq!(attempts.next(after(250)), Some(found[1]));
        attempts.failed(after(260));
        assert_eq!(attempts.next(after(260)), Some(found[2]));
        assert_eq!((attempts.next(after(9_999)), attempts.wait(after(9_999))), (None, None));
    }

    /// What happens to attempts: time passes, or one fails.
    #[derive(Clone, Copy, Debug)]
    enum Happening {
        Millis(u64),
        Failure,
    }

    fn happening() -> impl Strategy<Value = Happening> {
        prop_oneof![(0..600u64).prop_map(Happening::Millis), Just(Happening::Failure)]
    }

    fn address() -> impl Strategy<Value = SocketAddr> {
        (any::<bool>(), 0..40u8).prop_map(|(is_v4, last)| match is_v4 {
            true => SocketAddr::from(([192, 0, 2, last], 7)),
            false => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(last)], 7)),
        })
    }

    proptest! {
        #[test]
        fn each_is_tried_once_and_families_take_turns(
            found in vec(address(), 0..40),
            worked in proptest::option::of(address()),
        ) {
            let order = in_turns(found.clone(), worked);
            let distinct: HashSet<_> = found.iter().copied().collect();
            prop_assert_eq!(order.len(), distinct.len().min(MAX_ADDRESSES));
            prop_assert_eq!(order.iter().collect::<HashSet<_>>().len(), order.len());
            if let Some(worked) = worked.filter(|it| distinct.contains(it)) {
                prop_assert_eq!(order[0], worked);
            }
            // Two of one family stand behind each other only where the other has no more.
            let repeated = order.iter().zip(order.iter().skip(1)).position(|(a, b)| a.is_ipv4() == b.is_ipv4());
            if let Some(at) = repeated {
                let rest = order.iter().skip(at);
                prop_assert!(rest.clone().all(|it| it.is_ipv4() == order[at].is_ipv4()));
            }
        }

        #[test]
        fn none_is_hurried_but_by_a_failure_and_none_is_forgotten(
            found in vec(address(), 1..20),
            happenings in vec(happening(), 0..60),
        ) {
            let order = in_turns(found, None);
            let mut now = Instant::now();
            let mut attempts = Attempts::new(order.clone(), now);
            let (mut begun, mut last, mut has_failed) = (Vec::new(), None::<Instant>, false);
            for happening in happenings.into_iter().chain([Happening::Millis(250); MAX_ADDRESSES]) {
                while let Some(address) = attempts.next(now) {
                    let since = last.map(|last| now - last);
                    prop_assert!(has_failed || since.is_none_or(|since| since >= DELAY));
                    begun.push(address);
                    (last, has_failed) = (Some(now), false);
                }
                prop_assert!(attempts.wait(now).is_none_or(|wait| wait <= DELAY));
                match happening {
                    Happening::Millis(millis) => now += Duration::from_millis(millis),
                    Happening::Failure => {
                        attempts.failed(now);
                        has_failed = true;
                    }
                }
            }
            prop_assert_eq!(begun, Vec::from(order));
        }
    }
}
