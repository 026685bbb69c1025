//! What a session holds back and gives up: blocks, what expires, names that change hands.
//!
//! Invariant: while anything is to expire, or the sender is blocked, nothing is delivered.

use event_listener::listener;

use super::{Retired, Session, State, Status};
use crate::mailbox::{Mailbox, Usage};
use crate::message::SessionKey;
use crate::server::people::Circle;

impl Session {
    /// Messages up to `position` are to expire. Delivery begins again behind them once that is
    /// committed. Returns whether that will make room.
    pub(crate) fn expire(&self, mailbox: &dyn Mailbox, position: u64) -> bool {
        let mut state = self.state();
        state.ledger.condemn(position);
        state.begin_to_expire(mailbox, &self.0.key)
    }

    /// Whether nothing may be delivered now; see [`NotNow::HeldBack`](super::NotNow::HeldBack).
    pub(crate) fn is_held_back(&self) -> bool {
        self.state().is_held_back()
    }

    /// The receiver does not want to hear of the sender any more: nothing is delivered, and neither what waits nor
    /// what is written from now on has a body.
    pub(crate) fn block(&self, mailbox: &dyn Mailbox, circle: &Circle) {
        self.state().set_blocked(mailbox, &self.0.key, circle.is_blocked(&self.0.key));
    }

    /// What waits is to expire, and what comes behind it is delivered, also if the sender was blocked. The
    /// session stays until [`end_renewing`](Self::end_renewing). Returns how much waited.
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
            if !self.state().ledger.is_expiring() {
                return;
            }
            changed.await;
        }
    }

    /// All that waited has expired, or that failed. Who is blocked still is.
    pub(crate) fn end_renewing(&self, mailbox: &dyn Mailbox, circle: &Circle) {
        let mut state = self.state();
        state.renewing = false;
        state.set_blocked(mailbox, &self.0.key, circle.is_blocked(&self.0.key));
        drop(state);
        self.0.changed.notify(usize::MAX);
    }

    /// The sender's name is given up: forgets all data folders of theirs of which nothing waits. Returns how
    /// much still does.
    pub(crate) fn forget_sender(&self, mailbox: &dyn Mailbox) -> u64 {
        let mut state = self.state();
        for gone in state.ledger.forget_idle() {
            mailbox.forget(&self.0.key, gone);
        }
        state.ledger.waiting().messages
    }

    /// The receiver's name was taken from its owner. Whoever has the conversation open writes to nobody
    /// until they [enter](Self::enter) again.
    pub(crate) fn outdate(&self) {
        let mut state = self.state();
        state.outdated = state.present.iter().map(|(id, _)| *id).collect();
    }
}

impl State {
    pub(super) fn is_held_back(&self) -> bool {
        self.blocked || self.renewing || self.ledger.is_expiring()
    }

    /// Says whether the receiver wants to hear of the sender. What waits of somebody blocked is a load for nobody but
    /// them, and loses its body, wherever it is.
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

    /// Has everything expire that is to and can. Returns whether there was any.
    pub(super) fn begin_to_expire(&mut self, mailbox: &dyn Mailbox, key: &SessionKey) -> bool {
        let (runs, freed) = self.ledger.begin_to_expire();
        if !runs.is_empty() {
            mailbox.expire(key, &runs, freed);
        }
        if self.ledger.is_expiring() {
            self.renew_channel();
        }
        !runs.is_empty()
    }
}
