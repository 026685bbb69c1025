//! Bytes to frames and back: the grammar of `tinychat/1`, without any I/O.
//!
//! A [`Decoder`] is fed whatever a read brought and gives whole frames; "need more" is not an error.
//! Every length is checked before the bytes behind it are waited for, so a decoder never holds more
//! than one frame's limit beside what it was fed last. Verbs are data: a table for each direction
//! says which verbs there are, how long their bodies may be and what parses them.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::str::{FromStr, Split};

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memchr;
use smol_str::SmolStr;
use thiserror::Error;

use super::frame::{ErrorCode, Presence};
use super::{MAX_HEADER, MAX_NUMBER, VERSION};
use crate::message::{Name, NameError};

/// Bytes that are not a frame. Says what to answer ([`code`](Self::code)) and whether the stream
/// can be trusted afterwards ([`is_fatal`](Self::is_fatal)).
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ProtocolError {
    #[error("a header line has at most {MAX_HEADER} bytes")]
    LineTooLong,
    #[error("a header line ends with CR LF and has no other control character")]
    ControlCharacter,
    #[error("a header line is UTF-8")]
    NotUtf8,
    #[error("there is no verb {0:?} in {VERSION}")]
    UnknownVerb(SmolStr),
    #[error("{verb} is not followed by the words that it takes: {word} expected")]
    BadWord { verb: &'static str, word: &'static str },
    #[error("a body of {verb} has at most {limit} bytes, not {length}")]
    BodyTooLong { verb: &'static str, length: u64, limit: usize },
    #[error("the body of {verb} is not followed by CR LF where its length says that it ends")]
    BodyUnterminated { verb: &'static str },
    #[error("this server speaks {VERSION}, not {0:?}")]
    Version(SmolStr),
    #[error("{0}")]
    Name(#[from] NameError),
}

impl ProtocolError {
    /// What to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::LineTooLong => ErrorCode::Line,
            Self::UnknownVerb(_) => ErrorCode::Verb,
            Self::BodyTooLong { .. } => ErrorCode::Body,
            Self::Version(_) => ErrorCode::Version,
            Self::Name(_) => ErrorCode::Name,
            _ => ErrorCode::Bad,
        }
    }

    /// Whether nobody can know any more where the next frame begins. Otherwise exactly the bad
    /// frame was consumed.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Name(_))
    }
}

/// What one side may say: [`ClientFrame`](super::frame::ClientFrame) or
/// [`ServerFrame`](super::frame::ServerFrame).
pub trait Frame: Sized + 'static {
    /// Every verb of this direction, the most frequent first.
    const VERBS: &'static [Verb<Self>];

    /// Appends the frame's bytes to `out`.
    fn encode(&self, out: &mut BytesMut);
}

/// One row of a direction's table.
pub struct Verb<F> {
    pub(super) word: &'static str,
    /// The longest body, for a verb that has one.
    pub(super) body: Option<usize>,
    pub(super) parse: fn(&mut Words<'_>, Bytes) -> Result<F, ProtocolError>,
}

/// Turns bytes into frames.
#[derive(Debug)]
pub struct Decoder<F> {
    buffer: BytesMut,
    frames: PhantomData<fn() -> F>,
}

impl<F> Default for Decoder<F> {
    fn default() -> Self {
        Self { buffer: BytesMut::new(), frames: PhantomData }
    }
}

impl<F: Frame> Decoder<F> {
    /// Takes what a read brought. To keep the buffer within its bound, call
    /// [`decode`](Self::decode) until it wants more before feeding again.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, or `None` if its end has not come yet. After a fatal error the decoder is of
    /// no more use.
    pub fn decode(&mut self) -> Result<Option<F>, ProtocolError> {
        let Some(header) = self.header_length()? else {
            self.release();
            return Ok(None);
        };
        let line = as_line(&self.buffer[..header])?;
        let verb = find_verb::<F>(line)?;
        let Some(limit) = verb.body else {
            let frame = self.buffer.split_to(header).freeze();
            return parse(verb, &frame, Bytes::new()).map(Some);
        };
        let body = body_length(verb.word, line, limit)?;
        if self.buffer.len() < header + body + 2 {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(header + body + 2).freeze();
        if &frame[header + body..] != b"\r\n" {
            return Err(ProtocolError::BodyUnterminated { verb: verb.word });
        }
        let head = frame.split_to(header);
        frame.truncate(body);
        parse(verb, &head, frame).map(Some)
    }

    /// Whether the bytes so far end with a whole frame.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    fn header_length(&self) -> Result<Option<usize>, ProtocolError> {
        let head = &self.buffer[..self.buffer.len().min(MAX_HEADER)];
        match memchr(b'\n', head) {
            Some(end) => Ok(Some(end + 1)),
            None if head.len() == MAX_HEADER => Err(ProtocolError::LineTooLong),
            None => Ok(None),
        }
    }

    /// An idle connection holds no buffer.
    fn release(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }
}

fn as_line(header: &[u8]) -> Result<&str, ProtocolError> {
    let line = header.strip_suffix(b"\r\n").ok_or(ProtocolError::ControlCharacter)?;
    let line = std::str::from_utf8(line).map_err(|_| ProtocolError::NotUtf8)?;
    if line.chars().any(char::is_control) {
        return Err(ProtocolError::ControlCharacter);
    }
    Ok(line)
}

fn find_verb<F: Frame>(line: &str) -> Result<&'static Verb<F>, ProtocolError> {
    let word = line.split(' ').next().unwrap_or_default();
    F::VERBS.iter().find(|verb| verb.word == word).ok_or_else(|| {
        let shown: String = word.chars().take(24).collect();
        ProtocolError::UnknownVerb(shown.into())
    })
}

fn body_length(verb: &'static str, line: &str, limit: usize) -> Result<usize, ProtocolError> {
    let word = line.rsplit(' ').next().unwrap_or_default();
    let length = number(word).ok_or(ProtocolError::BadWord { verb, word: "a length" })?;
    match usize::try_from(length) {
        Ok(length) if length <= limit => Ok(length),
        _ => Err(ProtocolError::BodyTooLong { verb, length, limit }),
    }
}

fn parse<F: Frame>(verb: &Verb<F>, header: &[u8], body: Bytes) -> Result<F, ProtocolError> {
    let line = as_line(header)?;
    let mut words = Words { verb: verb.word, rest: line.split(' ') };
    words.rest.next();
    let frame = (verb.parse)(&mut words, body)?;
    if verb.body.is_some() {
        words.next("a length")?;
    }
    words.end()?;
    Ok(frame)
}

/// The words behind a verb, taken one by one.
pub struct Words<'a> {
    verb: &'static str,
    pub(super) rest: Split<'a, char>,
}

impl<'a> Words<'a> {
    pub(super) fn next(&mut self, word: &'static str) -> Result<&'a str, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.rest.next().filter(|it| !it.is_empty()).ok_or(bad)
    }

    pub(super) fn parse<T: FromStr>(&mut self, word: &'static str) -> Result<T, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.next(word)?.parse().map_err(|_| bad)
    }

    pub(super) fn name(&mut self) -> Result<Name, ProtocolError> {
        Ok(self.next("a name")?.parse()?)
    }

    pub(super) fn number(&mut self, word: &'static str) -> Result<u64, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        number(self.next(word)?).ok_or(bad)
    }

    /// A number that counts from 1.
    pub(super) fn ordinal(&mut self, word: &'static str) -> Result<u64, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.number(word).and_then(|n| if n == 0 { Err(bad) } else { Ok(n) })
    }

    pub(super) fn presence(&mut self) -> Result<Presence, ProtocolError> {
        match self.next("online or away")? {
            "online" => Ok(Presence::Online),
            "away" => Ok(Presence::Away),
            _ => Err(ProtocolError::BadWord { verb: self.verb, word: "online or away" }),
        }
    }

    /// The rest of the line.
    pub(super) fn sentence(&mut self) -> String {
        self.rest.by_ref().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn end(&mut self) -> Result<(), ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word: "the end of the line" };
        self.rest.next().map_or(Ok(()), |_| Err(bad))
    }
}

/// Decimal digits without a sign or a leading zero, at most [`MAX_NUMBER`].
pub(super) fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten().filter(|number| *number <= MAX_NUMBER)
}

/// Ends words as a header line.
pub(super) fn line(out: &mut BytesMut, words: std::fmt::Arguments<'_>) {
    // Writing into a growing buffer cannot fail.
    let _ = out.write_fmt(words);
    out.put_slice(b"\r\n");
}

/// Puts a body behind its header line.
pub(super) fn body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
