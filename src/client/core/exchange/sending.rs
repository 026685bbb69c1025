//! What goes to the server: conversations are opened, and what is in the outbox is sent.
//!
//! Owned by the core. Invariant: what is sent is on the disk, and has its number there.

use std::time::{Duration, Instant};

use super::super::exit::Exit;
use super::super::state::{Core, ROWS};
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::scope::Scope;
use crate::client::store::too_long::{self, TooLong};
use crate::client::store::{devices, outbox};
use crate::message::Name;
use crate::wire::MAX_BODY;
use crate::wire::frame::{ClientFrame, Refusal};

/// Backpressure: when this many bytes are to be written, only acknowledgements are added.
const UNWRITTEN_HIGH: usize = 256 * 1024;

/// When to look again whether the server takes longer messages.
const LOOK_AGAIN: Duration = Duration::from_secs(60 * 60);

impl Core {
    pub(crate) async fn talk_where_due(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let now = Instant::now();
        let due: Vec<Name> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.is_talk_due(now))
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in due {
            let scope = self.scope(&peer);
            let look = move |tx: &rusqlite::Transaction<'_>| {
                let Scope { server, peer, .. } = &scope;
                let list = devices::known(tx, server, peer)?.version;
                let is_doubted = devices::is_offered(tx, server, peer)?;
                let numbers = (outbox::settled(tx, &scope)?, outbox::last_sent(tx, &scope)?);
                Ok((numbers, list, is_doubted))
            };
            let ((settled, sent), list, is_doubted) = self.store.run(look).await?;
            // Before everything that is said in it.
            connection.answer(&ClientFrame::Key { peer: peer.clone() });
            connection.answer(&ClientFrame::Talk { peer: peer.clone(), settled });
            self.with(&peer, |it| {
                it.opening(sent, now);
                it.list.opening(list, is_doubted);
            });
            self.requests.remove(&peer);
        }
        Ok(())
    }

    /// Sends what is above the last number that was sent: new messages and retries alike.
    pub(crate) async fn send_outbox(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let peers = self.conversations.keys().filter(|peer| !self.held.has(peer));
        for peer in peers.cloned().collect::<Vec<Name>>() {
            if connection.unwritten() >= UNWRITTEN_HIGH {
                break;
            }
            let may_send = self.conversations.get(&peer).and_then(Conversation::may_send);
            let Some((above, room)) = may_send else { continue };
            let version = self.conversations.get(&peer).map_or(0, |it| it.list.known());
            let limit = self.keep_what_is_too_long(&peer, above, room.min(ROWS)).await?;
            let scope = self.scope(&peer);
            let messages =
                self.store.run(move |tx| outbox::take_unsettled(tx, &scope, above, limit)).await?;
            let last = messages.last().map(|message| message.n);
            let all = messages.len() < limit as usize;
            self.with(&peer, |it| it.sent(last, all));
            for message in messages {
                connection.say(&message.to(&peer, version));
            }
        }
        Ok(())
    }

    /// How many messages may be sent, at most `limit`, before one that is too long for this server. If that one is the
    /// next, it is kept, with those behind it: it was written when nothing was known of the server.
    async fn keep_what_is_too_long(
        &mut self,
        peer: &Name,
        above: u64,
        limit: u32,
    ) -> Result<u32, Exit> {
        let longest = self.longest_body;
        if longest == MAX_BODY {
            return Ok(limit);
        }
        let scope = self.scope(peer);
        let look =
            move |tx: &rusqlite::Transaction<'_>| too_long::first(tx, &scope, above, longest);
        match self.store.run(look).await? {
            Some(TooLong { n, length, before: 0 }) => {
                self.with(peer, |it| it.refused_to_open(Instant::now(), LOOK_AGAIN));
                let because =
                    format!("message {n} has {length} bytes, and this server takes {longest}");
                let (peer, refusal) = (peer.clone(), Refusal::Full);
                self.tell(Event::Refused { peer, n, refusal, because });
                Ok(0)
            }
            Some(TooLong { before, .. }) => Ok(limit.min(before)),
            None => Ok(limit),
        }
    }
}
