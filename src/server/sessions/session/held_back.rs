//! What a session holds back and gives up: blocks, expiry, names that change hands.
//!
//! Invariant: while anything is to expire, or the sender is blocked, nothing is delivered.

use event_listener::listener;

use super::handle::Retired;
use super::state::{Session, Status};
use crate::mailbox::Mailbox;
use crate::server::people::Circle;

impl Session {
    /// Messages up to `position` are to expire. Delivery begins again after them once that is committed. Returns
    /// whether that will make room.
    pub(crate) fn expire(&self, mailbox: &dyn Mailbox, position: u64) -> bool {
        let mut state = self.state();
        state.ledger.condemn(position);
        state.begin_to_expire(mailbox, &self.0.key)
    }

    /// Whether nothing may be delivered now; see [`NotNow::HeldBack`](super::channel::NotNow::HeldBack).
    pub(crate) fn is_held_back(&self) -> bool {
        self.state().is_held_back()
    }

    /// The receiver now blocks the sender: nothing is delivered, and neither what waits nor what is written from now on
    /// has a body.
    pub(crate) fn block(&self, mailbox: &dyn Mailbox, circle: &Circle) {
        self.state().set_blocked(mailbox, &self.0.key, circle.is_blocked(&self.0.key));
    }

    /// What waits is to expire, and what comes after it is delivered, also if the sender was blocked. The session stays
    /// until [`end_renewing`](Self::end_renewing). Returns how much waited.
    pub(crate) fn begin_to_renew(&self, mailbox: &dyn Mailbox) -> Result<u64, Retired> {
        let mut state = self.state();
        if state.status == Status::Retired {
            return Err(Retired);
        }
        (state.blocked, state.renewing) = (false, true);
        let (waiting, last) = (state.ledger.waiting().messages, state.ledger.last_position());
        state.ledger.condemn(last);
        state.begin_to_expire(mailbox, &self.0.key);
        Ok(waiting)
    }

    /// Waits until nothing is left that is to expire.
    pub(crate) async fn has_expired(&self) {
        loop {
            listener!(self.0.changed => changed);
            if !self.state().ledger.is_ending() {
                return;
            }
            changed.await;
        }
    }

    /// All that waited has expired, or that failed. A block that still holds stays.
    pub(crate) fn end_renewing(&self, mailbox: &dyn Mailbox, circle: &Circle) {
        let mut state = self.state();
        state.renewing = false;
        state.set_blocked(mailbox, &self.0.key, circle.is_blocked(&self.0.key));
        drop(state);
        self.0.changed.notify(usize::MAX);
    }

    /// The sender's name is given up: forgets its installations; those of which something waits, once all of that is gone.
    /// Returns how much it is.
    pub(crate) fn forget_sender(&self, mailbox: &dyn Mailbox) -> u64 {
        let mut state = self.state();
        for gone in state.ledger.forget_idle() {
            mailbox.forget(&self.0.key, gone);
        }
        for orphan in state.ledger.orphan() {
            mailbox.orphan(&self.0.key, orphan);
        }
        state.ledger.waiting().messages
    }

    /// The receiver's name was taken from its owner. Connections that have the conversation open write to nobody until
    /// they [enter](Self::enter) again.
    pub(crate) fn outdate(&self) {
        let mut state = self.state();
        state.outdated = state.present.iter().map(|(id, _)| *id).collect();
    }
}
