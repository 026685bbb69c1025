//! Who waits for a conversation without a face: one in which something that was written has not arrived, so that it is
//! sent and what becomes of it is heard.
//!
//! Owned by the core. Pure. A server holds a limited number of conversations open on one connection, so there are places,
//! and a [`Queue`] for them: whoever is owed something *unsent* comes first, the rest in turn. Invariant: whoever waits
//! for a place gets one in bounded time, whatever the others do.

use std::collections::BTreeMap;

use crate::message::Name;

/// How many conversations are open at most that the face does not have open. Others wait for their turn.
pub(super) const PLACES: usize = 500;

/// What waits for a place, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// Something is to be sent.
    Unsent,
    /// Something is to be heard of, or could not be sent the last time.
    Rest,
}

/// Who waits for a place. As long as what was written to so many people has not arrived.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: BTreeMap<(Need, u64), Name>,
    pub(super) tickets: BTreeMap<Name, (Need, u64)>,
    last: u64,
}

impl Queue {
    /// Puts somebody at the end of those with the same need. Who waits with a greater one stays there.
    pub(super) fn join(&mut self, peer: Name, need: Need) {
        match self.tickets.get(&peer) {
            Some((before, _)) if *before <= need => return,
            _ => self.leave(&peer),
        }
        self.last += 1;
        self.order.insert((need, self.last), peer.clone());
        self.tickets.insert(peer, (need, self.last));
    }

    /// Somebody needs no place any more, or has one.
    pub(super) fn leave(&mut self, peer: &Name) {
        if let Some(ticket) = self.tickets.remove(peer) {
            self.order.remove(&ticket);
        }
    }

    /// Who is next.
    pub(super) fn next(&mut self) -> Option<Name> {
        let (_, peer) = self.order.pop_first()?;
        self.tickets.remove(&peer);
        Some(peer)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// How many have something unsent; of more than there are places, so many.
    pub(super) fn urgent(&self) -> usize {
        self.order.range(..(Need::Rest, 0)).take(PLACES).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(number: usize) -> Name {
        format!("friend{number}").parse().unwrap()
    }

    #[test]
    fn what_is_unsent_comes_first_and_the_rest_in_turn() {
        let mut queue = Queue::default();
        queue.join(name(1), Need::Rest);
        queue.join(name(2), Need::Rest);
        queue.join(name(3), Need::Unsent);
        queue.join(name(2), Need::Unsent);
        queue.join(name(3), Need::Rest);
        assert_eq!(queue.urgent(), 2);
        let order = std::iter::from_fn(|| queue.next()).collect::<Vec<_>>();
        assert_eq!(order, [name(3), name(2), name(1)]);
        assert!(queue.is_empty() && queue.tickets.is_empty());
    }

    proptest! {
        /// Whoever comes and goes: each turn takes the oldest of the most urgent.
        #[test]
        fn nobody_waits_twice_or_is_passed(steps in prop::collection::vec((0usize..9, 0u8..4), 0..80)) {
            let (mut queue, mut model) = (Queue::default(), Vec::<(Need, Name)>::new());
            for (who, what) in steps {
                match what {
                    0 => {
                        model.sort_by_key(|(need, _)| *need);
                        let next = (!model.is_empty()).then(|| model.remove(0).1);
                        prop_assert_eq!(queue.next(), next);
                    }
                    1 => {
                        queue.leave(&name(who));
                        model.retain(|(_, peer)| *peer != name(who));
                    }
                    _ => {
                        let need = if what == 2 { Need::Unsent } else { Need::Rest };
                        queue.join(name(who), need);
                        let before = model.iter().position(|(_, peer)| *peer == name(who));
                        if before.is_none_or(|at| model[at].0 > need) {
                            model.retain(|(_, peer)| *peer != name(who));
                            model.push((need, name(who)));
                        }
                    }
                }
            }
        }
    }
}
