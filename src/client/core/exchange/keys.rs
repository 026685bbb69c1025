//! Which key the server has for a name, and whether that is the trusted one.
//!
//! Owned by the core. Invariant: nothing is sent to somebody whose key is not the trusted one.

use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::state::Core;
use crate::client::config::Seal;
use crate::client::event::Event;
use crate::client::line::conversation::Conversation;
use crate::client::outcome::KeyAnswer;
use crate::client::store::contacts::{self, Known, Meeting};
use crate::message::Name;
use crate::trust::digits::Owner;
use crate::trust::{Fingerprint, Pair, PublicKey};

impl Core {
    pub(super) fn awaits_key(&self, peer: &Name) -> bool {
        self.conversations.contains_key(peer) || self.asked_keys.contains(peer)
    }

    /// Any other key than the trusted one, or none, holds back what is written to its owner.
    pub(super) async fn take_key(
        &mut self,
        peer: Name,
        key: Option<PublicKey>,
    ) -> Result<(), Exit> {
        let (server, met) = (self.server.clone(), peer.clone());
        match self.store.run(move |tx| contacts::meet(tx, &server, &met, key)).await? {
            Meeting::Same => {
                self.held.trusts_key(&peer);
                self.nobody.remove(&peer);
                self.told_nobody.remove(&peer);
            }
            Meeting::Other(known) => self.hold(&peer, known, key),
            Meeting::Nobody { is_awaited } => self.find_nobody(&peer, is_awaited),
        }
        if self.asked_keys.remove(&peer) {
            self.tell_key(peer, key, true).await?;
        }
        Ok(())
    }

    /// Answers what somebody's key is.
    pub(crate) async fn tell_key(
        &mut self,
        name: Name,
        key: Option<PublicKey>,
        current: bool,
    ) -> Result<(), Exit> {
        let (server, peer) = (self.server.clone(), name.clone());
        let verified = self.store.run(move |tx| contacts::verified(tx, &server, &peer)).await?;
        let other = key.map(|key| Owner { name: name.clone(), key });
        let (server, one) = (self.server.key(), self.as_owner());
        let pair = other.map(|other| Pair { server, one, other });
        let key = key.map(|key| key.fingerprint());
        let verified = key.is_some() && key == verified;
        self.tell(Event::Key(KeyAnswer { name, key, current, pair, verified }));
        Ok(())
    }

    /// The person who uses this client, as others know them.
    pub(crate) fn as_owner(&self) -> Owner {
        Owner { name: self.config.user.clone(), key: self.identity.public() }
    }

    /// Nothing more is sent as before: messages in flight may be refused, and after `TALK` it is clear again who owns
    /// the name.
    fn hold(&mut self, peer: &Name, known: Known, now: Option<PublicKey>) {
        let Known { key: was, is_verified: verified } = known;
        let Some(is_first) = self.held.hold_for_key(peer, now, verified) else { return };
        self.with(peer, Conversation::ask_anew);
        let now = now.map(|now| now.fingerprint());
        let changed = Event::KeyChanged { peer: peer.clone(), was, verified, now };
        // The first one is told in any case.
        if is_first { self.tell(changed) } else { self.tell_if_few(changed) }
    }

    /// A name that nobody has may be a typing error.
    fn find_nobody(&mut self, peer: &Name, is_awaited: bool) {
        self.held.trusts_key(peer);
        if is_awaited {
            self.awaited.insert(peer.clone());
        } else {
            self.awaited.remove(peer);
        }
        if !self.conversations.contains_key(peer) {
            return;
        }
        self.nobody.insert(peer.clone());
        self.tell_nobody(peer);
    }

    pub(crate) fn tell_nobody(&mut self, peer: &Name) {
        let is_news = self.nobody.contains(peer) && self.is_faced(peer);
        if is_news && self.told_nobody.insert(peer.clone()) {
            self.tell(Event::Nobody { peer: peer.clone(), waits: self.waits_here(peer) });
        }
    }

    /// Whether what is written to a name that nobody has stays here until somebody has it.
    pub(crate) fn waits_here(&self, peer: &Name) -> bool {
        self.config.seal == Seal::Always || self.awaited.contains(peer)
    }

    /// The address says of some people which keys they have. Before anything is said to the server.
    pub(super) async fn pin_people(&mut self) -> Result<(), Exit> {
        if self.pinned.as_ref() == Some(&self.server) {
            return Ok(());
        }
        let (server, user) = (self.server.clone(), &self.config.user);
        let people = self.config.people.iter().filter(|(name, _)| *name != user);
        let people: Vec<(Name, Fingerprint)> =
            people.map(|(name, key)| (name.clone(), *key)).collect();
        let pin = move |tx: &Transaction<'_>| {
            let mut others = Vec::new();
            for (name, key) in people {
                if !contacts::pin(tx, &server, &name, key)? {
                    others.push(name);
                }
            }
            Ok(others)
        };
        let others = self.store.run(pin).await?;
        self.pinned = Some(self.server.clone());
        for name in others {
            let because = format!(
                "you verified another key of {name} than the one in the address; the one that you verified counts"
            );
            self.tell(Event::Objection { because });
        }
        Ok(())
    }
}
