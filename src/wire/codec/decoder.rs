//! Bytes to frames.
//!
//! A [`Decoder`] is fed what a read brought and returns complete frames; "need more" is not an error. Every length is
//! checked before the bytes after it are waited for, so a decoder never holds more than one frame's limit besides what
//! it was fed last. Verbs are data: a table for each direction says which verbs there are, how long their bodies may be
//! and what parses them.

use std::marker::PhantomData;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use super::error::ProtocolError;
use super::table::{Frame, Verb};
use super::words::{Words, number, split_word};
use crate::wire::limits::MAX_HEADER;

/// Turns bytes into frames.
#[derive(Debug)]
pub struct Decoder<F> {
    /// Begins with a complete frame, or is empty. The bodies of frames are slices of it.
    whole: Bytes,
    /// Its original length.
    chunk: usize,
    /// An incomplete frame, if `whole` is empty.
    begun: BytesMut,
    frames: PhantomData<fn() -> F>,
}

impl<F> Default for Decoder<F> {
    fn default() -> Self {
        Self { whole: Bytes::new(), chunk: 0, begun: BytesMut::new(), frames: PhantomData }
    }
}

/// The extent of a frame at the beginning of some bytes.
struct Measured<'a, F: 'static> {
    verb: &'static Verb<F>,
    line: &'a str,
    body: Range<usize>,
    end: usize,
}

impl<F: Frame> Decoder<F> {
    /// Takes what a read brought. To be called only when [`decode`](Self::decode) wants more, which keeps the decoder
    /// within its bound.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(&std::mem::take(&mut self.whole));
        self.begun.extend_from_slice(bytes);
    }

    /// The next frame, or `None` if it is incomplete. After a fatal error the decoder is useless.
    pub fn decode(&mut self) -> Result<Option<F>, ProtocolError> {
        if self.whole.is_empty() {
            // An idle connection holds no buffer.
            if self.begun.is_empty() || measure::<F>(&self.begun)?.is_none() {
                return Ok(None);
            }
            self.whole = std::mem::take(&mut self.begun).freeze();
            self.chunk = self.whole.len();
        }
        let Some(Measured { verb, line, body, end }) = measure::<F>(&self.whole)? else {
            self.begun = BytesMut::from(&*std::mem::take(&mut self.whole));
            return Ok(None);
        };
        let frame = if verb.body.is_some() && !self.whole[body.end..].starts_with(b"\r\n") {
            Err(ProtocolError::BodyUnterminated { verb: verb.word })
        } else {
            (verb.parse)(&mut Words::behind(verb.word, line, self.whole.slice(body)))
        };
        if end < self.whole.len() {
            self.whole.advance(end);
        } else {
            self.whole = Bytes::new();
        }
        frame.map(Some)
    }

    /// Decodes the rest as frames of another kind.
    pub fn switch<G>(self) -> Decoder<G> {
        let Self { whole, chunk, begun, .. } = self;
        Decoder { whole, chunk, begun, frames: PhantomData }
    }

    /// How many bytes that were fed are not decoded yet.
    pub fn remaining(&self) -> usize {
        self.whole.len() + self.begun.len()
    }

    /// The size of the buffer that the last frame's body is a slice of.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Whether the bytes so far end with a complete frame.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }
}

/// Looks for a complete frame. None if it is incomplete.
fn measure<F: Frame>(bytes: &[u8]) -> Result<Option<Measured<'_, F>>, ProtocolError> {
    let head = &bytes[..bytes.len().min(MAX_HEADER)];
    let header = match memchr(b'\n', head) {
        Some(end) => end + 1,
        None if head.len() == MAX_HEADER => return Err(ProtocolError::LineTooLong),
        None => return Ok(None),
    };
    let line = as_line(&head[..header])?;
    let verb = find_verb::<F>(line)?;
    let (body, end) = match verb.body {
        None => (header..header, header),
        Some(limit) => {
            let end = header + body_length(verb.word, line, limit)?;
            (header..end, end + 2)
        }
    };
    Ok((end <= bytes.len()).then_some(Measured { verb, line, body, end }))
}

fn as_line(header: &[u8]) -> Result<&str, ProtocolError> {
    let line = header.strip_suffix(b"\r\n").ok_or(ProtocolError::ControlCharacter)?;
    let line = std::str::from_utf8(line).map_err(|_| ProtocolError::NotUtf8)?;
    // All bytes of a line are looked at, many at once: nearly none has such a character.
    let has_ascii_control = line.bytes().fold(false, |has, byte| has | byte.is_ascii_control());
    let has_control = has_ascii_control || !line.is_ascii() && line.chars().any(char::is_control);
    if has_control { Err(ProtocolError::ControlCharacter) } else { Ok(line) }
}

fn find_verb<F: Frame>(line: &str) -> Result<&'static Verb<F>, ProtocolError> {
    let (word, rest) = split_word(line);
    F::VERBS.iter().find(|verb| verb.word == word && verb.is_meant(rest)).ok_or_else(|| {
        let shown: String = word.chars().take(24).collect();
        ProtocolError::UnknownVerb(shown.into())
    })
}

fn body_length(verb: &'static str, line: &str, limit: usize) -> Result<usize, ProtocolError> {
    let last = line.bytes().rposition(|byte| byte == b' ').map_or(0, |space| space + 1);
    let word = &line[last..];
    let length = number(word).ok_or(ProtocolError::BadWord { verb, word: "a length" })?;
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(length),
        _ => Err(ProtocolError::BodyTooLong { verb, length, limit }),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;
