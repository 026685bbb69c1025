//! What commands about people came to.
//!
//! Owned by nobody. Pure.

use crate::trust::Fingerprint;

/// What a [`Command::Block`](super::Command::Block) changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is so from now on.
    Made,
    /// It was so before.
    None,
    /// It is so; how it was before is not known, for an earlier answer was lost.
    Unknown,
    /// The server is away: it is told when it comes back.
    Later,
}

/// What a [`Command::Trust`](super::Command::Trust) came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This key is trusted from now on, and no longer another one.
    Accepted(Fingerprint),
    /// Nobody has the name any more, and the key that was trusted is not. Whoever claims it is trusted.
    Released,
    /// This one is trusted already, and the server was not heard to have another.
    Unchanged(Fingerprint),
    /// Something was said with them, but the server was not heard to have a key of theirs.
    Unknown,
    /// Nothing was ever said with them, and no key of theirs is known.
    Stranger,
    /// It is one's own name.
    Oneself,
}

impl Trust {
    /// The key that is trusted from now on.
    pub fn accepted(self) -> Option<Fingerprint> {
        match self {
            Self::Accepted(key) => Some(key),
            _ => None,
        }
    }
}
