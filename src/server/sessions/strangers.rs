//! Strangers: receivers who have never answered those who write to them.
//!
//! Owned by the [registry](super::registry), and asked when somebody begins to write in a conversation. A receiver who
//! wrote back, or opened the conversation while something waited, has answered: they know the sender. Invariant: for
//! each sender it has the receivers for whom something waits, and who did not know the sender when it was written. What a
//! former owner of the name wrote is found at the start, until it is looked at.

use std::collections::HashMap;

use dashmap::DashMap;

use crate::message::{Name, SessionKey};

/// Why somebody may not write to one more. Made to be read by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "something of yours waits for {0} people already who have not answered you; one of them has to answer first"
)]
pub(crate) struct TooManyStrangers(usize);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Strangers {
    by_sender: DashMap<Name, HashMap<Name, Look>>,
}

/// Whether it was checked that a receiver does not know the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Closely,
    /// The server has just started.
    NotYet,
}

impl Strangers {
    /// Something has waited in a session since before the server started, and its receiver is not known to know its
    /// sender.
    pub(super) fn find(&self, key: &SessionKey) {
        let mut receivers = self.by_sender.entry(key.sender().clone()).or_default();
        receivers.insert(key.receiver().clone(), Look::NotYet);
    }

    /// Whether the receiver of a session is counted, and was checked.
    pub(super) fn has(&self, key: &SessionKey) -> bool {
        let receivers = self.by_sender.get(key.sender());
        receivers.is_some_and(|receivers| receivers.get(key.receiver()) == Some(&Look::Closely))
    }

    /// Counts the receiver of a session, who does not know its sender, unless there are `most` already; 0 is no limit.
    pub(super) fn add(&self, key: &SessionKey, most: usize) -> Result<(), TooManyStrangers> {
        let mut receivers = self.by_sender.entry(key.sender().clone()).or_default();
        if most > 0 && receivers.len() >= most && !receivers.contains_key(key.receiver()) {
            return Err(TooManyStrangers(receivers.len()));
        }
        receivers.insert(key.receiver().clone(), Look::Closely);
        Ok(())
    }

    /// The receivers who were counted without a check.
    pub(super) fn unseen(&self, sender: &Name) -> Vec<Name> {
        let Some(receivers) = self.by_sender.get(sender) else { return Vec::new() };
        let unseen = receivers.iter().filter(|(_, look)| **look == Look::NotYet);
        unseen.map(|(receiver, _)| receiver.clone()).collect()
    }

    /// The receiver of a session was checked, and counts.
    pub(super) fn saw(&self, key: &SessionKey) {
        let mut receivers = self.by_sender.get_mut(key.sender());
        if let Some(look) = receivers.as_mut().and_then(|it| it.get_mut(key.receiver())) {
            *look = Look::Closely;
        }
    }

    /// A name is given up: what waits of its owner is not the next one's.
    pub(super) fn forget(&self, sender: &Name) {
        self.by_sender.remove(sender);
    }

    /// The receiver of a session knows its sender, or nothing waits in it any more.
    pub(super) fn remove(&self, key: &SessionKey) {
        if let Some(mut receivers) = self.by_sender.get_mut(key.sender()) {
            receivers.remove(key.receiver());
        }
        self.by_sender.remove_if(key.sender(), |_, receivers| receivers.is_empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(receiver: &str) -> SessionKey {
        SessionKey::new("eve".parse().unwrap(), receiver.parse().unwrap()).unwrap()
    }

    #[test]
    fn there_is_an_end_to_strangers_until_one_answers() {
        let strangers = Strangers::default();
        assert_eq!([strangers.add(&to("a"), 2), strangers.add(&to("b"), 2)], [Ok(()); 2]);
        assert_eq!(strangers.add(&to("c"), 2), Err(TooManyStrangers(2)));
        assert_eq!(strangers.add(&to("a"), 2), Ok(()), "who is counted already");
        assert_eq!(strangers.add(&to("c").reverse(), 2), Ok(()), "others have their own");
        strangers.remove(&to("a"));
        assert_eq!(strangers.add(&to("c"), 2), Ok(()));
        for receiver in ["b", "c"] {
            strangers.remove(&to(receiver));
        }
        strangers.remove(&to("c").reverse());
        assert!(strangers.by_sender.is_empty(), "nobody is remembered");
    }

    #[test]
    fn the_next_owner_of_a_name_begins_with_none() {
        let strangers = Strangers::default();
        assert_eq!([strangers.add(&to("a"), 1), strangers.add(&to("b").reverse(), 1)], [Ok(()); 2]);
        strangers.forget(to("a").sender());
        assert_eq!(strangers.add(&to("b"), 1), Ok(()));
        assert!(!strangers.has(&to("a")) && strangers.has(&to("b").reverse()));
    }

    #[test]
    fn who_is_found_at_the_start_is_looked_at_once() {
        let strangers = Strangers::default();
        strangers.find(&to("a"));
        assert!(!strangers.has(&to("a")) && strangers.add(&to("b"), 1).is_err());
        assert_eq!(strangers.unseen(to("a").sender()), [to("a").receiver().clone()]);
        assert_eq!(strangers.unseen(to("a").sender()).len(), 1, "until that has succeeded");
        strangers.saw(&to("a"));
        assert!(strangers.has(&to("a")));
        assert_eq!(strangers.unseen(to("a").sender()), []);
        assert_eq!(strangers.add(&to("z"), 0), Ok(()), "without a limit");
    }
}
