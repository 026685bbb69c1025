//! What a face is told from the store: messages that were not shown, and that others wait.
//!
//! Owned by the core. Invariant: each message is given to the face once, in order, and no more than it takes
//! (backpressure).

use std::collections::BTreeSet;

use super::super::exit::Exit;
use super::super::state::{Core, EVENTS_HIGH, ROWS};
use crate::client::event::Event;
use crate::client::store::database::StoreError;
use crate::client::store::rows::Incoming;
use crate::client::store::{contacts, history};
use crate::message::Name;

impl Core {
    /// Gives the face messages from the history, as many as it takes for now.
    pub(crate) async fn give_unshown(&mut self) -> Result<(), Exit> {
        while self.shows && self.events.len() < EVENTS_HIGH {
            let mut conversations = self.conversations.iter().filter(|(_, it)| it.faced);
            let next = conversations.find_map(|(peer, it)| Some((peer.clone(), it.unshown_above?)));
            let Some((peer, above)) = next else { break };
            let (server, of) = (self.server.clone(), peer.clone());
            let messages =
                self.store.run(move |tx| history::unshown(tx, &server, &of, above, ROWS)).await?;
            let more = messages.len() == ROWS as usize;
            messages.into_iter().for_each(|message| self.give(message));
            let above = more.then(|| self.last_given(&peer));
            self.with(&peer, |it| it.unshown_above = above);
        }
        Ok(())
    }

    /// Why a message is too long for the server, if it is.
    pub(super) fn too_long(&self, peer: &Name, text: &str) -> Option<String> {
        let (length, longest) = (text.len(), self.longest_body);
        let why = || {
            format!(
                "a message has at most {longest} bytes on this server, and this one to {peer} has {length}; not sent"
            )
        };
        (length > longest).then(why)
    }

    pub(crate) fn give(&mut self, message: Incoming) {
        self.given.insert(message.peer.clone(), message.id);
        self.unshown += 1;
        self.tell(Event::Message(message));
    }

    pub(super) fn last_given(&self, peer: &Name) -> i64 {
        self.given.get(peer).copied().unwrap_or_default()
    }

    /// Announces messages in conversations that the face does not have open: from some people, or from all.
    pub(crate) async fn announce_unshown(
        &mut self,
        from: Option<BTreeSet<Name>>,
    ) -> Result<(), Exit> {
        let server = self.server.clone();
        let counts = self.store.run(move |tx| history::unshown_counts(tx, &server)).await?;
        for (peer, count) in counts {
            let meant = from.as_ref().is_none_or(|from| from.contains(&peer));
            if meant && !self.is_faced(&peer) {
                self.tell_waiting(peer, count).await?;
            }
        }
        Ok(())
    }

    /// Announces that somebody without an open conversation has written.
    pub(crate) async fn tell_waiting(&mut self, peer: Name, count: u64) -> Result<(), Exit> {
        let known = self.is_known(&peer).await?;
        self.tell(Event::Waiting { peer: peer.clone(), count, known });
        if known { Ok(()) } else { self.meet(&peer).await }
    }

    pub(crate) async fn is_known(&self, peer: &Name) -> Result<bool, StoreError> {
        let (server, of) = (self.server.clone(), peer.clone());
        self.store.run(move |tx| history::is_known(tx, &server, &of)).await
    }

    /// Tells what the server last said of the keys that were asked for.
    pub(crate) async fn tell_known_keys(&mut self) -> Result<(), Exit> {
        for name in std::mem::take(&mut self.asked_keys) {
            let (server, peer) = (self.server.clone(), name.clone());
            let key = self.store.run(move |tx| contacts::trusted(tx, &server, &peer)).await?;
            self.tell_key(name, key, false).await?;
        }
        Ok(())
    }
}
