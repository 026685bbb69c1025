//! What keeps a session's messages until the receiver's client says that it has them: the
//! [`Mailbox`] trait and its contract.
//!
//! Owned by the server. Invariant: what [`Mailbox::watch`] reported as committed is still there
//! after a crash, unless it was removed. [`EmbeddedMailbox`] is a store in the server's data folder.
//! One suite of tests (`contract.rs`) runs over every implementation; beside it stands one that
//! forgets everything with its process, the simplest that can be right.

mod accounts;
mod embedded;
#[cfg(test)]
mod memory;

#[cfg(test)]
mod contract;

use std::time::Instant;

use async_channel::Receiver;
use futures::future::BoxFuture;
use thiserror::Error;

pub use accounts::{Account, Accounts};
pub use embedded::{
    Counts, EmbeddedMailbox, Image, Inspection, OpenError, Salvage, SessionContent, backup,
};
#[cfg(test)]
pub use memory::MemoryMailbox;

use crate::message::{Batch, Installation, Message, MessageId, Name, SessionKey, Uptime};

/// Keeps messages of sessions in order of acceptance.
///
/// [`append`](Self::append), [`remove`](Self::remove) and the others that change something form one
/// journal: they take effect in the order in which they are called, so the caller holds its
/// session's lock while it calls them. None of them blocks. A mailbox with a full journal makes its
/// callers wait in [`ready`](Self::ready).
pub trait Mailbox: Send + Sync + 'static {
    /// Waits until the journal takes more of a sender. To be awaited before messages are accepted. An error says
    /// that nothing can be stored now; what was appended before is tried again by itself.
    fn ready(&self, sender: &Name) -> BoxFuture<'_, Result<(), MailboxError>>;

    /// What is kept of a session; all zero and empty for one that nobody wrote in.
    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>>;

    /// Keeps a batch, whose first position follows the last one of its session. Its commit may wait
    /// until `due`, for what is [removed](Self::remove) before need not be written at all.
    fn append(&self, key: &SessionKey, batch: &Batch, due: Instant);

    /// The messages of a session above a position, in order, committed or not: as many as fit into
    /// `limit`, but one at least if there is any. Fewer only at the end of what was appended before
    /// the call.
    fn pending(
        &self,
        key: &SessionKey,
        after: u64,
        limit: Usage,
    ) -> BoxFuture<'_, Result<Batch, MailboxError>>;

    /// Forgets the messages of a session up to and with a position, which are `freed` in all.
    fn remove(&self, key: &SessionKey, up_to: u64, freed: Usage);

    /// The same for messages that were kept for too long: what they were called is remembered, until
    /// it is [settled](Self::settle).
    fn expire(&self, key: &SessionKey, expired: &[Run], freed: Usage);

    /// Of the messages of a session up to and with a position only the numbers are kept from now on, and how long
    /// they were: they are [withheld](crate::message::Message::withheld). Those that were not are `freed` in all. The
    /// bodies may go from the disk bit by bit, and are told of there until they are gone.
    fn withhold(&self, key: &SessionKey, up_to: u64, freed: Usage);

    /// Whether what waits in a session, now and later, is no load for its receiver. Not remembered on disk. Returns
    /// what waits there.
    fn set_aside(&self, key: &SessionKey, aside: bool) -> Usage;

    /// The sender's client knows, and has on its disk, what became of everything up to `n`.
    fn settle(&self, key: &SessionKey, installation: Installation, n: u64);

    /// An installation that is remembered was heard of when this was the session's last position.
    fn hear(&self, key: &SessionKey, installation: Installation, position: u64);

    /// Nothing of this installation is on its way or will come: forgets what was taken from it.
    fn forget(&self, key: &SessionKey, installation: Installation);

    /// The sessions whose oldest message waits since before a time, each with the position of the last
    /// message of those that do.
    fn overdue(
        &self,
        before: Uptime,
    ) -> BoxFuture<'_, Result<Vec<(SessionKey, u64)>, MailboxError>>;

    /// The sessions of which anything is kept and in which `sender` writes.
    fn sessions_of(&self, sender: &Name) -> BoxFuture<'_, Result<Vec<SessionKey>, MailboxError>>;

    /// For whom messages wait.
    fn receivers(&self) -> Vec<Name>;

    /// Who has messages waiting for `receiver`, and how many each.
    fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)>;

    /// All that waits for `receiver`, from whomever, but for what is [set aside](Self::set_aside).
    fn usage(&self, receiver: &Name) -> Usage;

    /// What happens to the journal, in order. There is one watcher: the server.
    fn watch(&self) -> Receiver<Event>;

    /// Commits all that can be committed. To be called last.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What a mailbox keeps of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// What is known of each installation.
    pub accounts: Accounts,
    /// The position of the last message ever accepted; 0 before the first.
    pub last_position: u64,
    /// What waits, in order, the last at `last_position`.
    pub waiting: Vec<Outline>,
}

/// What of a message its session has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Which one it is.
    pub id: MessageId,
    /// How long its body is, in bytes, or was.
    pub length: usize,
    /// Whether only the number is kept.
    pub is_withheld: bool,
}

impl Outline {
    /// That of a message.
    pub fn of(message: &Message) -> Self {
        let is_withheld = message.is_withheld();
        Self { id: message.id, length: message.length(), is_withheld }
    }
}

/// Messages of one installation with consecutive numbers and positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The position of the first one.
    pub first_position: u64,
    /// The sender's data folder.
    pub installation: Installation,
    /// The number of the first one.
    pub first_n: u64,
    /// How many there are.
    pub count: u64,
}

impl Run {
    /// The position of the last message.
    pub fn last_position(&self) -> u64 {
        self.first_position + self.count - 1
    }

    /// The number of the last message.
    pub fn last_n(&self) -> u64 {
        self.first_n + self.count - 1
    }

    /// Whether a message that takes the next position belongs to this run.
    pub fn is_followed_by(&self, id: MessageId) -> bool {
        self.installation == id.installation && self.first_n + self.count == id.n
    }

    /// Takes away the first messages, at most all of them.
    #[must_use]
    pub fn split_to(&mut self, count: u64) -> Self {
        let count = count.min(self.count);
        let front = Self { count, ..*self };
        self.first_position += count;
        self.first_n += count;
        self.count -= count;
        front
    }
}

/// Something that happened to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These sessions, each once, are as safe as the mailbox makes them.
    Committed(Vec<Commit>),
    /// Messages are taken again, after [`Mailbox::ready`] failed.
    Recovered,
}

/// What was committed of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The session.
    pub key: SessionKey,
    /// Messages up to and with this position; 0 if there were none.
    pub up_to: u64,
    /// Expiries up to and with this position; 0 if there were none.
    pub expired_up_to: u64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

impl Usage {
    /// What one message with a body of so many bytes uses.
    pub fn one(bytes: usize) -> Self {
        Self { messages: 1, bytes: bytes as u64 }
    }

    /// What a batch uses.
    pub fn of(batch: &Batch) -> Self {
        Self { messages: batch.messages().len() as u64, bytes: batch.bytes() }
    }

    /// What those messages of a batch use that are above one position and not above another.
    pub fn between(batch: &Batch, after: u64, up_to: u64) -> Self {
        if after < batch.first() && batch.last() <= up_to {
            return Self::of(batch);
        }
        let above = batch.after(after);
        let rest = batch.after(up_to).len().min(above.len());
        above[..above.len() - rest].iter().map(|message| Self::one(message.weight())).sum()
    }

    /// Whether it is as much as a limit, or more.
    pub fn reaches(self, limit: Self) -> bool {
        self.messages >= limit.messages || self.bytes >= limit.bytes
    }

    /// Whether nothing waits.
    pub fn is_empty(self) -> bool {
        self.messages == 0
    }
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl std::ops::SubAssign for Usage {
    fn sub_assign(&mut self, other: Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl std::iter::Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// How much more fits into a limit, when one message is to be given in any case.
struct Room {
    limit: Usage,
    taken: Usage,
}

impl Room {
    fn new(limit: Usage) -> Self {
        Self { limit, taken: Usage::default() }
    }

    /// Whether the next message fits; then it is taken.
    fn takes(&mut self, length: usize) -> bool {
        self.takes_all(Usage::one(length))
    }

    /// Whether the next messages fit; then all of them are taken.
    fn takes_all(&mut self, next: Usage) -> bool {
        let is_first = self.taken.is_empty();
        self.taken += next;
        let Usage { messages, bytes } = self.limit;
        is_first || (self.taken.messages <= messages && self.taken.bytes <= bytes)
    }
}

/// A mailbox could not do what it was asked to. For the operator's log.
#[derive(Clone, Debug, Error)]
#[error("the mailbox failed: {0}")]
pub struct MailboxError(pub String);
