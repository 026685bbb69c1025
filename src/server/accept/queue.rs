//! Who is next, where more connections come than are begun: a queue of a few lines, one behind the other.
//!
//! Owned by the [reception](super::reception), under its lock. Pure: no I/O, no clock. Invariants: no line holds more
//! than its limit. Within a line everybody has a turn in each *round*: so whoever has many connections waiting holds
//! up others by one at a time, and where a line is full, gives way first.

use std::collections::{BTreeMap, HashMap};

use crate::server::limits::Origin;

/// Which line somebody waits in. Earlier ones go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// From an address from which somebody signed in lately, or from this machine.
    Known,
    /// From another one.
    Stranger,
    /// There is no room; whoever waits here waits to be told so.
    TurnedAway,
}

/// How many wait in each line: no longer than about seven seconds, one second, and a moment. One more has somebody
/// closed unread.
const LIMITS: [usize; 3] = [7_000, 1_000, 64];

/// See the [module](self). `None` is this machine itself, behind whose proxy anybody may be.
pub(super) struct Queue<T> {
    lines: [Line<T>; LIMITS.len()],
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self { lines: LIMITS.map(Line::new) }
    }

    /// Has somebody wait. Who has to go for that, if the line is full: the last of those who have the most in it.
    pub(super) fn push(&mut self, standing: Standing, from: Option<Origin>, item: T) -> Option<T> {
        self.lines[standing as usize].push(from.map(Origin::party), item)
    }

    /// Whoever is next.
    pub(super) fn pop(&mut self) -> Option<T> {
        self.lines.iter_mut().find_map(Line::pop)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lines.iter().all(|line| line.waiting.is_empty())
    }
}

/// One line.
struct Line<T> {
    limit: usize,
    /// By round, and within one by when they came.
    waiting: BTreeMap<(u64, u64), (Option<Origin>, T)>,
    /// The round of whoever was next last.
    round: u64,
    /// By who has a turn in `round` or later, the round behind it.
    next_rounds: HashMap<Option<Origin>, u64>,
    /// How many have come.
    come: u64,
}

impl<T> Line<T> {
    fn new(limit: usize) -> Self {
        let (waiting, next_rounds) = (BTreeMap::new(), HashMap::new());
        Self { limit, waiting, round: 0, next_rounds, come: 0 }
    }

    fn push(&mut self, from: Option<Origin>, item: T) -> Option<T> {
        let next = self.next_rounds.entry(from).or_default();
        let round = self.round.max(*next);
        *next = round + 1;
        self.come += 1;
        self.waiting.insert((round, self.come), (from, item));
        if self.waiting.len() > self.limit { self.pop_last() } else { None }
    }

    fn pop(&mut self) -> Option<T> {
        let ((round, _), (_, item)) = self.waiting.pop_first()?;
        self.round = round;
        self.forget_the_past();
        Some(item)
    }

    /// The last one of all is also the last of where they come from.
    fn pop_last(&mut self) -> Option<T> {
        let ((round, _), (from, item)) = self.waiting.pop_last()?;
        self.next_rounds.insert(from, round);
        Some(item)
    }

    /// Keeps no more than twice as many as wait.
    fn forget_the_past(&mut self) {
        if self.next_rounds.len() > 2 * self.waiting.len() {
            let round = self.round;
            self.next_rounds.retain(|_, next| *next > round);
            if self.waiting.is_empty() {
                self.next_rounds = HashMap::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(number: u8) -> Option<Origin> {
        Some(format!("192.0.2.{number}").parse().unwrap())
    }

    /// Has some come, each called by the number of their address and by what they are to it.
    fn queue(come: &[(Standing, u8)]) -> Queue<(u8, usize)> {
        let mut queue = Queue::new();
        for (index, (standing, number)) in come.iter().enumerate() {
            assert_eq!(queue.push(*standing, address(*number), (*number, index)), None);
        }
        queue
    }

    fn all<T>(queue: &mut Queue<T>) -> Vec<T> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn who_is_known_goes_first_and_who_is_turned_away_last() {
        use Standing::{Known, Stranger, TurnedAway};
        let mut queue = queue(&[(TurnedAway, 1), (Stranger, 2), (Known, 3), (Stranger, 4)]);
        assert_eq!(all(&mut queue), [(3, 2), (2, 1), (4, 3), (1, 0)]);
        assert!(queue.is_empty());
    }

    #[test]
    fn who_has_many_waiting_holds_up_another_by_one() {
        let mut come = vec![(Standing::Known, 1); 100];
        come.push((Standing::Known, 2));
        let mut queue = queue(&come);
        assert_eq!([queue.pop(), queue.pop()], [Some((1, 0)), Some((2, 100))]);
        // Who comes again and again does not overtake those who wait.
        for index in 101..120 {
            queue.push(Standing::Known, address(2), (2, index));
            assert_eq!(queue.pop().unwrap().0, 1 + u8::from(index % 2 == 0), "{index}");
        }
    }

    #[test]
    fn where_there_is_no_room_those_give_way_who_have_the_most() {
        let mut queue = Queue::new();
        let mut push = |number| queue.push(Standing::Stranger, address(number), number);
        assert!((0..1_000).all(|_| push(1).is_none()));
        assert_eq!(push(2), Some(1));
        assert_eq!(push(1), Some(1));
        let others = (0..998).filter(|_| push(2) == Some(1)).count();
        assert_eq!(others, 499, "until both have as many");
    }

    #[test]
    fn networks_of_one_site_wait_as_one() {
        let mut queue = Queue::new();
        let networks = ["2001:db8:1:1::", "2001:db8:1:2::", "2001:db8:1:3::", "2001:db8:2:1::"];
        for network in networks {
            queue.push(Standing::Stranger, Some(network.parse().unwrap()), network);
        }
        assert_eq!(all(&mut queue), [networks[0], networks[3], networks[1], networks[2]]);
    }

    proptest! {
        /// Everybody comes out once, in their order, or has given way; and the line remembers nobody.
        #[test]
        fn nobody_is_lost(steps in prop::collection::vec((0..4u8, 1..5u8), 0..200)) {
            let mut line = Line::new(8);
            let (mut come, mut gone) = (0, Vec::new());
            for (number, step) in steps {
                let out = if step == 1 { line.pop() } else {
                    come += 1;
                    line.push(address(number), (number, come))
                };
                gone.extend(out);
                prop_assert!(line.waiting.len() <= 8);
                prop_assert!(line.next_rounds.len() <= 2 * line.waiting.len() + 4);
            }
            let rest: Vec<_> = std::iter::from_fn(|| line.pop()).collect();
            for number in 0..4 {
                prop_assert!(rest.iter().filter(|it| it.0 == number).is_sorted_by_key(|it| it.1));
            }
            gone.extend(rest);
            gone.sort_unstable_by_key(|it| it.1);
            prop_assert!(gone.iter().map(|it| it.1).eq(1..=come));
            prop_assert!(line.next_rounds.is_empty());
        }
    }
}
