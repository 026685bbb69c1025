//! What connections, and the registry, do with a session.
//!
//! Invariant: the lock is held for a few plain lines, and never across an await.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use event_listener::Event;

use super::state::{Session, State, Status, lock};
use crate::mailbox::{Commit, Fate, Mailbox, MailboxError, Usage};
use crate::message::{Batch, Installation, Message, SessionKey, Uptime};
use crate::server::link::{ConnectionId, Link};
use crate::server::people::{Circle, Versions};
use crate::server::sessions::ledger::{
    Ledger, MAX_INSTALLATIONS, MAX_RECORDS, MAX_RECORDS_IN_ALL, MAX_REMEMBERED,
};
use crate::server::sessions::quota::Quota;
use crate::server::sessions::window::cost;
use crate::wire::frame::Watermarks;

/// The session was removed from the registry meanwhile; get it from there again. Or the connection was replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired;

/// The sender writes from more installations than a session has places for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyInstallations {
    #[error(
        "messages from {MAX_INSTALLATIONS} data folders of yours wait for this person already; use one of those, or wait until some arrive"
    )]
    Waiting,
    #[error(
        "you have written from {MAX_REMEMBERED} data folders to this person, and none of them can be forgotten; use one of those"
    )]
    Remembered,
}

/// What became of messages that were offered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// All were accepted: `fresh` of them now, the others are duplicates.
    All { fresh: usize },
    /// This one was refused, and so are all after it.
    UpTo { refused: u64, because: String },
    /// The same, because the person they are for has lost the name.
    OfNobody { refused: u64 },
    /// The same, because the person they are for has another device list.
    ForOtherDevices { refused: u64 },
}

/// What an acknowledgement has changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// There is room for more.
    pub(crate) made_room: bool,
    /// How long one of the messages took, if one was timed.
    pub(crate) took: Option<Duration>,
}

/// Messages that came together.
pub(crate) struct Offer<'a> {
    /// On which connection.
    pub(crate) from: ConnectionId,
    /// With ascending numbers.
    pub(crate) messages: Vec<Message>,
    /// The size of the buffer that their bodies are slices of.
    pub(crate) chunk: usize,
    /// Since when they wait.
    pub(crate) since: Uptime,
    /// The receiver's device list, and for which version of it they were written.
    pub(crate) list: &'a Versions,
    pub(crate) version: u64,
}

#[cfg(test)]
impl Offer<'static> {
    /// Messages to somebody who has no device list.
    pub(crate) fn of(from: u64, messages: Vec<Message>) -> Self {
        static NONE: std::sync::LazyLock<Versions> = std::sync::LazyLock::new(Versions::default);
        let (from, since) = (ConnectionId(from), Uptime(1));
        Self { from, messages, chunk: 0, since, list: &NONE, version: 0 }
    }
}

impl Session {
    /// Loads the session from the mailbox, the first time. If the sender is blocked, nothing has a body afterwards; if
    /// not, what is withheld expires.
    pub(crate) async fn load(
        &self,
        mailbox: &dyn Mailbox,
        circle: &Circle,
    ) -> Result<(), MailboxError> {
        let fresh = async || {
            let key = &self.0.key;
            let mut state = State::new(Ledger::from_shelf(&mailbox.load(key).await?));
            state.set_blocked(mailbox, key, circle.is_blocked(key));
            if !state.blocked {
                state.withhold_rest(mailbox, key);
                state.ledger.condemn_withheld();
                state.begin_to_expire(mailbox, key);
            }
            // A crash may have come between the removal of their last message and this.
            state.forget_orphans(mailbox, key);
            Ok(Mutex::new(state))
        };
        self.0.state.get_or_try_init(fresh).await.map(drop)
    }

    /// Whether [`load`](Self::load) is complete; nothing else may be called before.
    pub(crate) fn is_loaded(&self) -> bool {
        self.0.state.is_initialized()
    }

    pub(crate) fn key(&self) -> &SessionKey {
        &self.0.key
    }

    pub(crate) fn status(&self) -> Status {
        self.state().status
    }

    /// Notified when the reverse session comes into being, and when nothing is held back any more.
    pub(crate) fn changed(&self) -> &Event {
        &self.0.changed
    }

    /// Says whether the reverse session exists.
    pub(crate) fn set_status(&self, status: Status) {
        let mut state = self.state();
        if state.status != Status::Retired {
            state.status = status;
        }
        drop(state);
        self.0.changed.notify(usize::MAX);
    }

    /// Makes a connection the sender's, in place of any earlier one. A later one stays: a replaced connection, while it
    /// is still read, takes nothing from its successor.
    pub(crate) fn enter(&self, link: &Arc<Link>) -> Result<(), Retired> {
        let mut state = self.state();
        if state.status == Status::Retired {
            return Err(Retired);
        }
        if state.owner.as_ref().is_none_or(|owner| owner.id <= link.id) {
            state.owner = Some(link.clone());
        }
        state.outdated.retain(|it| *it != link.id);
        if !state.present.iter().any(|(id, _)| *id == link.id) {
            state.present.push((link.id, link.installation));
        }
        Ok(())
    }

    /// Undoes [`enter`](Self::enter), unless another connection has entered since. Returns whether nobody is left.
    pub(crate) fn leave(&self, id: ConnectionId) -> bool {
        let mut state = self.state();
        state.owner.take_if(|owner| owner.id == id);
        state.present.retain(|(it, _)| *it != id);
        state.outdated.retain(|it| *it != id);
        state.owner.is_none()
    }

    /// The sender's client knows what became of everything up to `settled`. If this installation is new here and the
    /// session remembers no more, one without waiting messages is forgotten.
    pub(crate) fn settle(
        &self,
        mailbox: &dyn Mailbox,
        installation: Installation,
        settled: u64,
    ) -> Result<(), TooManyInstallations> {
        let mut guard = self.state();
        let state = &mut *guard;
        if let Some(settled) = state.ledger.settle(installation, settled) {
            mailbox.settle(&self.0.key, installation, settled);
        }
        if let Some(position) = state.ledger.hear(installation) {
            mailbox.hear(&self.0.key, installation, position);
        }
        if !state.ledger.has_place(installation) {
            return Err(TooManyInstallations::Waiting);
        }
        if state.ledger.remembers(installation) {
            return Ok(());
        }
        let is_present = |it| state.present.iter().any(|(_, present)| *present == it);
        let gone = state.ledger.forget_one(is_present).ok_or(TooManyInstallations::Remembered)?;
        mailbox.forget(&self.0.key, gone);
        Ok(())
    }

    /// The number of the first message that is not a duplicate, if there is one.
    pub(crate) fn first_fresh(&self, messages: &[Message]) -> Option<u64> {
        let state = self.state();
        messages.iter().find(|message| !state.ledger.has(message.id)).map(|message| message.id.n)
    }

    /// Accepts messages: deduplicates them, gives them positions, keeps them and passes them on. If the sender is blocked
    /// only their numbers are kept, and the same messages are refused as otherwise. Nothing is accepted from a connection
    /// once a later one of the same installation has entered, for that one was told what is there.
    pub(crate) fn accept(
        &self,
        mailbox: &dyn Mailbox,
        quota: &Quota,
        offer: Offer<'_>,
    ) -> Result<Accepted, Retired> {
        let Offer { from, mut messages, chunk, since, list, version } = offer;
        let mut state = self.state();
        if state.status == Status::Retired || state.is_succeeded(from) {
            return Err(Retired);
        }
        let first = state.ledger.last_position() + 1;
        let mut waits = mailbox.usage(self.0.key.receiver());
        if state.aside {
            waits += state.ledger.waiting();
        }
        let outdated = state.outdated.contains(&from);
        // Until they are in the mailbox's journal.
        let newest = list.hold();
        let mut refused = None;
        messages.retain_mut(|message| {
            if refused.is_some() || state.ledger.has(message.id) {
                return false;
            }
            if outdated {
                refused = Some(Accepted::OfNobody { refused: message.id.n });
                return false;
            }
            if version != newest.version() {
                refused = Some(Accepted::ForOtherDevices { refused: message.id.n });
                return false;
            }
            let length = message.body.len();
            let admitted = match state.ledger.has_too_many_records(message.id) {
                true => Err(too_many_records()),
                false => quota.admit(state.ledger.waiting_of_owner(), waits, length),
            };
            if let Err(because) = admitted {
                refused = Some(Accepted::UpTo { refused: message.id.n, because });
                return false;
            }
            if state.blocked {
                message.withhold();
                state.ledger.push_withheld(message.id, length);
            } else {
                state.ledger.push(message.id, length);
            }
            waits += Usage::one(length);
            true
        });
        let fresh = messages.len();
        if fresh > 0 {
            let mut batch = Batch::new(first, messages).waiting_since(since);
            if chunk as u64 > cost(Usage::of(&batch)) {
                batch = batch.compact();
            }
            mailbox.append(&self.0.key, &batch, state.due(batch.last()));
            state.pass_on(&self.0.window, batch);
        }
        Ok(refused.unwrap_or(Accepted::All { fresh }))
    }

    /// The mailbox has made this durable. Returns whether something that was to expire can do so now.
    pub(crate) fn commit(&self, mailbox: &dyn Mailbox, commit: &Commit) -> bool {
        let mut state = self.state();
        state.ledger.commit(commit.up_to);
        let expires = state.begin_to_expire(mailbox, &self.0.key);
        state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        if commit.ended_up_to > 0 {
            state.ledger.end(commit.ended_up_to);
            state.forget_orphans(mailbox, &self.0.key);
            drop(state);
            self.0.changed.notify(usize::MAX);
        }
        expires
    }

    /// The receiver has everything up to `position` on disk.
    pub(crate) fn acknowledge(&self, mailbox: &dyn Mailbox, position: u64) -> Acknowledged {
        let mut state = self.state();
        let freed = state.ledger.acknowledge(position);
        if freed.is_empty() {
            return Acknowledged::default();
        }
        let took = state.pace.acknowledged(position, Instant::now());
        mailbox.remove(&self.0.key, position, freed);
        state.forget_orphans(mailbox, &self.0.key);
        state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        Acknowledged { made_room: true, took }
    }

    /// The receiver did not take the oldest message, whose position this is. Returns whether that made room.
    pub(crate) fn bounce(&self, mailbox: &dyn Mailbox, position: u64) -> bool {
        let mut state = self.state();
        let (runs, freed) = state.ledger.bounce(position);
        if !runs.is_empty() {
            state.pace.acknowledged(position, Instant::now());
            mailbox.end(&self.0.key, Fate::Bounced, &runs, freed);
        }
        !runs.is_empty()
    }

    /// How an installation's messages above a number ended that are not settled and did not arrive.
    pub(crate) fn ended(
        &self,
        installation: Installation,
        above: u64,
    ) -> Vec<(Fate, RangeInclusive<u64>)> {
        self.state().ledger.ended(installation, above)
    }

    /// Tells the sender that there may be room again.
    pub(crate) fn announce_room(&self) {
        self.state().mark_owner(&self.0.key, |marks| marks.room = true);
    }

    /// How far an installation's messages have come.
    pub(crate) fn watermarks(&self, installation: Installation) -> Watermarks {
        self.state().ledger.watermarks(installation)
    }

    /// The receiver says to have read everything of an installation up to `n`.
    pub(crate) fn read(&self, installation: Installation, n: u64) {
        let mut state = self.state();
        if state.ledger.read(installation, n) {
            state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        }
    }

    /// Up to where the receiver says to have read an installation's messages.
    pub(crate) fn read_up_to(&self, installation: Installation) -> u64 {
        self.state().ledger.read_up_to(installation)
    }

    /// Whether the present owner of the sender's name ever wrote anything, or came with a data folder of which something
    /// waited.
    pub(crate) fn is_used(&self) -> bool {
        self.state().ledger.knows_anybody()
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.state().ledger.waiting().messages
    }

    /// How many of them are the present owner's of the sender's name.
    pub(crate) fn waiting_of_owner(&self) -> u64 {
        self.state().ledger.waiting_of_owner().messages
    }

    /// Whether nobody writes, and nothing waits of the present owner of the sender's name.
    pub(crate) fn is_left(&self) -> bool {
        let state = self.state();
        state.owner.is_none() && state.ledger.waiting_of_owner().is_empty()
    }

    /// Retires the session if nobody writes and nothing waits.
    pub(crate) fn retire(&self) -> bool {
        // Not loaded yet: somebody is just opening it.
        let Some(state) = self.0.state.get() else { return false };
        let mut state = lock(state);
        let busy = !state.ledger.waiting().is_empty() || state.ledger.is_ending() || state.renewing;
        if state.owner.is_some() || busy {
            return false;
        }
        state.status = Status::Retired;
        state.channel.0.close();
        true
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.0.key)
    }
}

fn too_many_records() -> String {
    format!(
        "{MAX_RECORDS} runs of messages of yours, or {MAX_RECORDS_IN_ALL} of all your data folders, with numbers left out between them, wait, expired or bounced here, and your client has not said that it knows of them"
    )
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
