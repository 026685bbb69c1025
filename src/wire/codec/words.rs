//! The words of a header line: reading and writing them.
//!
//! Pure. Invariant: what is written on a line can be read from it, and has no control character.

use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};

use super::error::ProtocolError;
use crate::message::Name;
use crate::wire::limits::{MAX_NUMBER, MAX_REPEATED, MAX_SENTENCE};

/// The first word of a line, and what follows the space after it. Words are short: a loop over the bytes is faster than
/// a search made for long texts.
pub(super) fn split_word(line: &str) -> (&str, Option<&str>) {
    match line.bytes().position(|byte| byte == b' ') {
        Some(space) => (&line[..space], Some(&line[space + 1..])),
        None => (line, None),
    }
}

/// The words after a verb, taken one by one, and the body after them.
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

    /// The next word; if there is none the error says what was expected.
    pub(crate) fn word(&mut self, expected: &'static str) -> Result<&'a str, ProtocolError> {
        match self.next() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(self.bad(expected)),
        }
    }

    /// The next word, of so many bytes: its end need not be searched for. One of another length is found as any other.
    pub(crate) fn word_of(
        &mut self,
        length: usize,
        expected: &'static str,
    ) -> Result<&'a str, ProtocolError> {
        match self.rest {
            Some(rest) if rest.as_bytes().get(length) == Some(&b' ') => {
                self.rest = Some(&rest[length + 1..]);
                Ok(&rest[..length])
            }
            _ => self.word(expected),
        }
    }

    pub(crate) fn parse<T: FromStr>(&mut self, expected: &'static str) -> Result<T, ProtocolError> {
        self.word(expected)?.parse().map_err(|_| self.bad(expected))
    }

    /// A name. The error repeats the word, so that whoever said it can tell which one is meant.
    pub(crate) fn name(&mut self) -> Result<Name, ProtocolError> {
        let word = self.word("a name")?;
        self.as_name(word)
    }

    /// The same of a word that was taken already.
    pub(crate) fn as_name(&self, word: &str) -> Result<Name, ProtocolError> {
        word.parse().map_err(|error| {
            let word = word[..word.floor_char_boundary(MAX_REPEATED)].into();
            ProtocolError::Name { verb: self.verb, word, error }
        })
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

    /// The error if something else was expected.
    #[cold]
    pub(crate) fn bad(&self, word: &'static str) -> ProtocolError {
        ProtocolError::BadWord { verb: self.verb, word }
    }
}

/// Decimal digits without a sign or a leading zero, at most [`MAX_NUMBER`].
pub(crate) fn number(word: &str) -> Option<u64> {
    if word.is_empty() || (word.len() > 1 && word.starts_with('0')) {
        return None;
    }
    // One pass: most words of a header are short numbers.
    let read = |number: u64, byte: u8| match byte {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add((byte - b'0').into()),
        _ => None,
    };
    word.bytes().try_fold(0, read).filter(|number| *number <= MAX_NUMBER)
}

/// Ends words as a header line.
pub(crate) fn line(out: &mut BytesMut, words: std::fmt::Arguments<'_>) {
    // Writing into a growing buffer cannot fail.
    let _ = out.write_fmt(words);
    out.put_slice(b"\r\n");
}

/// A sentence that fits on a header line, whatever it was made from: no control character, at most [`MAX_SENTENCE`]
/// bytes.
pub(crate) fn sentence(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(MAX_SENTENCE));
    clean
}

/// Appends a body to its header line.
pub(crate) fn put_body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}
