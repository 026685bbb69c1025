//! Why a message was not taken: the `ERR`s that refuse one. What follows their code is not the same for all of them, so
//! they are read and written by hand.

use bytes::BytesMut;

use crate::message::Name;
use crate::wire::codec::{Ordinal, Part, ProtocolError, Words, line, sentence};

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The backlog is full.
    Full,
    /// The server cannot write to its disk.
    Store,
    /// The name was taken from whom they were for.
    Owner,
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
            Self::Slow { .. } => "slow",
        }
    }
}

/// What stands behind `ERR`.
pub(super) const FORMS: &[&str] =
    &["FULL peer n text", "STORE peer n text", "OWNER peer n text", "SLOW peer n seconds text"];

pub(super) fn take(words: &mut Words<'_>) -> Result<(Name, u64, Refusal, String), ProtocolError> {
    let code = words.word("a code")?;
    let peer = Name::take(words)?;
    let n = Ordinal::take(words)?;
    let refusal = match code {
        "FULL" => Refusal::Full,
        "STORE" => Refusal::Store,
        "OWNER" => Refusal::Owner,
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
        Refusal::Slow { seconds } => {
            line(out, format_args!("ERR SLOW {peer} {n} {seconds} {text}"));
        }
    }
}
