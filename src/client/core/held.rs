//! People to whom nothing is sent until the person who uses this client decides, or the server shows something else.
//!
//! Owned by the core. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::event::Failure;
use crate::client::outcome::Doubt;
use crate::message::Name;
use crate::trust::PublicKey;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Whose key is not the trusted one any more, or who have none.
    keys: BTreeMap<Name, Other>,
    /// Whose device list, as the server shows it, is not believed.
    lists: BTreeMap<Name, Doubt>,
    /// For whom nothing can be sealed, by what the server says, and to whom nothing goes unsealed.
    keyless: BTreeSet<Name>,
    /// Those of them that the face was told of.
    told_keyless: BTreeSet<Name>,
}

/// Another key than the trusted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Other {
    now: Option<PublicKey>,
    /// The trusted one was verified.
    is_verified: bool,
}

impl Held {
    pub(super) fn has(&self, peer: &Name) -> bool {
        self.has_key(peer) || self.lists.contains_key(peer)
    }

    /// Whether it is because of a key: then it is not clear either whose list is meant.
    pub(super) fn has_key(&self, peer: &Name) -> bool {
        self.keys.contains_key(peer)
    }

    /// What a client ends with that has nothing else to do.
    pub(super) fn failure(&self, peer: &Name) -> Option<Failure> {
        let failure: fn(Name) -> Failure = match self.keys.get(peer) {
            Some(Other { is_verified: true, .. }) => Failure::Unverified,
            Some(_) => Failure::KeyChanged,
            None if self.lists.contains_key(peer) => Failure::ListDoubted,
            None if self.is_keyless(peer) => Failure::Unsealable,
            None => return None,
        };
        Some(failure(peer.clone()))
    }

    /// Whether nothing is sent to somebody now, for whatever reason.
    pub(super) fn stops(&self, peer: &Name) -> bool {
        self.has(peer) || self.is_keyless(peer)
    }

    /// Whether it is because nothing can be sealed for them: nobody has to decide anything.
    pub(super) fn is_keyless(&self, peer: &Name) -> bool {
        self.keyless.contains(peer)
    }

    /// Nothing can be sealed for somebody, and nothing goes to them unsealed. Returns whether the face is to be told.
    pub(super) fn hold_for_keys(&mut self, peer: &Name) -> bool {
        self.keyless.insert(peer.clone());
        self.told_keyless.insert(peer.clone())
    }

    /// Something may go unsealed now.
    pub(super) fn forget_keyless(&mut self) {
        self.keyless.clear();
        self.told_keyless.clear();
    }

    /// Somebody has this key now, or none, instead of one that may have been verified. If that is news, returns whether
    /// there was none before.
    pub(super) fn hold_for_key(
        &mut self,
        peer: &Name,
        now: Option<PublicKey>,
        is_verified: bool,
    ) -> Option<bool> {
        let before = self.keys.insert(peer.clone(), Other { now, is_verified });
        let is_news = before.is_none_or(|before| before.now != now);
        is_news.then_some(before.is_none())
    }

    /// Somebody's list is not believed. If that is news, returns whether there was none before.
    pub(super) fn hold_for_list(&mut self, peer: &Name, doubt: &Doubt) -> Option<bool> {
        let before = self.lists.insert(peer.clone(), doubt.clone());
        (before.as_ref() != Some(doubt)).then_some(before.is_none())
    }

    pub(super) fn trusts_key(&mut self, peer: &Name) {
        self.keys.remove(peer);
    }

    /// The server shows a list that is believed, or none where none is known: what can be sealed is looked at again.
    pub(super) fn believes_list(&mut self, peer: &Name) {
        self.lists.remove(peer);
        self.keyless.remove(peer);
    }
}
