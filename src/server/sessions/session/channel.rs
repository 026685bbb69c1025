//! What travels from a session to its receiver's write task: the channel, and who drains it.
//!
//! Invariant: what is not in the channel is in the mailbox, and the channel says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_channel::{Receiver, Sender};

use super::{Session, State, Status};
use crate::mailbox::Usage;
use crate::message::Batch;
use crate::server::sessions::window::{Held, Window};

pub(super) type Channel = (Sender<Queued>, Receiver<Queued>);

/// What travels through a session's channel.
#[derive(Debug)]
pub(crate) enum Queued {
    /// Messages.
    Batch(Held),
    /// What follows is in the mailbox alone; see [`Session::resume`].
    More,
}

/// Why a session cannot be drained now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// Get it from the registry again.
    Retired,
    /// Messages expire, and nothing may pass them until that is committed; or the receiver does not
    /// want any.
    HeldBack,
}

/// The right to drain a session, until somebody takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease(u64);

/// What a write task needs to send a session's messages from the oldest one that waits.
pub(crate) struct Drain {
    pub(crate) lease: Lease,
    pub(crate) batches: Receiver<Queued>,
    /// Everything up to here is acknowledged.
    pub(crate) cursor: u64,
    /// Up to here messages have to come from the mailbox, for the channel does not have them.
    pub(crate) refill_to: u64,
}

impl Session {
    /// Makes the caller the one that drains this session, from the oldest message that waits. Any
    /// earlier one finds its channel closed.
    pub(crate) fn drain(&self) -> Result<Drain, NotNow> {
        let mut state = self.state();
        if state.status == Status::Retired {
            return Err(NotNow::Retired);
        }
        if state.is_held_back() {
            return Err(NotNow::HeldBack);
        }
        let cursor = state.ledger.first_waiting() - 1;
        let refill_to = state.renew_channel();
        state.last_lease += 1;
        let lease = Lease(state.last_lease);
        state.reader = Some(lease);
        state.pace.restart();
        Ok(Drain { lease, batches: state.channel.1.clone(), cursor, refill_to })
    }

    /// Has messages travel through the channel again, behind [`Queued::More`]. Returns up to where
    /// they have to come from the mailbox.
    pub(crate) fn resume(&self) -> u64 {
        let mut state = self.state();
        state.overflowed = false;
        state.ledger.last_position()
    }

    /// What is above `after` in a batch is now sent. Returns how much of that was sent before.
    pub(crate) fn send(&self, batch: &Batch, after: u64) -> Usage {
        let before = self.0.sent.fetch_max(batch.last(), Ordering::Relaxed);
        if before > after { Usage::between(batch, after, before) } else { Usage::default() }
    }

    /// Undoes [`drain`](Self::drain), unless somebody else drains since.
    pub(crate) fn stop_draining(&self, lease: Lease) {
        self.state().reader.take_if(|reader| *reader == lease);
    }
}

impl State {
    /// Puts a batch into the channel, or a mark that it is in the mailbox alone.
    pub(super) fn pass_on(&mut self, window: &Arc<Window>, batch: Batch) {
        // Nobody hears what a blocked person writes: it needs no room in memory.
        if self.overflowed || self.blocked {
            return;
        }
        let held = window.hold(batch);
        self.overflowed = held.is_none();
        // The session holds both ends, so the channel is open and, being unbounded, has room.
        let _ = self.channel.0.try_send(held.map_or(Queued::More, Queued::Batch));
    }

    /// Lets go of all that is in memory. What waits, and what comes, is in the mailbox alone.
    pub(super) fn empty_channel(&mut self) {
        self.channel.0.close();
        self.channel = async_channel::unbounded();
        self.overflowed = true;
        // As in `pass_on`.
        let _ = self.channel.0.try_send(Queued::More);
    }

    /// Closes the channel and makes another that begins with the oldest message that waits and is
    /// in memory. Returns up to where messages have to come from the mailbox before those.
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
                // What lies behind it, if anything does, is on disk too.
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
}
