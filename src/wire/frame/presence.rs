//! Whether somebody is there, as a client says it of its person, and the server of others.

use bytes::BytesMut;

use crate::wire::codec::{Part, ProtocolError, Words, put_word};

/// Whether somebody is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Signed in, and there.
    Online,
    /// Not signed in; or only a program is, which nobody sits at.
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
