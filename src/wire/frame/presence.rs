//! Whether somebody is there.

use bytes::BytesMut;

use crate::wire::codec::{Part, ProtocolError, Words, put_word};

/// Whether somebody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Signed in.
    Online,
    /// Not signed in.
    Away,
}

impl Presence {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
        }
    }
}

impl Part for Presence {
    type Value = Self;

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        const EXPECTED: &str = "online or away";
        match words.word(EXPECTED)? {
            "online" => Ok(Self::Online),
            "away" => Ok(Self::Away),
            _ => Err(words.bad(EXPECTED)),
        }
    }

    fn put(presence: &Self, out: &mut BytesMut) {
        put_word(out, presence.as_str());
    }
}
