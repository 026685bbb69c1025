//! People to whom nothing is sent until the person who uses this client decides, or the server shows something else.
//!
//! Owned by the core. Pure.

use std::collections::BTreeMap;

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
        match (self.keys.get(peer), self.lists.contains_key(peer)) {
            (Some(Other { is_verified: true, .. }), _) => Some(Failure::Unverified(peer.clone())),
            (Some(_), _) => Some(Failure::KeyChanged(peer.clone())),
            (None, true) => Some(Failure::ListDoubted(peer.clone())),
            (None, false) => None,
        }
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

    pub(super) fn believes_list(&mut self, peer: &Name) {
        self.lists.remove(peer);
    }
}
