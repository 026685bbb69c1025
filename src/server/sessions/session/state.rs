//! The state of a session: its ledger, the channel, who writes and who reads.
//!
//! Owned by the [`Session`], under its lock. Invariants: what is not in the channel is in the mailbox, and the channel
//! says so; while anything is to expire, or the sender is blocked, nothing is delivered.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use async_lock::OnceCell;
use event_listener::Event;

use super::channel::{Channel, Lease, Queued};
use crate::mailbox::{Fate, Mailbox, Usage};
use crate::message::{Batch, Installation, SessionKey};
use crate::server::link::{ConnectionId, Link, Marks};
use crate::server::sessions::ledger::Ledger;
use crate::server::sessions::pace::Pace;
use crate::server::sessions::window::{Window, Windows};

/// A handle to a session; cheap to clone.
#[derive(Clone)]
pub(crate) struct Session(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) key: SessionKey,
    pub(super) state: OnceCell<Mutex<State>>,
    /// Notified when the reverse session comes into being, and when nothing is held back any more.
    pub(super) changed: Event,
    pub(super) window: Arc<Window>,
    /// The highest position that was sent to the receiver, since this was made.
    pub(super) sent: AtomicU64,
}

pub(super) struct State {
    pub(super) status: Status,
    pub(super) ledger: Ledger,
    /// The sender's connection, while the conversation is open on it.
    pub(super) owner: Option<Arc<Link>>,
    /// Connections of the sender that have the conversation open, also those that were replaced and are still read.
    pub(super) present: Vec<(ConnectionId, Installation)>,
    /// Those among them that write to a former owner of the receiver's name.
    pub(super) outdated: Vec<ConnectionId>,
    /// The lease of the connection that drains the channel.
    pub(super) reader: Option<Lease>,
    pub(super) pace: Pace,
    pub(super) last_lease: u64,
    pub(super) channel: Channel,
    /// The channel ends with [`Queued::More`].
    pub(super) overflowed: bool,
    /// The receiver blocks the sender.
    pub(super) blocked: bool,
    /// What waits here does not count against the receiver's quota.
    pub(super) aside: bool,
    /// All that waits is to expire before anything is delivered.
    pub(super) renewing: bool,
}

/// The state of a session in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// The reverse session does not exist.
    Waiting,
    /// Both directions exist.
    Active,
    /// No longer in the registry: nobody writes and nothing waits.
    Retired,
}

impl Session {
    pub(crate) fn new(key: SessionKey, windows: &Arc<Windows>) -> Self {
        let (state, changed, window) = (OnceCell::new(), Event::new(), Window::new(windows));
        Self(Arc::new(Inner { key, state, changed, window, sent: 0.into() }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(self.0.state.get().expect("the registry hands out a session after loading it"))
    }
}

impl State {
    pub(super) fn new(ledger: Ledger) -> Self {
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
    pub(super) fn is_succeeded(&self, connection: ConnectionId) -> bool {
        let own = self.present.iter().find(|(id, _)| *id == connection);
        own.is_some_and(|(_, own)| {
            self.present.iter().any(|(id, installation)| *id > connection && installation == own)
        })
    }

    /// When messages up to `position` that are accepted now are to be committed.
    pub(super) fn due(&mut self, position: u64) -> Instant {
        let now = Instant::now();
        if self.reader.is_some() { self.pace.accepted(position, now) } else { now }
    }

    pub(super) fn mark_owner(&self, key: &SessionKey, set: impl FnOnce(&mut Marks)) {
        if let Some(owner) = &self.owner {
            owner.mark(key.receiver(), set);
        }
    }

    /// Puts a batch into the channel, or a mark that it is in the mailbox alone.
    pub(super) fn pass_on(&mut self, window: &Arc<Window>, batch: Batch) {
        // What a blocked person writes is never delivered: it needs no room in memory.
        if self.overflowed || self.blocked {
            return;
        }
        let held = window.hold(batch);
        self.overflowed = held.is_none();
        // The session holds both ends, so the channel is open and, being unbounded, has room.
        let _ = self.channel.0.try_send(held.map_or(Queued::More, Queued::Batch));
    }

    /// Drops all that is in memory. What waits, and what comes, is in the mailbox alone.
    pub(super) fn empty_channel(&mut self) {
        self.channel.0.close();
        self.channel = async_channel::unbounded();
        self.overflowed = true;
        // As in `pass_on`.
        let _ = self.channel.0.try_send(Queued::More);
    }

    /// Closes the channel and makes another that begins with the oldest message that waits and is in memory. Returns up
    /// to where messages before it have to come from the mailbox.
    pub(super) fn renew_channel(&mut self) -> u64 {
        let cursor = self.ledger.first_waiting() - 1;
        let fresh: Channel = async_channel::unbounded();
        let mut refill_to = None;
        self.overflowed = false;
        while let Ok(queued) = self.channel.1.try_recv() {
            match queued {
                Queued::Batch(held) if held.batch().last() > cursor => {
                    refill_to.get_or_insert(held.batch().first() - 1);
                    let _ = fresh.0.try_send(Queued::Batch(held));
                }
                Queued::Batch(_) => {}
                // What follows it, if anything does, is on disk too.
                Queued::More => {
                    self.overflowed = refill_to.is_some();
                    break;
                }
            }
        }
        if self.overflowed {
            let _ = fresh.0.try_send(Queued::More);
        }
        self.channel.0.close();
        self.channel = fresh;
        refill_to.unwrap_or_else(|| self.ledger.last_position())
    }

    pub(super) fn is_held_back(&self) -> bool {
        self.blocked || self.renewing || self.ledger.is_expiring()
    }

    /// Sets whether the receiver blocks the sender. What waits of somebody blocked counts against nobody's quota but
    /// theirs, and loses its body, wherever it is.
    pub(super) fn set_blocked(&mut self, mailbox: &dyn Mailbox, key: &SessionKey, blocked: bool) {
        (self.blocked, self.aside) = (blocked, blocked);
        mailbox.set_aside(key, blocked);
        if blocked {
            let freed = self.ledger.withhold();
            self.withhold(mailbox, key, freed);
            self.empty_channel();
            // Nothing that comes waits for somebody to acknowledge it.
            self.reader = None;
        }
    }

    /// An earlier version left the bodies of what waited before a block.
    pub(super) fn withhold_rest(&mut self, mailbox: &dyn Mailbox, key: &SessionKey) {
        let freed = self.ledger.withhold_rest();
        self.withhold(mailbox, key, freed);
    }

    fn withhold(&self, mailbox: &dyn Mailbox, key: &SessionKey, freed: Usage) {
        if !freed.is_empty() {
            mailbox.withhold(key, self.ledger.withheld(), freed);
        }
    }

    /// Forgets orphaned installations once nothing is left of what they wrote.
    pub(super) fn forget_orphans(&mut self, mailbox: &dyn Mailbox, key: &SessionKey) {
        for gone in self.ledger.forget_orphans() {
            mailbox.forget(key, gone);
        }
    }

    /// Begins to expire all that is to expire and can. Returns whether there was any.
    pub(super) fn begin_to_expire(&mut self, mailbox: &dyn Mailbox, key: &SessionKey) -> bool {
        let (runs, freed) = self.ledger.begin_to_expire();
        if !runs.is_empty() {
            mailbox.end(key, Fate::Expired, &runs, freed);
        }
        if self.ledger.is_expiring() {
            self.renew_channel();
        }
        !runs.is_empty()
    }
}

pub(super) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    // A panic under this lock may have left ledger and channel different, but never loses a message: the mailbox has
    // it, and the next reader fills the gap from there.
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
