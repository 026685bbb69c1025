//! One message: its id, when it was accepted, its kind, and its body.
//!
//! Owned by whoever passes it on. Invariant: a withheld message has no body, only its length.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use smol_str::SmolStr;
use thiserror::Error;

use super::{MessageId, Origin, Timestamp};

/// The most characters that the kind of a message may have.
pub const MAX_KIND_CHARS: usize = 16;

/// What a body is: `text`, or a word that clients agree upon. Opaque to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind(SmolStr);

impl Kind {
    /// UTF-8 text for a person to read.
    pub const TEXT: Self = Self(SmolStr::new_static("text"));

    /// Of what its receiver did not want: neither kind nor body were kept. No text is parsed to it.
    const WITHHELD: Self = Self(SmolStr::new_static(""));

    /// What there is to know of a file that waits elsewhere.
    pub const FILE: Self = Self(SmolStr::new_static("file"));

    /// A message of another kind that its receiver alone can open.
    pub const SEAL: Self = Self(SmolStr::new_static("seal"));

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is not a [`Kind`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a kind has 1 to {MAX_KIND_CHARS} lower-case ASCII letters, digits or '-'")]
pub struct KindError;

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text == Self::TEXT.as_str() {
            return Ok(Self::TEXT);
        }
        if !(1..=MAX_KIND_CHARS).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(KindError);
        }
        Ok(Self(SmolStr::new(text)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message as a server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who made it, and which one it is.
    pub id: MessageId,
    /// What it is called for life. Of a withheld one it means nothing.
    pub origin: Origin,
    /// When the server took it.
    pub time: Timestamp,
    /// What the body is.
    pub kind: Kind,
    /// What was written.
    pub body: Bytes,
}

impl Message {
    /// A message of which only the number is kept, and how long its body was: it may expire, and never be
    /// delivered.
    pub fn withheld(id: MessageId, time: Timestamp, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let body = Bytes::copy_from_slice(&length.to_be_bytes());
        Self { id, origin: Origin::of(id), time, kind: Kind::WITHHELD, body }
    }

    /// A message as it was kept: without a kind if it is withheld.
    pub(crate) fn kept(
        id: MessageId,
        origin: Origin,
        time: Timestamp,
        kind: Option<Kind>,
        body: Bytes,
    ) -> Self {
        Self { id, origin, time, kind: kind.unwrap_or(Kind::WITHHELD), body }
    }

    /// A text that was taken at the time of its number.
    #[cfg(test)]
    pub(crate) fn text(installation: u64, n: u64, body: impl Into<Bytes>) -> Self {
        let id = MessageId { installation: super::Installation::from_u64(installation), n };
        Self { id, origin: Origin::of(id), time: Timestamp(n), kind: Kind::TEXT, body: body.into() }
    }

    /// Whether only the number is kept.
    pub fn is_withheld(&self) -> bool {
        self.kind == Kind::WITHHELD
    }

    /// Has only the number be kept.
    pub fn withhold(&mut self) {
        if !self.is_withheld() {
            *self = Self::withheld(self.id, self.time, self.body.len());
        }
    }

    /// How long the body is that was sent, whether it is kept or not.
    pub fn length(&self) -> usize {
        if self.is_withheld() { withheld_length(&self.body) } else { self.body.len() }
    }

    /// How much of the body is kept, in bytes.
    pub fn weight(&self) -> usize {
        if self.is_withheld() { 0 } else { self.body.len() }
    }
}

/// How long the body was of a message that is withheld, from what stands in its place. 0 if an earlier version has
/// withheld it.
pub(crate) fn withheld_length(body: &[u8]) -> usize {
    <[u8; 4]>::try_from(body).map_or(0, |length| u32::from_be_bytes(length) as usize)
}
