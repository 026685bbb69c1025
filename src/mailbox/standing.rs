//! What people think of those who write to them, as a mailbox keeps it.
//!
//! Plain values. Invariant: whoever is thought nothing of has no standing.

/// What somebody thinks of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// They are wanted.
    Accepted,
    /// They are not heard.
    Blocked,
    /// Blocked, and accepted before: their quota stays as it was, or they could tell.
    BlockedFriend,
}

impl Standing {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Accepted, Self::Blocked, Self::BlockedFriend];

    /// Whether they are blocked.
    pub fn is_blocked(self) -> bool {
        matches!(self, Self::Blocked | Self::BlockedFriend)
    }

    /// Whether they are accepted, or were until they were blocked.
    pub fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::BlockedFriend)
    }
}
