//! The contract of a mailbox: the [`Mailbox`] trait.
//!
//! Owned by the server. Invariant: what [`Mailbox::watch`] reported as committed is still there after a crash, unless
//! it was removed. One suite of tests (`contract.rs`) runs over every implementation.

use std::time::Instant;

use async_channel::Receiver;
use futures::future::BoxFuture;
use thiserror::Error;

use super::accounts::{Account, Fate};
use super::device_list::{KeptList, ListId};
use super::shelf::{Run, Shelf};
use super::standing::Standing;
use super::usage::Usage;
use crate::message::{Batch, Installation, Name, SessionKey, Uptime};

/// Keeps messages of sessions in order of acceptance, the newest device list of each name, and what the receiver of a
/// session thinks of its sender.
///
/// [`append`](Self::append), [`remove`](Self::remove) and the others that change something form one
/// journal: they take effect in the order in which they are called, so the caller holds its
/// session's lock while it calls them. None of them blocks. A mailbox with a full journal makes its
/// callers wait in [`ready`](Self::ready).
pub trait Mailbox: Send + Sync + 'static {
    /// Backpressure: waits until the journal has room for a sender. To be awaited before messages are accepted. An
    /// error says that nothing can be stored now; what was appended before is retried automatically.
    fn ready(&self, sender: &Name) -> BoxFuture<'_, Result<(), MailboxError>>;

    /// What is kept of a session; zero and empty for one that nobody wrote in.
    fn load(&self, key: &SessionKey) -> BoxFuture<'_, Result<Shelf, MailboxError>>;

    /// Keeps a batch, whose first position follows the last one of its session. Its commit may wait
    /// until `due`, for what is [removed](Self::remove) before need not be written at all.
    fn append(&self, key: &SessionKey, batch: &Batch, due: Instant);

    /// The messages of a session above a position, in order, committed or not: as many as fit into `limit`, but at
    /// least one if there is any. Fewer only at the end of what was appended before the call.
    fn pending(
        &self,
        key: &SessionKey,
        after: u64,
        limit: Usage,
    ) -> BoxFuture<'_, Result<Batch, MailboxError>>;

    /// Forgets the messages of a session up to and with a position, which are `freed` in all.
    fn remove(&self, key: &SessionKey, up_to: u64, freed: Usage);

    /// The same for messages that their receiver does not have, and how they ended: their numbers are remembered, until
    /// they are [settled](Self::settle).
    fn end(&self, key: &SessionKey, fate: Fate, ended: &[Run], freed: Usage);

    /// Of the messages of a session up to and with a position only the numbers and lengths are kept from now on: they
    /// are [withheld](crate::message::Message::withheld). Those that were not withheld before are `freed` in all. The
    /// bodies may be removed from the disk bit by bit; until then they count as there.
    fn withhold(&self, key: &SessionKey, up_to: u64, freed: Usage);

    /// Sets whether what waits in a session, now and later, does not count for its receiver. Not remembered on disk.
    /// Returns what waits there.
    fn set_aside(&self, key: &SessionKey, aside: bool) -> Usage;

    /// The sender's client knows, and has on its disk, what became of everything up to `n`.
    fn settle(&self, key: &SessionKey, installation: Installation, n: u64);

    /// A remembered installation was heard from when this was the session's last position.
    fn hear(&self, key: &SessionKey, installation: Installation, position: u64);

    /// Whoever wrote from a remembered installation has lost the sender's name. It is [orphaned](Account::ORPHANED) until
    /// it is [heard from](Self::hear), or something is appended that comes from it.
    fn orphan(&self, key: &SessionKey, installation: Installation) {
        self.hear(key, installation, Account::ORPHANED);
    }

    /// Nothing from this installation is in flight or will come: forgets what was accepted from it.
    fn forget(&self, key: &SessionKey, installation: Installation);

    /// The sessions with messages that have waited since before a time, each with the position of the last of these.
    fn overdue(
        &self,
        before: Uptime,
    ) -> BoxFuture<'_, Result<Vec<(SessionKey, u64)>, MailboxError>>;

    /// The sessions of `sender` of which anything is kept.
    fn sessions_of(&self, sender: &Name) -> BoxFuture<'_, Result<Vec<SessionKey>, MailboxError>>;

    /// Keeps a device list of a name in place of any other one; none removes it. Messages that are appended before are
    /// committed before it or with it, those that are appended later with it or after it.
    fn keep_list(&self, name: &Name, list: Option<&KeptList>);

    /// Which device list a name has, committed or not.
    fn list_of(&self, name: &Name) -> Option<ListId>;

    /// The device list of a name that was committed last.
    fn committed_list(&self, name: &Name) -> BoxFuture<'_, Result<Option<KeptList>, MailboxError>>;

    /// Keeps what the receiver of a session thinks of its sender; none removes it. On the disk a second later, if nobody
    /// asks for [that](Self::synced).
    fn keep_standing(&self, key: &SessionKey, standing: Option<Standing>);

    /// Every standing that is committed.
    fn standings(&self) -> BoxFuture<'_, Result<Vec<(SessionKey, Standing)>, MailboxError>>;

    /// Waits until all changes that were made before are committed. An error says that this is not possible now; they may
    /// be committed later nevertheless. A disk may take any time: the caller sets a limit.
    fn synced(&self) -> BoxFuture<'_, Result<(), MailboxError>>;

    /// For whom messages wait.
    fn receivers(&self) -> Vec<Name>;

    /// Who has messages waiting for `receiver`, and how many each.
    fn waiting(&self, receiver: &Name) -> Vec<(Name, u64)>;

    /// All that waits for `receiver`, from everybody, except for what is [set aside](Self::set_aside).
    fn usage(&self, receiver: &Name) -> Usage;

    /// What happens to the journal, in order. There is one watcher: the server.
    fn watch(&self) -> Receiver<Event>;

    /// Commits all that can be committed. To be called last.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Something that happened to the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// These sessions, each once, are as durable as the mailbox makes them.
    Committed(Vec<Commit>),
    /// So are these device lists of names; none was removed.
    Listed(Vec<(Name, Option<ListId>)>),
    /// Messages are accepted again, after [`Mailbox::ready`] failed.
    Recovered,
}

/// What was committed of one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The session.
    pub key: SessionKey,
    /// Messages up to and with this position; 0 if there were none.
    pub up_to: u64,
    /// Ends up to and with this position; 0 if there were none.
    pub ended_up_to: u64,
}

/// A mailbox could not do what was asked. For the operator's log.
#[derive(Clone, Debug, Error)]
#[error("the mailbox failed: {0}")]
pub struct MailboxError(pub String);
