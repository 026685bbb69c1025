//! What a server announces in `WELCOME`, in one table.

use std::fmt::Write as _;

use bytes::BytesMut;

use crate::message::MAX_NAME_CHARS;
use crate::wire::codec::{Part, ProtocolError, Words, number};
use crate::wire::limits::{
    HANDSHAKE_SECONDS, IDLE_AFTER_SECONDS, MAX_BODY, MAX_CONVERSATIONS, MAX_HEADER,
    PING_AFTER_SECONDS,
};

/// The words of `WELCOME`, the fields that they fill, and their defaults.
macro_rules! limits {
    ($($word:literal => $field:ident = $default:expr,)*) => {
        /// What a server announces in `WELCOME`. Bytes, characters, seconds or messages; the
        /// [specification](crate::wire#signing-in) has the words.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs, reason = "the fields are the words of WELCOME, specified there")]
        pub struct Limits {
            $(pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        pub(crate) const LIMIT_WORDS: &[LimitWord] = &[$(($word, |it| &mut it.$field),)*];
    };
}

/// A word and the field that it fills.
type LimitWord = (&'static str, fn(&mut Limits) -> &mut u64);

limits! {
    "body" => body = MAX_BODY as u64,
    "header" => header = MAX_HEADER as u64,
    "name" => name = MAX_NAME_CHARS as u64,
    "conversations" => conversations = MAX_CONVERSATIONS as u64,
    "handshake" => handshake = HANDSHAKE_SECONDS,
    "ping" => ping = PING_AFTER_SECONDS,
    "idle" => idle = IDLE_AFTER_SECONDS,
    "backlog" => backlog = 0,
    "backlog-bytes" => backlog_bytes = 0,
    "recipient" => recipient = 0,
    "recipient-bytes" => recipient_bytes = 0,
    "keep" => keep = 0,
    "file" => file = 0,
}

impl Part for Limits {
    type Value = Self;
    const SPELLED: Option<&'static str> = Some("limits…");

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        let mut limits = Self::default();
        while let Some(word) = words.next() {
            let (key, value) = word.split_once('=').unwrap_or((word, ""));
            // What a later server says is ignored, whatever form it has.
            if let Some((_, field)) = LIMIT_WORDS.iter().find(|(it, _)| *it == key) {
                *field(&mut limits) = number(value).ok_or_else(|| words.bad("word=number"))?;
            }
        }
        Ok(limits)
    }

    fn put(limits: &Self, out: &mut BytesMut) {
        let mut limits = *limits;
        for (word, field) in LIMIT_WORDS {
            // Writing into a growing buffer cannot fail.
            let _ = write!(out, " {word}={}", field(&mut limits));
        }
    }
}
