//! How much waits, in messages and in bytes of their bodies.
//!
//! Owned by whoever counts. Invariant: a message that is withheld has no bytes.

use std::iter::Sum;
use std::ops::{AddAssign, SubAssign};

use crate::message::Batch;

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

impl AddAssign for Usage {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Usage {
    fn sub_assign(&mut self, other: Self) {
        self.messages = self.messages.saturating_sub(other.messages);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

/// How much more fits into a limit, when one message is to be given in any case.
pub(super) struct Room {
    limit: Usage,
    taken: Usage,
}

impl Room {
    pub(super) fn new(limit: Usage) -> Self {
        Self { limit, taken: Usage::default() }
    }

    /// Whether the next message fits; then it is taken.
    pub(super) fn takes(&mut self, length: usize) -> bool {
        self.takes_all(Usage::one(length))
    }

    /// Whether the next messages fit; then all of them are taken.
    pub(super) fn takes_all(&mut self, next: Usage) -> bool {
        let is_first = self.taken.is_empty();
        self.taken += next;
        let Usage { messages, bytes } = self.limit;
        is_first || (self.taken.messages <= messages && self.taken.bytes <= bytes)
    }
}
