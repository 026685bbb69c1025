//! To whom people write who have never answered.
//!
//! Owned by the [registry](super::registry), and asked when somebody begins to write in a conversation. A receiver has
//! answered who wrote back, or began to talk while there was something: they know the sender. Invariant: of each sender
//! it has the receivers for whom something of theirs waits and who did not know them when it was written.

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

/// Whether it was looked closely if a receiver knows the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    Closely,
    /// The server has just started.
    NotYet,
}

impl Strangers {
    /// Something waits in a session since before the server was started, and its receiver is not known to know its
    /// sender.
    pub(super) fn find(&self, key: &SessionKey) {
        let mut receivers = self.by_sender.entry(key.sender().clone()).or_default();
        receivers.insert(key.receiver().clone(), Look::NotYet);
    }

    /// Whether the receiver of a session is counted.
    pub(super) fn has(&self, key: &SessionKey) -> bool {
        let receivers = self.by_sender.get(key.sender());
        receivers.is_some_and(|receivers| receivers.contains_key(key.receiver()))
    }

    /// Counts the receiver of a session, who does not know its sender, unless there are `most`; 0 is no limit.
    pub(super) fn add(&self, key: &SessionKey, most: usize) -> Result<(), TooManyStrangers> {
        let mut receivers = self.by_sender.entry(key.sender().clone()).or_default();
        if most > 0 && receivers.len() >= most && !receivers.contains_key(key.receiver()) {
            return Err(TooManyStrangers(receivers.len()));
        }
        receivers.insert(key.receiver().clone(), Look::Closely);
        Ok(())
    }

    /// The receivers who were counted without a close look. From now on that is their last one.
    pub(super) fn unseen(&self, sender: &Name) -> Vec<Name> {
        let Some(mut receivers) = self.by_sender.get_mut(sender) else { return Vec::new() };
        let unseen = receivers.iter_mut().filter(|(_, look)| **look == Look::NotYet);
        unseen
            .map(|(receiver, look)| {
                *look = Look::Closely;
                receiver.clone()
            })
            .collect()
    }

    /// The receiver of a session knows its sender, or nothing waits in it.
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
    fn who_is_found_at_the_start_is_looked_at_once() {
        let strangers = Strangers::default();
        strangers.find(&to("a"));
        assert!(strangers.has(&to("a")) && strangers.add(&to("b"), 1).is_err());
        assert_eq!(strangers.unseen(to("a").sender()), [to("a").receiver().clone()]);
        assert_eq!(strangers.unseen(to("a").sender()), []);
        assert_eq!(strangers.add(&to("z"), 0), Ok(()), "without a limit");
    }
}
