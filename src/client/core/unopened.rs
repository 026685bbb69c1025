//! Sealed messages that wait until their sender's list of devices is known.
//!
//! Owned by the core. Pure. Invariant: as long as one of somebody waits, so do all that come behind it; so they are
//! acknowledged in order.

use std::collections::{BTreeMap, BTreeSet};

use crate::message::{Message, Name};

/// How many bytes may wait. A server sends less before it is answered.
const MOST: usize = 64 * 1024 * 1024;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Unopened {
    waiting: BTreeMap<Name, Vec<(u64, Message)>>,
    bytes: usize,
    /// Of whom nothing is taken on this connection: it is for another data folder.
    left: BTreeSet<Name>,
}

impl Unopened {
    /// The connection has ended: all of it comes again.
    pub(super) fn disconnected(&mut self) {
        *self = Self::default();
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether what comes from somebody has to wait.
    pub(super) fn has(&self, peer: &Name) -> bool {
        self.waiting.contains_key(peer)
    }

    /// Whether what comes from somebody is left for another data folder.
    pub(super) fn leaves(&self, peer: &Name) -> bool {
        self.left.contains(peer)
    }

    /// Whether nothing more is to be awaited of somebody: all has come and is opened, or it is left, or it cannot be opened
    /// before a held key or list is decided about. Then it comes again.
    pub(super) fn is_settled(&self, peer: &Name, has_caught_up: bool, is_held: bool) -> bool {
        self.leaves(peer) || if self.has(peer) { is_held } else { has_caught_up }
    }

    /// Of this person nothing is taken any more on this connection.
    pub(super) fn leave(&mut self, peer: Name) {
        self.take(&peer);
        self.left.insert(peer);
    }

    /// Has a message wait. Returns whether there is room for it.
    pub(super) fn put(&mut self, peer: Name, seq: u64, message: Message) -> bool {
        self.bytes += size(&message);
        self.waiting.entry(peer).or_default().push((seq, message));
        self.bytes <= MOST
    }

    /// All that waits of somebody, in the order in which it came.
    pub(super) fn take(&mut self, peer: &Name) -> Vec<(u64, Message)> {
        let all = self.waiting.remove(peer).unwrap_or_default();
        self.bytes -= all.iter().map(|(_, message)| size(message)).sum::<usize>();
        all
    }
}

/// What a message takes, with all that is around its body.
fn size(message: &Message) -> usize {
    256 + message.body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_one_that_waits_waits_too_and_in_order() {
        let (mut unopened, anna, marie) =
            (Unopened::default(), "anna".parse().unwrap(), "marie".parse::<Name>().unwrap());
        for n in 1..=3 {
            assert!(unopened.put(marie.clone(), n, Message::text(1, n, "x")));
        }
        assert!(unopened.has(&marie) && !unopened.has(&anna));
        let seqs: Vec<u64> = unopened.take(&marie).iter().map(|(seq, _)| *seq).collect();
        assert_eq!(seqs, [1, 2, 3]);
        assert!(!unopened.has(&marie) && unopened.is_empty());
        assert_eq!(unopened.bytes, 0);
    }

    #[test]
    fn what_waits_for_somebody_who_is_held_is_not_awaited() {
        let (mut unopened, marie) = (Unopened::default(), "marie".parse::<Name>().unwrap());
        assert!(unopened.is_settled(&marie, true, false));
        assert!(!unopened.is_settled(&marie, false, true), "more comes, and may be opened");
        assert!(unopened.put(marie.clone(), 1, Message::text(1, 1, "x")));
        assert!(!unopened.is_settled(&marie, true, false), "her list is asked for");
        assert!(unopened.is_settled(&marie, true, true), "nobody asks for it");
        assert!(unopened.is_settled(&marie, false, true), "what comes behind it waits, too");
        unopened.leave(marie.clone());
        assert!(unopened.is_settled(&marie, false, false));
    }

    #[test]
    fn there_is_room_for_so_many_bytes() {
        let (mut unopened, marie) = (Unopened::default(), "marie".parse::<Name>().unwrap());
        let mega = "x".repeat(1024 * 1024);
        let fits =
            (1..=63).all(|n| unopened.put(marie.clone(), n, Message::text(1, n, mega.clone())));
        assert!(fits);
        assert!(!unopened.put(marie.clone(), 64, Message::text(1, 64, mega)));
        unopened.leave(marie.clone());
        assert!(unopened.leaves(&marie) && !unopened.has(&marie));
        unopened.disconnected();
        assert!(!unopened.leaves(&marie));
    }
}
