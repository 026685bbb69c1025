//! Messages that were accepted together.
//!
//! Owned by whoever passes them on; clones share what they have. Invariant: positions are consecutive, and never
//! change.

use std::sync::Arc;

use bytes::BytesMut;

use super::{Message, Uptime};

/// Messages of one session that were accepted together. What travels through a session's channel,
/// so that locks, wake-ups and system calls are paid once for all of them.
///
/// Positions count the accepted messages of a session from 1; those of a batch are consecutive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    first: u64,
    bytes: u64,
    since: Uptime,
    messages: Arc<Vec<Message>>,
}

impl Batch {
    /// A batch whose first message has the position `first`.
    pub fn new(first: u64, messages: Vec<Message>) -> Self {
        let bytes = messages.iter().map(|message| message.weight() as u64).sum();
        Self { first, bytes, since: Uptime::default(), messages: Arc::new(messages) }
    }

    /// The same, taken when the server had run for so long.
    #[must_use]
    pub fn waiting_since(self, since: Uptime) -> Self {
        Self { since, ..self }
    }

    /// How long the server had run when it took these messages. Only what is to be kept says so.
    pub fn since(&self) -> Uptime {
        self.since
    }

    /// What all bodies have together that are kept.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same with a buffer of its own for the bodies, instead of slices of larger ones.
    #[must_use]
    pub fn compact(mut self) -> Self {
        let mut bodies = BytesMut::new();
        self.messages.iter().for_each(|message| bodies.extend_from_slice(&message.body));
        let mut bodies = bodies.freeze();
        for message in Arc::make_mut(&mut self.messages) {
            message.body = bodies.split_to(message.body.len());
        }
        self
    }

    /// The position of the first message.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The position of the last message; one less than [`first`](Self::first) in an empty batch.
    pub fn last(&self) -> u64 {
        self.first + self.messages.len() as u64 - 1
    }

    /// The messages above `position`, in order.
    pub fn after(&self, position: u64) -> &[Message] {
        let known = (position + 1).saturating_sub(self.first);
        let from = usize::try_from(known).unwrap_or(usize::MAX).min(self.messages.len());
        &self.messages[from..]
    }

    /// The same, but of the messages up to a position only the numbers.
    #[must_use]
    pub fn withheld_up_to(&self, position: u64) -> Self {
        let mut messages = self.messages.to_vec();
        let known = (self.first..).zip(&mut messages).take_while(|(it, _)| *it <= position);
        known.for_each(|(_, message)| message.withhold());
        Self::new(self.first, messages).waiting_since(self.since)
    }

    /// The position of the last message that is withheld.
    pub fn last_withheld(&self) -> Option<u64> {
        let all = (self.first..).zip(self.messages.iter());
        all.filter(|(_, message)| message.is_withheld()).map(|(position, _)| position).last()
    }

    /// All messages, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_gives_what_lies_above_a_position() {
        let message = |n| Message::text(1, n, "");
        let batch = Batch::new(5, vec![message(1), message(2), message(3)]);
        assert_eq!((batch.first(), batch.last()), (5, 7));
        for (position, left) in [(0, 3), (4, 3), (5, 2), (7, 0), (u64::MAX - 1, 0)] {
            assert_eq!(batch.after(position).len(), left);
        }
    }
}
