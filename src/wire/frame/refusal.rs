//! Why a message was not taken: the `ERR`s that refuse one. What follows the code differs, so they are read and written
//! by hand.

use bytes::BytesMut;

use crate::message::Name;
use crate::wire::codec::{ListVersion, Ordinal, Part, ProtocolError, Words, line, sentence};

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The backlog is full.
    Full,
    /// The server cannot write to its disk.
    Store,
    /// The person they were for has lost the name.
    Owner,
    /// They were written for another version of the receiver's device list.
    Devices {
        /// The version that it has.
        version: u64,
    },
    /// They came too fast.
    Slow {
        /// When to try again.
        seconds: u64,
    },
}

impl Refusal {
    /// Its code, as scripts read it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Store => "store",
            Self::Owner => "owner",
            Self::Devices { .. } => "devices",
            Self::Slow { .. } => "slow",
        }
    }
}

/// What may follow `ERR`.
pub(super) const FORMS: &[&str] = &[
    "FULL peer n text",
    "STORE peer n text",
    "OWNER peer n text",
    "DEVICES peer n version text",
    "SLOW peer n seconds text",
];

pub(super) fn take(words: &mut Words<'_>) -> Result<(Name, u64, Refusal, String), ProtocolError> {
    let code = words.word("a code")?;
    let peer = Name::take(words)?;
    let n = Ordinal::take(words)?;
    let refusal = match code {
        "FULL" => Refusal::Full,
        "STORE" => Refusal::Store,
        "OWNER" => Refusal::Owner,
        "DEVICES" => Refusal::Devices { version: ListVersion::take(words)? },
        _ => Refusal::Slow { seconds: words.number("seconds")? },
    };
    Ok((peer, n, refusal, words.rest()))
}

pub(super) fn put(out: &mut BytesMut, peer: &Name, n: &u64, refusal: &Refusal, text: &str) {
    let text = sentence(text);
    match refusal {
        Refusal::Full => line(out, format_args!("ERR FULL {peer} {n} {text}")),
        Refusal::Store => line(out, format_args!("ERR STORE {peer} {n} {text}")),
        Refusal::Owner => line(out, format_args!("ERR OWNER {peer} {n} {text}")),
        Refusal::Devices { version } => {
            line(out, format_args!("ERR DEVICES {peer} {n} {version} {text}"));
        }
        Refusal::Slow { seconds } => {
            line(out, format_args!("ERR SLOW {peer} {n} {seconds} {text}"));
        }
    }
}
