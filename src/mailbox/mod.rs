//! What keeps a session's messages until the receiver's client says that it has them: the
//! [`Mailbox`] trait and its contract.
//!
//! Owned by the server. Invariant: what [`Mailbox::watch`] reported as committed is still there
//! after a crash, unless it was removed. [`MemoryMailbox`] forgets everything with its process;
//! an embedded store will take its place behind the same trait. One suite of tests (`contract.rs`)
//! runs over every implementation.

mod memory;

#[cfg(test)]
mod contract;

use async_channel::Receiver;
use futures::future::BoxFuture;
use thiserror::Error;

pub use memory::MemoryMailbox;

use crate::message::{Batch, Installation, MessageId, Name, SessionKey};

/// Keeps messages of sessions in order of acceptance.
///
/// [`append`](Self::append) and [`remove`](Self::remove) form one journal: they take effect in the
/// order in which they are called, so the caller holds its session's lock while it calls them.
/// Neither blocks. A mailbox with a full journal makes its callers wait in [`ready`](Self::ready).
pub trait Mailbox: Send + Sync + 'static {
    /// Waits until the journal takes more. To be awaited before messages are accepted.
    fn ready(&self) -> BoxFuture<'_, ()>;

    /// What is kept of a session; all zero and empty for one that nobody wrote in.
    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>>;

    /// Keeps a batch, whose first position follows the last one of its session.
    fn append(&self, key: &SessionKey, batch: &Batch);

    /// The messages of a session above a position, in order, committed or not: as many as fit into
    /// `limit`, but one at least if there is any. Fewer only at the end of what was appended before
    /// the call.
    fn pending(
        &self,
        key: &SessionKey,
        after: u64,
        limit: Usage,
    ) -> BoxFuture<'_, Result<Batch, MailboxError>>;

    /// Forgets the messages of a session up to and with a position.
    fn remove(&self, key: &SessionKey, up_to: u64);

    /// Who has messages waiting for `receiver`, and how many each.
    fn waiting(&self, receiver: &Name) -> BoxFuture<'_, Result<Vec<(Name, u64)>, MailboxError>>;

    /// All that waits for `receiver`, from whomever.
    fn usage(&self, receiver: &Name) -> Usage;

    /// What was committed since the last call, in order. There is one watcher: the server.
    fn watch(&self) -> Receiver<Commit>;
}

/// What a mailbox keeps of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// The highest number taken from each installation.
    pub have: Vec<(Installation, u64)>,
    /// The position of the last message ever accepted; 0 before the first.
    pub last_position: u64,
    /// What waits: ids and lengths in bytes in order, the last at `last_position`.
    pub waiting: Vec<(MessageId, usize)>,
}

/// A session's messages up to a position are as safe as this mailbox makes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The session.
    pub key: SessionKey,
    /// Inclusive.
    pub up_to: u64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Messages.
    pub messages: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// A mailbox could not do what it was asked to. For the operator's log.
#[derive(Clone, Debug, Error)]
#[error("the mailbox failed: {0}")]
pub struct MailboxError(pub String);
