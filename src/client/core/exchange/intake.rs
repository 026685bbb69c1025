//! What one read brought: messages and receipts go to disk first, then are acknowledged and told.
//!
//! Owned by the core. Invariant: all of one read is one transaction, up to a frame that says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::super::exit::Exit;
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::store::rows::Incoming;
use crate::client::store::{history, outbox};
use crate::message::{Message, Name};
use crate::wire::frame::{ClientFrame, ServerFrame};

/// What one read brought that goes to disk in one transaction.
#[derive(Default)]
pub(super) struct Intake {
    pub(super) messages: Vec<(Name, u64, Message)>,
    /// Own messages that were given up. Ahead of the receipts, which would claim them.
    pub(super) expired: Vec<(Name, u64)>,
    /// By peer: the highest stored and delivered.
    pub(super) receipts: BTreeMap<Name, (u64, u64)>,
}

impl Core {
    pub(crate) async fn take_frames(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let mut intake = Intake::default();
        loop {
            let frame = connection.next_ready();
            match frame.map_err(|error| Exit::Away(format!("the server said nonsense: {error}")))? {
                Some(ServerFrame::Message { peer, seq, message }) => {
                    intake.messages.push((peer, seq, message));
                }
                // `TALKING` says it again, behind what expired.
                Some(ServerFrame::Stored { peer, .. } | ServerFrame::Delivered { peer, .. })
                    if self.is_opening(&peer) => {}
                Some(ServerFrame::Stored { peer, n }) => {
                    let (stored, _) = intake.receipts.entry(peer).or_default();
                    *stored = n.max(*stored);
                }
                Some(ServerFrame::Delivered { peer, n }) => {
                    let (_, delivered) = intake.receipts.entry(peer).or_default();
                    *delivered = n.max(*delivered);
                }
                Some(frame) => {
                    self.take_in(std::mem::take(&mut intake), connection).await?;
                    self.take_frame(frame, connection).await?;
                }
                None => return self.take_in(intake, connection).await,
            }
        }
    }

    /// Writes messages and receipts to disk, and only then acknowledges and tells of them.
    pub(super) async fn take_in(
        &mut self,
        intake: Intake,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let Intake { messages, expired, receipts } = intake;
        if messages.is_empty() && receipts.is_empty() {
            return Ok(());
        }
        let mut acknowledged = BTreeMap::new();
        for (peer, seq, message) in &messages {
            self.with(peer, |it| it.came(message.id));
            acknowledged.insert(peer.clone(), *seq);
        }
        let receipts: Vec<_> = receipts
            .into_iter()
            .map(|(peer, (stored, delivered))| (self.scope(&peer), stored, delivered))
            .collect();
        let expired: Vec<_> = expired.into_iter().map(|(peer, n)| (self.scope(&peer), n)).collect();
        let (server, unasked) = (self.server.clone(), self.config.unasked);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let mut fresh = Vec::new();
            for (peer, _, message) in messages {
                fresh.extend(history::receive(tx, &server, peer, message, unasked)?);
            }
            let mut given_up = Vec::new();
            for (scope, n) in expired {
                if outbox::expire(tx, &scope, n)? {
                    given_up.push((scope.peer, n));
                }
            }
            let mut moved = Vec::new();
            for (scope, stored, delivered) in receipts {
                let change = outbox::receive_receipt(tx, &scope, stored, delivered)?;
                moved.push((scope.peer, stored, delivered, change));
            }
            Ok((fresh, given_up, moved))
        };
        let (fresh, given_up, moved) = self.store.run(work).await?;
        for (peer, seq) in acknowledged {
            connection.answer(&ClientFrame::Ack { peer, seq });
        }
        if !fresh.is_empty() || moved.iter().any(|(.., change)| *change != outbox::Moved::default())
        {
            self.progress = Instant::now();
        }
        for (peer, n) in given_up {
            self.tell(Event::Expired { peer, n });
        }
        for (peer, stored, delivered, change) in moved {
            self.tell_receipts(peer, stored, delivered, change);
        }
        self.receive(fresh).await
    }

    fn tell_receipts(&mut self, peer: Name, stored: u64, delivered: u64, moved: outbox::Moved) {
        // Also what was stored before: a server that lost it is sent it again.
        let conversation = self.conversations.get_mut(&peer);
        if conversation.is_some_and(|it| it.stored(stored.max(delivered))) {
            self.progress = Instant::now();
        }
        if moved != outbox::Moved::default() {
            let outbox::Moved { stored, delivered } = moved;
            self.tell(Event::Receipts { peer, stored, delivered });
        }
    }

    /// Gives the face what it wants to see at once, and counts the rest for it.
    async fn receive(&mut self, fresh: Vec<Incoming>) -> Result<(), Exit> {
        let mut announce = BTreeSet::new();
        if fresh.iter().any(|message| message.file.is_some()) {
            self.files.look();
        }
        for message in fresh {
            match self.conversations.get(&message.peer) {
                Some(conversation) if conversation.faced => {
                    // Otherwise it is given when those before it are.
                    if conversation.unshown_above.is_none() {
                        self.give(message);
                    }
                }
                _ => drop(announce.insert(message.peer)),
            }
        }
        if announce.is_empty() { Ok(()) } else { self.announce_unshown(Some(announce)).await }
    }
}
