//! What a mailbox keeps of one session, without the bodies.
//!
//! Owned by whoever asked for it. Invariant: what waits has consecutive positions.

use super::accounts::Accounts;
use crate::message::{Installation, Message, MessageId};

/// What a mailbox keeps of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shelf {
    /// What is known of each installation.
    pub accounts: Accounts,
    /// The position of the last message ever accepted; 0 before the first.
    pub last_position: u64,
    /// What waits, in order, the last at `last_position`.
    pub waiting: Vec<Outline>,
}

/// What of a message its session has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Which one it is.
    pub id: MessageId,
    /// How long its body is, in bytes, or was.
    pub length: usize,
    /// Whether only the number is kept.
    pub is_withheld: bool,
}

impl Outline {
    /// That of a message.
    pub fn of(message: &Message) -> Self {
        let is_withheld = message.is_withheld();
        Self { id: message.id, length: message.length(), is_withheld }
    }
}

/// Messages of one installation with consecutive numbers and positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The position of the first one.
    pub first_position: u64,
    /// The sender's data folder.
    pub installation: Installation,
    /// The number of the first one.
    pub first_n: u64,
    /// How many there are.
    pub count: u64,
}

impl Run {
    /// The position of the last message.
    pub fn last_position(&self) -> u64 {
        self.first_position + self.count - 1
    }

    /// The number of the last message.
    pub fn last_n(&self) -> u64 {
        self.first_n + self.count - 1
    }

    /// Whether a message that takes the next position belongs to this run.
    pub fn is_followed_by(&self, id: MessageId) -> bool {
        self.installation == id.installation && self.first_n + self.count == id.n
    }

    /// Takes away the first messages, at most all of them.
    #[must_use]
    pub fn split_to(&mut self, count: u64) -> Self {
        let count = count.min(self.count);
        let front = Self { count, ..*self };
        self.first_position += count;
        self.first_n += count;
        self.count -= count;
        front
    }
}
