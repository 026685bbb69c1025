//! What goes to the server: conversations are opened, and what is in the outbox is sent.
//!
//! Owned by the core. Invariant: what is sent is on the disk, and has its number there.

use std::time::Instant;

use super::super::exit::Exit;
use super::super::state::{Core, ROWS};
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::outbox;
use crate::message::Name;
use crate::wire::frame::ClientFrame;

/// Backpressure: when this many bytes are to be written, only acknowledgements are added.
const UNWRITTEN_HIGH: usize = 256 * 1024;

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
                Ok((outbox::settled(tx, &scope)?, outbox::last_sent(tx, &scope)?))
            };
            let (settled, sent) = self.store.run(look).await?;
            // Before everything that is said in it.
            connection.answer(&ClientFrame::Key { peer: peer.clone() });
            connection.answer(&ClientFrame::Talk { peer: peer.clone(), settled });
            self.with(&peer, |it| it.opening(sent));
            self.requests.remove(&peer);
        }
        Ok(())
    }

    /// Sends what is above the last number that was sent: new messages and retries alike.
    pub(crate) async fn send_outbox(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let peers = self.conversations.keys().filter(|peer| !self.held.contains_key(*peer));
        for peer in peers.cloned().collect::<Vec<Name>>() {
            if connection.unwritten() >= UNWRITTEN_HIGH {
                break;
            }
            let may_send = self.conversations.get(&peer).and_then(Conversation::may_send);
            let Some((above, room)) = may_send else { continue };
            let (scope, limit) = (self.scope(&peer), room.min(ROWS));
            let messages =
                self.store.run(move |tx| outbox::take_unsettled(tx, &scope, above, limit)).await?;
            let last = messages.last().map(|message| message.n);
            let all = messages.len() < limit as usize;
            self.with(&peer, |it| it.sent(last, all));
            for message in messages {
                connection.say(&message.to(&peer));
            }
        }
        Ok(())
    }
}
