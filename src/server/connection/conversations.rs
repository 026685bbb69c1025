//! What the read task does about conversations: opens them, closes them, blocks somebody.
//!
//! Invariant: a conversation that is open here is entered in the registry, and its peer is watched.

use std::pin::pin;

use futures::future::select;

use super::reading::{Conversation, Flow, Reading, fail};
use super::shared::Reply;
use crate::mailbox::Usage;
use crate::message::{Installation, Name};
use crate::server::link::Side;
use crate::server::people::WRITING;
use crate::server::sessions::Session;
use crate::task;
use crate::wire::MAX_CONVERSATIONS;
use crate::wire::frame::{ErrorCode, ServerFrame};

/// About how long an `EXPIRED` is.
const EXPIRED_FRAME: u64 = 32;

impl Reading<'_> {
    pub(super) async fn talk(&mut self, peer: Name, settled: u64) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if !self.open.contains_key(&peer) && self.open.len() >= MAX_CONVERSATIONS {
            let text = format!("{MAX_CONVERSATIONS} conversations are open; close one first");
            return self.object(ErrorCode::Conversations, Some(peer), &text).await;
        }
        let registry = &self.host.registry;
        let entered = async {
            registry.revive(&key.reverse()).await?;
            registry.enter(&key, self.link).await
        };
        let own = match entered.await {
            Ok(own) => own,
            Err(error) => {
                log::error!("opening {key}: {error}");
                return fail(ErrorCode::Busy, "the server cannot read its messages now");
            }
        };
        if let Err(error) = own.settle(registry.mailbox(), self.link.installation, settled) {
            if !self.open.contains_key(&peer) {
                registry.leave(&own, self.link);
            }
            return self.object(ErrorCode::Installations, Some(peer), &error.to_string()).await;
        }
        Box::pin(self.count_again(&own)).await;
        if registry.get(&key.reverse()).is_some_and(|reverse| reverse.is_used()) {
            self.host.contacts.accept(&key.reverse());
            registry.answer(&key.reverse());
        }
        self.host.directory.watch(&peer, self.link);
        let list = self.host.lists.watch(&peer);
        // Else the next message may be refused once more.
        let _ = task::within(WRITING, list.settled()).await;
        let own_too = own.clone();
        let conversation = Conversation { own: own_too, list, refusing: false, approached: false };
        self.open.insert(peer, conversation);
        self.reply(Reply::Open(own)).await
    }

    /// What `TALK` repeats counts like what is new; so does what it [sends](crate::server::sessions::delivery) again.
    async fn count_again(&self, own: &Session) {
        let ended = own.ended(self.link.installation, 0).into_iter();
        let ended: u64 = ended.map(|(_, run)| 1 + run.end() - run.start()).sum();
        let again = Usage { messages: 0, bytes: ended.saturating_mul(EXPIRED_FRAME) };
        let taken = pin!(self.host.person_rates.wait_for(&self.link.name, again));
        // What was read before the end is handled in any case.
        select(taken, pin!(self.link.ended(Side::Read))).await;
    }

    pub(super) async fn close(&mut self, peer: Name) -> Flow {
        if let Some(conversation) = self.open.remove(&peer) {
            self.leave(&peer, &conversation);
        }
        self.reply(Reply::Close(peer)).await
    }

    /// A hint: without an open conversation it is dropped.
    pub(super) fn read(&self, peer: &Name, installation: Installation, n: u64) {
        let key = self.session_with(peer).filter(|_| self.open.contains_key(peer));
        let Some(theirs) = key.map(|key| key.reverse()) else { return };
        let registry = &self.host.registry;
        if let Some(session) =
            registry.get(&theirs).filter(|_| !registry.circle().is_blocked(&theirs))
        {
            session.read(installation, n);
        }
    }

    pub(super) async fn block(&mut self, peer: Name) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if let Err(error) = self.host.block(&key.reverse()).await {
            return self.object(ErrorCode::Block, Some(peer), &error.to_string()).await;
        }
        self.say(ServerFrame::Blocked { peer }).await
    }

    pub(super) async fn unblock(&mut self, peer: Name) -> Flow {
        let Some(key) = self.session_with(&peer) else { return self.to_self(peer).await };
        if let Err(error) = self.host.unblock(&key.reverse()).await {
            return self.object(ErrorCode::Block, Some(peer), &error.to_string()).await;
        }
        self.say(ServerFrame::Unblocked { peer }).await
    }
}
