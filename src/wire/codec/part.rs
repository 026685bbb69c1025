//! The parts of a frame: how each kind of word, and a body, is read and written.
//!
//! Pure. Invariant: what is written can be read back. Parts that only one table uses are beside it.

use std::fmt::Write as _;

use bytes::{BufMut, Bytes, BytesMut};
use smol_str::SmolStr;

use super::error::ProtocolError;
use super::words::{Words, put_body, sentence};
use crate::message::{BlobId, Installation, Kind, Name, Origin};
use crate::trust::{Invite, Ticket};
use crate::wire::codes::{ByeReason, ErrorCode, FileError};
use crate::wire::limits::{NONCE_DIGITS, VERSION};

/// How a field of a frame is read and written: mostly the field's own type.
pub(crate) trait Part {
    /// The field's type.
    type Value;

    /// Its name in the specification, if it is not the field's.
    const SPELLED: Option<&'static str> = None;

    /// Whether it may be missing.
    const OPTIONAL: bool = false;

    /// The longest body, of a part that is one. Such a part is a frame's last one.
    const BODY: Option<usize> = None;

    /// Takes its words, and its body.
    fn take(words: &mut Words<'_>) -> Result<Self::Value, ProtocolError>;

    /// Appends its words, each after a space.
    fn put(value: &Self::Value, out: &mut BytesMut);

    /// Appends its body.
    fn put_body(_: &Self::Value, _: &mut BytesMut) {}
}

/// The version, on which everything else on the line depends.
pub(crate) enum Version {}

impl Part for Version {
    type Value = ();
    const SPELLED: Option<&'static str> = Some(VERSION);

    fn take(words: &mut Words<'_>) -> Result<(), ProtocolError> {
        let version = words.word("a version")?;
        if version != VERSION {
            // Another version may have other words: the rest means nothing here.
            let shown: String = version.chars().take(24).collect();
            return Err(ProtocolError::Version(shown.into()));
        }
        Ok(())
    }

    fn put((): &(), out: &mut BytesMut) {
        put_word(out, VERSION);
    }
}

impl Part for Name {
    type Value = Self;

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        words.name()
    }

    fn put(name: &Self, out: &mut BytesMut) {
        put_word(out, name.as_str());
    }
}

/// Words that a type parses and displays, and the error if one is missing.
macro_rules! parsed {
    ($($part:ty: $type:ty = $expected:literal,)*) => {$(
        impl Part for $part {
            type Value = $type;

            fn take(words: &mut Words<'_>) -> Result<$type, ProtocolError> {
                words.parse($expected)
            }

            fn put(value: &$type, out: &mut BytesMut) {
                // Writing into a growing buffer cannot fail.
                let _ = write!(out, " {value}");
            }
        }
    )*};
}

/// The word of an [`Invite`].
pub(crate) enum Invitation {}

/// The word of a [`Ticket`].
pub(crate) enum TicketWord {}

parsed! {
    BlobId: BlobId = "the id of a file",
    Installation: Installation = "an installation",
    Invitation: Invite = "an invitation",
    Kind: Kind = "a kind",
    TicketWord: Ticket = "a ticket",
}

impl Part for Origin {
    type Value = Self;

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        const EXPECTED: &str = "an origin";
        words.word_of(Self::DIGITS, EXPECTED)?.parse().map_err(|_| words.bad(EXPECTED))
    }

    fn put(origin: &Self, out: &mut BytesMut) {
        out.put_slice(&origin.spaced()[..=Self::DIGITS]);
    }
}

impl<P: Part> Part for Option<P> {
    type Value = Option<P::Value>;
    const SPELLED: Option<&'static str> = P::SPELLED;
    const OPTIONAL: bool = true;

    fn take(words: &mut Words<'_>) -> Result<Self::Value, ProtocolError> {
        if words.is_at_end() { Ok(None) } else { P::take(words).map(Some) }
    }

    fn put(value: &Self::Value, out: &mut BytesMut) {
        if let Some(value) = value {
            P::put(value, out);
        }
    }
}

/// Words that are passed on unread, and the error if one is missing.
macro_rules! unread {
    ($($(#[$doc:meta])* $part:ident = $expected:literal,)*) => {$(
        $(#[$doc])*
        pub(crate) enum $part {}

        impl Part for $part {
            type Value = SmolStr;

            fn take(words: &mut Words<'_>) -> Result<SmolStr, ProtocolError> {
                Ok(words.word($expected)?.into())
            }

            fn put(word: &SmolStr, out: &mut BytesMut) {
                put_word(out, word);
            }
        }
    )*};
}

unread! {
    /// A public key that is not checked yet.
    KeyWord = "a public key",
}

/// What is signed once: [`NONCE_DIGITS`] lower-case hexadecimal digits.
pub(crate) enum Nonce {}

impl Part for Nonce {
    type Value = SmolStr;

    fn take(words: &mut Words<'_>) -> Result<SmolStr, ProtocolError> {
        const EXPECTED: &str = "a nonce of 64 lower-case hexadecimal digits";
        let nonce = words.word(EXPECTED)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_one = nonce.len() == NONCE_DIGITS && nonce.bytes().all(is_digit);
        is_one.then(|| nonce.into()).ok_or_else(|| words.bad(EXPECTED))
    }

    fn put(nonce: &SmolStr, out: &mut BytesMut) {
        put_word(out, nonce);
    }
}

/// Numbers from a minimum on, and the error if one is missing.
macro_rules! numbers {
    ($($(#[$doc:meta])* $part:ident = $expected:literal from $least:literal,)*) => {$(
        $(#[$doc])*
        pub(crate) enum $part {}

        impl Part for $part {
            type Value = u64;

            fn take(words: &mut Words<'_>) -> Result<u64, ProtocolError> {
                words.number_from($least, $expected)
            }

            fn put(number: &u64, out: &mut BytesMut) {
                put_word(out, itoa::Buffer::new().format(*number));
            }
        }
    )*};
}

numbers! {
    /// Any number.
    Number = "a number" from 0,
    /// The number of a message.
    Ordinal = "a number from 1" from 1,
    /// How many there are.
    Count = "a count" from 0,
    /// How many bytes there are.
    Size = "a size" from 0,
    /// The version of a device list; 0 if there is none.
    ListVersion = "the version of a list" from 0,
    /// A position in a file.
    Offset = "an offset" from 0,
}

/// Codes: every word is one, if only an unknown one.
macro_rules! codes {
    ($($part:ty = $expected:literal,)*) => {$(
        impl Part for $part {
            type Value = Self;

            fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
                Ok(Self::from_word(words.word($expected)?))
            }

            fn put(code: &Self, out: &mut BytesMut) {
                put_word(out, code.as_str());
            }
        }
    )*};
}

codes! {
    ErrorCode = "a code",
    FileError = "a code",
    ByeReason = "a reason",
}

/// The rest of the line, for a person to read. It is truncated when it is written, if it is too long.
pub(crate) enum Sentence {}

impl Part for Sentence {
    type Value = String;

    fn take(words: &mut Words<'_>) -> Result<String, ProtocolError> {
        Ok(words.rest())
    }

    fn put(text: &String, out: &mut BytesMut) {
        put_word(out, &sentence(text));
    }
}

/// A body of at most `LIMIT` bytes: its length is on the line, and the body follows it.
pub(crate) enum Body<const LIMIT: usize> {}

impl<const LIMIT: usize> Part for Body<LIMIT> {
    type Value = Bytes;
    const SPELLED: Option<&'static str> = Some("length");
    const BODY: Option<usize> = Some(LIMIT);

    fn take(words: &mut Words<'_>) -> Result<Bytes, ProtocolError> {
        words.body()
    }

    fn put(bytes: &Bytes, out: &mut BytesMut) {
        put_length(out, bytes.len());
    }

    fn put_body(bytes: &Bytes, out: &mut BytesMut) {
        put_body(out, bytes);
    }
}

/// Appends a word after a space.
pub(crate) fn put_word(out: &mut BytesMut, word: &str) {
    out.put_u8(b' ');
    out.put_slice(word.as_bytes());
}

/// Appends the length of a body after a space.
pub(crate) fn put_length(out: &mut BytesMut, length: usize) {
    put_word(out, itoa::Buffer::new().format(length));
}
