//! What a write task asks of the session that it sends from.
//!
//! Invariant: one drains a session at a time; whoever did before finds its channel closed.

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
