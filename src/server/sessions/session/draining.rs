//! What a write task does with the session that it sends from.
//!
//! Invariant: one connection drains a session at a time; the one before it finds its channel closed.

use std::sync::atomic::Ordering;

use super::channel::{Drain, Lease, NotNow};
use super::state::{Session, Status};
use crate::mailbox::Usage;
use crate::message::Batch;

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

    /// Lets messages go through the channel again, after [`Queued::More`]. Returns up to where they have to come from
    /// the mailbox.
    pub(crate) fn resume(&self) -> u64 {
        let mut state = self.state();
        state.overflowed = false;
        state.ledger.last_position()
    }

    /// The part of a batch above `after` is now sent. Returns how much of it was sent before.
    pub(crate) fn send(&self, batch: &Batch, after: u64) -> Usage {
        let before = self.0.sent.fetch_max(batch.last(), Ordering::Relaxed);
        if before > after { Usage::between(batch, after, before) } else { Usage::default() }
    }

    /// Undoes [`drain`](Self::drain), unless another connection has drained since.
    pub(crate) fn stop_draining(&self, lease: Lease) {
        self.state().reader.take_if(|reader| *reader == lease);
    }
}
