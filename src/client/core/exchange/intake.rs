//! The messages and receipts of one read: they go to disk first; then they are acknowledged and the face is told.
//!
//! Owned by the core. Invariant: all of one read is one transaction, up to a frame that says something else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Instant;

use super::super::exit::Exit;
use super::super::state::Core;
use crate::client::config::Unasked;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::store::bounced::{self, Again};
use crate::client::store::history::{self, Noticed, Receiver, Verdict};
use crate::client::store::outbox::{self, Lost};
use crate::client::store::rows::{Incoming, Transfer};
use crate::client::store::scope::{Scope, Server};
use crate::client::store::sealed::keyring::{Keyring, Me};
use crate::message::{Installation, Message, Name, Timestamp};
use crate::wire::frame::{ClientFrame, ServerFrame};

/// How many messages may come on one connection that cannot be opened.
const MOST_UNREADABLE: usize = 1_000;

/// What goes to disk in one transaction.
#[derive(Default)]
pub(super) struct Intake {
    pub(super) messages: Vec<(Name, u64, Message)>,
    /// Own messages that did not arrive. Handled before the receipts, which would include them.
    pub(super) lost: Vec<(Name, u64, Lost)>,
    /// By peer: the highest stored and delivered.
    pub(super) receipts: BTreeMap<Name, (u64, u64)>,
    /// The list of whoever wrote them was asked for: nothing more is known of their devices.
    pub(super) is_last: bool,
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
        let Intake { messages, lost, receipts, is_last } = intake;
        // What was said before is on its way by now.
        self.check_unreadable()?;
        let messages = self.put_off_unopened(messages)?;
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
        let scoped = |(peer, n, how): (Name, u64, Lost)| {
            (self.scope(&peer), n, how, self.knows_list_of(&peer))
        };
        let lost: Vec<_> = lost.into_iter().map(scoped).collect();
        let may_begin_anew = !self.is_fresh;
        let (receiving, keyring) = (self.receiving(is_last), self.keyring.clone());
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let keyring = &mut keyring.lock().unwrap_or_else(PoisonError::into_inner);
            let taken = take_all(tx, keyring, &receiving, messages)?;
            let mut losses = Vec::new();
            for (scope, n, how, may_clash) in lost {
                losses.extend(lose(tx, scope, n, how, may_clash)?);
            }
            // Then nothing else counts that is said of its numbers.
            let begins_anew = may_begin_anew && losses.iter().any(Loss::clashes);
            let receipts = if begins_anew { Vec::new() } else { receipts };
            let mut moved = Vec::new();
            for (scope, stored, delivered) in receipts {
                let change = outbox::receive_receipt(tx, &scope, stored, delivered)?;
                moved.push((scope.peer, stored, delivered, change));
            }
            Ok((taken, losses, begins_anew, moved))
        };
        let (taken, losses, begins_anew, moved) = self.store.run(work).await?;
        let TakenIn { fresh, answers, unopened, left, refused, noticed } = taken;
        answer(answers, connection);
        left.into_iter().for_each(|peer| self.unopened.leave(peer));
        refused.into_iter().for_each(|peer| self.tell_refused(peer));
        self.put_off(unopened)?;
        self.unreadable = self.unreadable.saturating_add(noticed.unopened);
        for (peer, version) in noticed.lists {
            self.with(&peer, |it| it.list.hears_of(version));
        }
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

    /// Whether the server has told no other version of somebody's device list than the one that is believed.
    pub(super) fn knows_list_of(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_none_or(|it| it.list.is_settled())
    }

    /// How what comes is taken.
    fn receiving(&self, is_last: bool) -> Receiving {
        Receiving {
            server: self.server.clone(),
            installation: self.installation,
            unasked: self.config.unasked,
            is_device: self.standing.is_device(),
            now: Timestamp::now(),
            me: self.oneself(),
            is_last,
        }
    }

    /// What comes behind something that cannot be opened yet waits, too; what comes behind something that is for another
    /// data folder is left for that one.
    fn put_off_unopened(
        &mut self,
        messages: Vec<(Name, u64, Message)>,
    ) -> Result<Vec<(Name, u64, Message)>, Exit> {
        let (late, now): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|(peer, ..)| self.unopened.has(peer));
        self.put_off(late)?;
        Ok(now.into_iter().filter(|(peer, ..)| !self.unopened.leaves(peer)).collect())
    }

    /// Has messages wait until the list of whoever wrote them is known.
    fn put_off(&mut self, late: Vec<(Name, u64, Message)>) -> Result<(), Exit> {
        for (peer, seq, message) in late {
            // It is asked for once for all that waits.
            if !self.unopened.has(&peer) {
                self.with(&peer, |it| it.list.wants_keys());
            }
            if !self.unopened.put(peer, seq, message) {
                let much = "the server sends more than can be opened, and does not say whose it is";
                return Err(Exit::Away(much.into()));
            }
        }
        Ok(())
    }

    /// Says, once in each conversation, that something came in the clear as the message of somebody who would have sealed it.
    fn tell_refused(&mut self, peer: Name) {
        let because = format!(
            "the server handed out an unsealed message as {peer}'s; it was refused, for {peer}'s client seals what it sends"
        );
        log::warn!("{because}");
        if self.told_refused.insert(peer) {
            self.tell_if_few(Event::Objection { because });
        }
    }

    /// What is known of somebody's devices now is all there is: what waits for that is taken, or bounced.
    pub(super) async fn open_what_waits(
        &mut self,
        peer: &Name,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        let waits = self.unopened.take(peer);
        let messages = waits.into_iter().map(|(seq, message)| (peer.clone(), seq, message));
        let intake = Intake { messages: messages.collect(), is_last: true, ..Intake::default() };
        Box::pin(self.take_in(intake, connection)).await
    }

    /// Looking for the key of one costs as much as opening thousands.
    fn check_unreadable(&self) -> Result<(), Exit> {
        let nonsense = || Exit::Away("the server sends too much that cannot be read".into());
        (self.unreadable < MOST_UNREADABLE).then_some(()).ok_or_else(nonsense)
    }

    /// An own message did not arrive. One that came back is in the outbox again.
    pub(super) fn tell_loss(&mut self, loss: Loss) {
        let event = match loss {
            Loss::Expired(peer, n) => Event::Expired { peer, n },
            Loss::Bounced(peer, n, again) => {
                self.with(&peer, |it| {
                    it.more();
                    if it.list.known() > 0 {
                        it.list.wants_keys();
                    }
                });
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
        let refused: Vec<_> = fresh.iter().filter_map(Transfer::of_refused).collect();
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
        refused.into_iter().for_each(|transfer| self.tell(Event::Transfer(transfer)));
        if announce.is_empty() { Ok(()) } else { self.announce_unshown(Some(announce)).await }
    }
}

/// How messages are taken in, and by whom.
struct Receiving {
    server: Server,
    me: Me,
    installation: Installation,
    unasked: Unasked,
    now: Timestamp,
    is_device: bool,
    is_last: bool,
}

/// What became of the messages of one read.
#[derive(Default)]
struct TakenIn {
    fresh: Vec<Incoming>,
    /// What is answered, in order, and whether it bounces.
    answers: Vec<(Name, u64, bool)>,
    /// What cannot be opened before more is known of its sender.
    unopened: Vec<(Name, u64, Message)>,
    /// Whose messages are for another data folder.
    left: BTreeSet<Name>,
    /// As whose messages something came that they would have sealed.
    refused: BTreeSet<Name>,
    noticed: Noticed,
}

/// Writes down messages that came, in order.
fn take_all(
    tx: &rusqlite::Transaction<'_>,
    keyring: &mut Keyring,
    receiving: &Receiving,
    messages: Vec<(Name, u64, Message)>,
) -> rusqlite::Result<TakenIn> {
    let Receiving { server, me, installation, unasked, now, is_device, is_last } = receiving;
    let (installation, unasked, now) = (*installation, *unasked, *now);
    let (is_device, is_last) = (*is_device, *is_last);
    let noticed = &mut Noticed::default();
    let receiver =
        &mut Receiver { keyring, me, installation, unasked, now, is_device, is_last, noticed };
    let mut taken = TakenIn::default();
    let mut late = BTreeSet::new();
    for (peer, seq, message) in messages {
        if taken.left.contains(&peer) {
            continue;
        }
        if late.contains(&peer) {
            taken.unopened.push((peer, seq, message));
            continue;
        }
        match history::receive(tx, receiver, server, peer.clone(), message.clone())? {
            Verdict::New(fresh) => {
                taken.fresh.push(fresh);
                taken.answers.push((peer, seq, false));
            }
            Verdict::Known => taken.answers.push((peer, seq, false)),
            Verdict::Bounced => taken.answers.push((peer, seq, true)),
            Verdict::Unsealed => {
                taken.refused.insert(peer.clone());
                taken.answers.push((peer, seq, true));
            }
            Verdict::Unknown => {
                late.insert(peer.clone());
                taken.unopened.push((peer, seq, message));
            }
            Verdict::NotHere => drop(taken.left.insert(peer)),
        }
    }
    taken.noticed = std::mem::take(receiver.noticed);
    Ok(taken)
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

/// Writes down that an own message did not arrive, if it is new. Whether one that came back [may
/// clash](bounced::bounce), its caller knows.
pub(super) fn lose(
    tx: &rusqlite::Transaction<'_>,
    scope: Scope,
    n: u64,
    how: Lost,
    may_clash: bool,
) -> rusqlite::Result<Option<Loss>> {
    Ok(match how {
        Lost::Expired => outbox::expire(tx, &scope, n)?.then_some(Loss::Expired(scope.peer, n)),
        Lost::Bounced => bounced::bounce(tx, &scope, n, may_clash)?
            .map(|again| Loss::Bounced(scope.peer, n, again)),
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
