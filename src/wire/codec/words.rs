//! The words of a header line: how they are taken from one, and put on one.
//!
//! Pure. Invariant: what is put on a line can be taken from it, and has no control character.

use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{BufMut, BytesMut};

use super::error::ProtocolError;
use crate::message::Name;
use crate::wire::limits::{MAX_NUMBER, MAX_SENTENCE};

/// The first word of a line, and what follows the space behind it. Words are short: looking at each
/// byte is quicker than what is made for long texts.
pub(super) fn split_word(line: &str) -> (&str, Option<&str>) {
    match line.bytes().position(|byte| byte == b' ') {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    }
}

/// The words behind a verb, taken one by one.
pub struct Words<'a> {
    verb: &'static str,
    /// None at the end; an empty rest has one empty word.
    rest: Option<&'a str>,
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let (word, rest) = split_word(self.rest?);
        self.rest = rest;
        Some(word)
    }
}

impl<'a> Words<'a> {
    pub(super) fn behind(verb: &'static str, line: &'a str) -> Self {
        Self { verb, rest: split_word(line).1 }
    }

    /// The next word, which is to be of this kind.
    pub(in crate::wire) fn word(&mut self, kind: &'static str) -> Result<&'a str, ProtocolError> {
        match self.next() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(self.bad(kind)),
        }
    }

    pub(in crate::wire) fn parse<T: FromStr>(
        &mut self,
        kind: &'static str,
    ) -> Result<T, ProtocolError> {
        self.word(kind)?.parse().map_err(|_| self.bad(kind))
    }

    /// The same for a word that may be missing.
    pub(in crate::wire) fn optional<T: FromStr>(
        &mut self,
        kind: &'static str,
    ) -> Result<Option<T>, ProtocolError> {
        if self.rest.is_some() { self.parse(kind).map(Some) } else { Ok(None) }
    }

    pub(in crate::wire) fn name(&mut self) -> Result<Name, ProtocolError> {
        Ok(self.word("a name")?.parse()?)
    }

    pub(in crate::wire) fn number(&mut self, kind: &'static str) -> Result<u64, ProtocolError> {
        number(self.word(kind)?).ok_or_else(|| self.bad(kind))
    }

    /// A number that counts from 1.
    pub(in crate::wire) fn ordinal(&mut self, kind: &'static str) -> Result<u64, ProtocolError> {
        match self.number(kind)? {
            0 => Err(self.bad(kind)),
            n => Ok(n),
        }
    }

    /// The rest of the line.
    pub(in crate::wire) fn sentence(&mut self) -> String {
        self.rest.take().unwrap_or_default().to_owned()
    }

    pub(in crate::wire) fn end(&mut self) -> Result<(), ProtocolError> {
        if self.rest.is_some() { Err(self.bad("the end of the line")) } else { Ok(()) }
    }

    /// What is said where a word of some kind was expected.
    #[cold]
    pub(in crate::wire) fn bad(&self, word: &'static str) -> ProtocolError {
        ProtocolError::BadWord { verb: self.verb, word }
    }
}

/// Decimal digits without a sign or a leading zero, at most [`MAX_NUMBER`].
pub(in crate::wire) fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten().filter(|number| *number <= MAX_NUMBER)
}

/// Ends words as a header line.
pub(in crate::wire) fn line(out: &mut BytesMut, words: std::fmt::Arguments<'_>) {
    // Writing into a growing buffer cannot fail.
    let _ = out.write_fmt(words);
    out.put_slice(b"\r\n");
}

/// A sentence that fits on a header line whatever it was made from: no control character, at most
/// [`MAX_SENTENCE`] bytes.
pub(in crate::wire) fn sentence(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(MAX_SENTENCE));
    clean
}

/// Puts a body behind its header line.
pub(in crate::wire) fn body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}
