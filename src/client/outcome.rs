//! Results of commands about people.
//!
//! Owned by nobody. Pure.

use crate::message::Name;
use crate::trust::{Fingerprint, Pair};

/// The answer to a [`Command::Key`](super::Command::Key).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAnswer {
    /// Whose key was asked for.
    pub name: Name,
    /// The key; none if nobody has the name, or if nothing is known of it.
    pub key: Option<Fingerprint>,
    /// If not, then the server is away, and this is what it said last.
    pub current: bool,
    /// Both people with their keys, whose digits can be compared; none if it is one's own key.
    pub pair: Option<Pair>,
    /// The person who uses this client has made sure of the key.
    pub verified: bool,
}

/// What a [`Command::Block`](super::Command::Block) changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is so from now on.
    Made,
    /// It was so before.
    None,
    /// It is so; whether it was so before is unknown, because an earlier answer was lost.
    Unknown,
    /// The server is away: it is told when it comes back.
    Later,
}

/// The result of a [`Command::Trust`](super::Command::Trust) or [`Command::Release`](super::Command::Release).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// This key is trusted from now on, and no longer another one.
    Accepted(Fingerprint),
    /// Nobody has the name any more, and the key that was trusted is not. Whoever claims it is trusted.
    Released,
    /// Another key would be trusted, but theirs was verified: that needs the other one's digits, with
    /// [`Command::Verify`](super::Command::Verify).
    Verified,
    /// Nobody has the name any more, but their key was verified: that needs [`Command::Release`](super::Command::Release).
    VerifiedGone,
    /// The server has not said that nobody has the name.
    Somebody,
    /// The device list that the server shows is believed from now on, and no longer another one.
    List,
    /// This one is trusted already, and the server has not shown another.
    Unchanged(Fingerprint),
    /// Messages were exchanged, but the server has not shown a key of theirs.
    Unknown,
    /// No messages were ever exchanged, and no key of theirs is known.
    Stranger,
    /// It is one's own name.
    Oneself,
}

/// The result of a [`Command::Verify`](super::Command::Verify).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// This key, which was trusted before, is verified.
    Verified(Fingerprint),
    /// This key, which the server shows, is verified and trusted from now on, and no longer another one.
    Accepted(Fingerprint),
    /// These are the digits of the trusted key, and the server shows another one. Nothing was changed.
    Former,
    /// These are the digits of no key that is known of them. Nothing was changed.
    Different,
    /// No key of theirs is known.
    Unknown,
    /// It is one's own name.
    Oneself,
}

/// Why a device list that the server shows of somebody is not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants name")]
pub enum Doubt {
    /// It is another one than the known one with the same version.
    Other { version: u64 },
    /// It is signed, and not with the trusted key. There is nothing to accept.
    Signer { key: Option<Fingerprint>, signer: Fingerprint },
    /// It is older than the known one, which the server does not take back. If there is none any more, there is nothing
    /// to accept.
    Older { shown: u64, known: u64, because: String },
    /// It is no list of theirs for this server. There is nothing to accept.
    Invalid { because: String },
}

impl Trust {
    /// Whether it is refused, so that what is held stays held.
    pub(crate) fn is_refused(self) -> bool {
        matches!(self, Self::Verified | Self::VerifiedGone | Self::Somebody)
    }

    /// The key that is trusted from now on.
    pub fn accepted(self) -> Option<Fingerprint> {
        match self {
            Self::Accepted(key) => Some(key),
            _ => None,
        }
    }
}
