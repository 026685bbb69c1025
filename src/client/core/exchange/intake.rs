//! The messages and receipts of one read: they go to disk first; then they are acknowledged and the face is told.
//!
//! Owned by the core. Invariant: all of one read is one transaction, up to a frame that says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::super::exit::Exit;
use super::super::state::Core;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::bounced::{self, Again};
use crate::client::store::history::{self, Receiver, Verdict};
use crate::client::store::outbox::{self, Lost};
use crate::client::store::rows::Incoming;
use crate::client::store::scope::Scope;
use crate::client::store::sealed::keyring::{Keyring, Me};
use crate::message::{Message, Name, Timestamp};
use crate::wire::frame::{ClientFrame, ServerFrame};

/// What goes to disk in one transaction.
#[derive(Default)]
pub(super) struct Intake {
    pub(super) messages: Vec<(Name, u64, Message)>,
    /// Own messages that did not arrive. Handled before the receipts, which would include them.
    pub(super) lost: Vec<(Name, u64, Lost)>,
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
                // `TALKING` says it again, after what expired.
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
        let Intake { messages, lost, receipts } = intake;
        if messages.is_empty() && receipts.is_empty() {
            return Ok(());
        }
        for (peer, _, message) in &messages {
            self.with(peer, |it| it.came(message.id));
        }
        let receipts: Vec<_> = receipts
            .into_iter()
            .map(|(peer, (stored, delivered))| (self.scope(&peer), stored, delivered))
            .collect();
        let scoped = |(peer, n, how): (Name, u64, Lost)| (self.scope(&peer), n, how);
        let lost: Vec<_> = lost.into_iter().map(scoped).collect();
        let (server, unasked) = (self.server.clone(), self.config.unasked);
        let (name, identity) = (self.config.user.clone(), self.identity.public());
        let (me, installation) = (Me { name, identity, writer: None }, self.installation);
        let may_begin_anew = !self.is_fresh;
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let (mut fresh, mut answers) = (Vec::new(), Vec::new());
            let receiver = &mut Receiver {
                keyring: &mut Keyring::default(),
                me: &me,
                installation,
                unasked,
                now: Timestamp::now(),
                is_last: true,
            };
            for (peer, seq, message) in messages {
                let verdict = history::receive(tx, receiver, &server, peer.clone(), message)?;
                answers.push((peer, seq, verdict == Verdict::Bounced));
                if let Verdict::New(message) = verdict {
                    fresh.push(message);
                }
            }
            let mut losses = Vec::new();
            for (scope, n, how) in lost {
                losses.extend(lose(tx, scope, n, how)?);
            }
            // Then nothing else counts that is said of its numbers.
            let begins_anew = may_begin_anew && losses.iter().any(Loss::clashes);
            let receipts = if begins_anew { Vec::new() } else { receipts };
            let mut moved = Vec::new();
            for (scope, stored, delivered) in receipts {
                let change = outbox::receive_receipt(tx, &scope, stored, delivered)?;
                moved.push((scope.peer, stored, delivered, change));
            }
            Ok((fresh, answers, losses, begins_anew, moved))
        };
        let (fresh, answers, losses, begins_anew, moved) = self.store.run(work).await?;
        answer(answers, connection);
        if !fresh.is_empty() || moved.iter().any(|(.., change)| *change != outbox::Moved::default())
        {
            self.progress = Instant::now();
        }
        losses.into_iter().for_each(|loss| self.tell_loss(loss));
        for (peer, stored, delivered, change) in moved {
            self.tell_receipts(peer, stored, delivered, change);
        }
        self.receive(fresh).await?;
        if begins_anew { Err(self.begin_anew(CLASH).await?) } else { Ok(()) }
    }

    /// An own message did not arrive. One that came back is in the outbox again.
    pub(super) fn tell_loss(&mut self, loss: Loss) {
        let event = match loss {
            Loss::Expired(peer, n) => Event::Expired { peer, n },
            Loss::Bounced(peer, n, again) => {
                self.with(&peer, Conversation::more);
                Event::Bounced { peer, n, again: again.n, rests: again.rests() }
            }
        };
        self.tell(event);
    }

    fn tell_receipts(&mut self, peer: Name, stored: u64, delivered: u64, moved: outbox::Moved) {
        // Also what was stored before: a server that lost it gets it again.
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
                    // Otherwise it is given after those before it.
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

/// An own message that did not arrive.
pub(super) enum Loss {
    Expired(Name, u64),
    Bounced(Name, u64, Again),
}

impl Loss {
    /// Whether it came back once more: then its next number was another's, too, and an unnoticed copy of this folder
    /// has used more of them. Where that was so before, its receiver only takes nothing.
    pub(super) fn clashes(&self) -> bool {
        matches!(self, Self::Bounced(_, _, again) if again.clashes)
    }
}

/// Why a folder counts on its own from now on whose messages come back.
pub(super) const CLASH: &str = "messages came back twice, so another data folder may use the numbers of this one; it now counts on its own";

/// Writes down that an own message did not arrive, if it is new.
pub(super) fn lose(
    tx: &rusqlite::Transaction<'_>,
    scope: Scope,
    n: u64,
    how: Lost,
) -> rusqlite::Result<Option<Loss>> {
    Ok(match how {
        Lost::Expired => outbox::expire(tx, &scope, n)?.then_some(Loss::Expired(scope.peer, n)),
        Lost::Bounced => {
            bounced::bounce(tx, &scope, n)?.map(|again| Loss::Bounced(scope.peer, n, again))
        }
    })
}

/// Says of the messages of one read what became of each: what is not taken is said one by one, and each time what is
/// before it is acknowledged, too.
fn answer(answers: Vec<(Name, u64, bool)>, connection: &mut Connection) {
    let mut acknowledged = BTreeMap::new();
    for (peer, seq, bounces) in answers {
        if bounces {
            acknowledged.remove(&peer);
            connection.answer(&ClientFrame::Bounce { peer, seq });
        } else {
            acknowledged.insert(peer, seq);
        }
    }
    for (peer, seq) in acknowledged {
        connection.answer(&ClientFrame::Ack { peer, seq });
    }
}
