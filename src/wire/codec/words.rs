//! The words of a header line: how they are taken from one, and put on one.
//!
//! Pure. Invariant: what is put on a line can be taken from it, and has no control character.

use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};

use super::error::ProtocolError;
use crate::wire::limits::{MAX_NUMBER, MAX_SENTENCE};

/// The first word of a line, and what follows the space behind it. Words are short: looking at each
/// byte is quicker than what is made for long texts.
pub(super) fn split_word(line: &str) -> (&str, Option<&str>) {
    match line.bytes().position(|byte| byte == b' ') {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    }
}

/// The words behind a verb, taken one by one, and the body behind them.
pub(crate) struct Words<'a> {
    verb: &'static str,
    /// None at the end; an empty rest has one empty word.
    rest: Option<&'a str>,
    body: Bytes,
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
    pub(super) fn behind(verb: &'static str, line: &'a str, body: Bytes) -> Self {
        Self { verb, rest: split_word(line).1, body }
    }

    /// The next word, of which is said what was expected if there is none.
    pub(crate) fn word(&mut self, expected: &'static str) -> Result<&'a str, ProtocolError> {
        match self.next() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(self.bad(expected)),
        }
    }

    pub(crate) fn parse<T: FromStr>(&mut self, expected: &'static str) -> Result<T, ProtocolError> {
        self.word(expected)?.parse().map_err(|_| self.bad(expected))
    }

    pub(crate) fn number(&mut self, expected: &'static str) -> Result<u64, ProtocolError> {
        number(self.word(expected)?).ok_or_else(|| self.bad(expected))
    }

    pub(crate) fn number_from(
        &mut self,
        least: u64,
        expected: &'static str,
    ) -> Result<u64, ProtocolError> {
        match self.number(expected)? {
            number if number < least => Err(self.bad(expected)),
            number => Ok(number),
        }
    }

    /// All that is left of the line.
    pub(crate) fn rest(&mut self) -> String {
        self.rest.take().unwrap_or_default().to_owned()
    }

    /// The body, whose length is the last word.
    pub(crate) fn body(&mut self) -> Result<Bytes, ProtocolError> {
        self.word("a length")?;
        Ok(std::mem::take(&mut self.body))
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_none()
    }

    pub(crate) fn end(&self) -> Result<(), ProtocolError> {
        if self.is_at_end() { Ok(()) } else { Err(self.bad("the end of the line")) }
    }

    /// What is said where something else was expected.
    #[cold]
    pub(crate) fn bad(&self, word: &'static str) -> ProtocolError {
        ProtocolError::BadWord { verb: self.verb, word }
    }
}

/// Decimal digits without a sign or a leading zero, at most [`MAX_NUMBER`].
pub(crate) fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten().filter(|number| *number <= MAX_NUMBER)
}

/// Ends words as a header line.
pub(crate) fn line(out: &mut BytesMut, words: std::fmt::Arguments<'_>) {
    // Writing into a growing buffer cannot fail.
    let _ = out.write_fmt(words);
    out.put_slice(b"\r\n");
}

/// A sentence that fits on a header line whatever it was made from: no control character, at most
/// [`MAX_SENTENCE`] bytes.
pub(crate) fn sentence(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(MAX_SENTENCE));
    clean
}

/// Puts a body behind its header line.
pub(crate) fn put_body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}
