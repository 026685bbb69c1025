//! One direction of one conversation on the server: its ledger, and the channel in which its
//! messages wait for the receiver's write task.
//!
//! Owned by the [`registry`](crate::server::sessions::registry); connections hold handles. Everything inside is under
//! one lock that is held for a few plain lines and never across an await; while it is held a batch
//! gets its positions, goes to the mailbox and into the channel, so that all three agree on the
//! order.
//!
//! The channel is the quick way and not the truth: whatever is in it is in the mailbox too, and what
//! exceeds its [`window`](crate::server::sessions::window) is there alone. So a reader that lost a batch, or comes back
//! to messages that an earlier connection took out, sees a gap in the positions and fills it from the
//! mailbox; and behind a full window stands a mark that says that there is more.

mod channel;
mod held_back;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_lock::OnceCell;
use event_listener::Event;

use crate::mailbox::{Commit, Mailbox, MailboxError, Usage};
use crate::message::{Batch, Installation, Message, SessionKey, Uptime};
use crate::server::link::{ConnectionId, Link};
use crate::server::people::Circle;
use crate::server::sessions::ledger::{Ledger, MAX_INSTALLATIONS, MAX_RECORDS, MAX_REMEMBERED};
use crate::server::sessions::pace::Pace;
use crate::server::sessions::quota::Quota;
use crate::server::sessions::window::{Window, Windows, cost};
use crate::wire::frame::Watermarks;
use channel::Channel;
pub(crate) use channel::{Drain, Lease, NotNow, Queued};

/// A handle to a session; cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(Arc<Inner>);

struct Inner {
    key: SessionKey,
    state: OnceCell<Mutex<State>>,
    /// Notified when the reverse session comes into being, and when nothing is held back any more.
    changed: Event,
    window: Arc<Window>,
    /// Up to this position something was sent to the receiver, since this was made.
    sent: AtomicU64,
}

struct State {
    status: Status,
    ledger: Ledger,
    /// The sender's connection, while the conversation is open on it.
    owner: Option<Arc<Link>>,
    /// Connections of the sender that have the conversation open, also those that were taken over
    /// and are still read.
    present: Vec<(ConnectionId, Installation)>,
    /// Those among them that write to an owner of the receiver's name who has it no more.
    outdated: Vec<ConnectionId>,
    /// Who drains the channel, and how often it was drained before.
    reader: Option<Lease>,
    pace: Pace,
    last_lease: u64,
    channel: Channel,
    /// The channel ends with [`Queued::More`].
    overflowed: bool,
    /// The receiver does not want to hear of the sender.
    blocked: bool,
    /// Nothing that waits here is a load for the receiver.
    aside: bool,
    /// All that waits is to expire before anything is delivered.
    renewing: bool,
}

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The reverse session does not exist.
    Waiting,
    /// Both directions exist.
    Active,
    /// No longer in the registry: nobody writes and nothing waits.
    Retired,
}

/// The session was taken out of the registry meanwhile; get it from there again. Or a connection was left behind
/// by its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Retired;

/// The sender writes from more data folders than a session has places for.
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
    /// All were taken, `fresh` of them now and the others before.
    All { fresh: usize },
    /// This one was refused, and so are all behind it.
    UpTo { refused: u64, because: String },
    /// The same, for the receiver's name was taken from whom they are for.
    OfNobody { refused: u64 },
}

impl Session {
    pub(crate) fn new(key: SessionKey, windows: &Arc<Windows>) -> Self {
        let (state, changed, window) = (OnceCell::new(), Event::new(), Window::new(windows));
        Self(Arc::new(Inner { key, state, changed, window, sent: 0.into() }))
    }

    /// Gets what the mailbox keeps of this session, the first time. Of a sender who is blocked nothing has a body
    /// then; what is withheld of one who is not expires.
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
            Ok(Mutex::new(state))
        };
        self.0.state.get_or_try_init(fresh).await.map(drop)
    }

    /// Whether [`load`](Self::load) is through; nothing else may be called before.
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

    /// Makes a connection the sender's, in place of any earlier one. A later one stays: what is still
    /// read of a connection that was taken over takes nothing from its successor.
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

    /// Undoes [`enter`](Self::enter), unless another connection has entered since. Says whether nobody is left.
    pub(crate) fn leave(&self, id: ConnectionId) -> bool {
        let mut state = self.state();
        state.owner.take_if(|owner| owner.id == id);
        state.present.retain(|(it, _)| *it != id);
        state.outdated.retain(|it| *it != id);
        state.owner.is_none()
    }

    /// The sender's client knows what became of everything up to `settled`. If this installation is
    /// new here and there are as many as a session remembers, one of which nothing waits gives way.
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

    /// The number of the first message that was not taken before, if there is one.
    pub(crate) fn first_fresh(&self, messages: &[Message]) -> Option<u64> {
        let state = self.state();
        messages.iter().find(|message| !state.ledger.has(message.id)).map(|message| message.id.n)
    }

    /// Takes messages with ascending numbers, which wait `since` now: gives them positions, keeps them and passes
    /// them on. Their bodies are slices of a buffer of `chunk` bytes. Where the sender is blocked only their
    /// numbers are kept, and what would be refused otherwise is refused. Nothing is taken from a connection once a later
    /// one of the same installation has entered: that one was told what is there.
    pub(crate) fn accept(
        &self,
        mailbox: &dyn Mailbox,
        quota: &Quota,
        from: ConnectionId,
        mut messages: Vec<Message>,
        chunk: usize,
        since: Uptime,
    ) -> Result<Accepted, Retired> {
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
        let mut refused = None;
        messages.retain_mut(|message| {
            if refused.is_some() || state.ledger.has(message.id) {
                return false;
            }
            if outdated {
                refused = Some(Accepted::OfNobody { refused: message.id.n });
                return false;
            }
            let length = message.body.len();
            let admitted = match state.ledger.has_too_many_records(message.id) {
                true => Err(too_many_records()),
                false => quota.admit(state.ledger.waiting(), waits, length),
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

    /// The mailbox has made this durable. Returns whether something that was to expire now does.
    pub(crate) fn commit(&self, mailbox: &dyn Mailbox, commit: &Commit) -> bool {
        let mut state = self.state();
        state.ledger.commit(commit.up_to);
        let expires = state.begin_to_expire(mailbox, &self.0.key);
        state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        if commit.expired_up_to > 0 {
            state.ledger.expire(commit.expired_up_to);
            drop(state);
            self.0.changed.notify(usize::MAX);
        }
        expires
    }

    /// The receiver has everything up to `position` on disk. Returns whether that made room.
    pub(crate) fn acknowledge(&self, mailbox: &dyn Mailbox, position: u64) -> bool {
        let mut state = self.state();
        let freed = state.ledger.acknowledge(position);
        if !freed.is_empty() {
            state.pace.acknowledged(position, Instant::now());
            mailbox.remove(&self.0.key, position, freed);
            state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        }
        !freed.is_empty()
    }

    /// An installation's messages above a number that expired and are not settled.
    pub(crate) fn expired(
        &self,
        installation: Installation,
        above: u64,
    ) -> Vec<RangeInclusive<u64>> {
        self.state().ledger.expired(installation, above)
    }

    /// Tells the sender that there may be room again.
    pub(crate) fn announce_room(&self) {
        self.state().mark_owner(&self.0.key, |marks| marks.room = true);
    }

    /// How far an installation's messages have come.
    pub(crate) fn watermarks(&self, installation: Installation) -> Watermarks {
        self.state().ledger.watermarks(installation)
    }

    /// The receiver says to have seen everything of an installation up to `n`.
    pub(crate) fn read(&self, installation: Installation, n: u64) {
        let mut state = self.state();
        if state.ledger.read(installation, n) {
            state.mark_owner(&self.0.key, |marks| marks.receipts = true);
        }
    }

    /// What of an installation the receiver says to have seen.
    pub(crate) fn read_up_to(&self, installation: Installation) -> u64 {
        self.state().ledger.read_up_to(installation)
    }

    /// Whether the present owner of the sender's name ever wrote anything.
    pub(crate) fn is_used(&self) -> bool {
        self.state().ledger.knows_anybody()
    }

    /// How many messages wait.
    pub(crate) fn waiting(&self) -> u64 {
        self.state().ledger.waiting().messages
    }

    /// Retires the session if nobody writes and nothing waits.
    pub(crate) fn retire(&self) -> bool {
        // Not loaded yet: somebody is just opening it.
        let Some(state) = self.0.state.get() else { return false };
        let mut state = lock(state);
        let busy =
            !state.ledger.waiting().is_empty() || state.ledger.is_expiring() || state.renewing;
        if state.owner.is_some() || busy {
            return false;
        }
        state.status = Status::Retired;
        state.channel.0.close();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(self.0.state.get().expect("the registry hands out a session after loading it"))
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.0.key)
    }
}

impl State {
    fn new(ledger: Ledger) -> Self {
        Self {
            status: Status::Waiting,
            ledger,
            blocked: false,
            aside: false,
            renewing: false,
            owner: None,
            present: Vec::new(),
            outdated: Vec::new(),
            reader: None,
            pace: Pace::default(),
            last_lease: 0,
            channel: async_channel::unbounded(),
            overflowed: false,
        }
    }

    /// Whether a later connection from the same data folder has the conversation open.
    fn is_succeeded(&self, connection: ConnectionId) -> bool {
        let own = self.present.iter().find(|(id, _)| *id == connection);
        own.is_some_and(|(_, own)| {
            self.present.iter().any(|(id, installation)| *id > connection && installation == own)
        })
    }

    /// When messages up to `position` that are accepted now are to be committed.
    fn due(&mut self, position: u64) -> Instant {
        let now = Instant::now();
        if self.reader.is_some() { self.pace.accepted(position, now) } else { now }
    }

    fn mark_owner(&self, key: &SessionKey, set: impl FnOnce(&mut crate::server::link::Marks)) {
        if let Some(owner) = &self.owner {
            owner.mark(key.receiver(), set);
        }
    }
}

fn too_many_records() -> String {
    format!(
        "{MAX_RECORDS} runs of messages of yours, with numbers left out between them, wait or have expired here, and your client has not said that it knows of them"
    )
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic under this lock may have left ledger and channel apart, but never a message lost: the
    // mailbox has it, and the next reader fills the gap from there.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
