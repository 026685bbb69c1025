//! Bytes to frames and back: the grammar of `tinychat/1`, without any I/O.
//!
//! A [`Decoder`] is fed whatever a read brought and gives whole frames; "need more" is not an error.
//! Every length is checked before the bytes behind it are waited for, so a decoder never holds more
//! than one frame's limit beside what it was fed last. Verbs are data: a table for each direction
//! says which verbs there are, how long their bodies may be and what parses them.

use std::fmt::Write as _;
use std::marker::PhantomData;
use std::ops::Range;
use std::str::FromStr;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use memchr::memchr;
use smol_str::SmolStr;
use thiserror::Error;

use super::frame::{ErrorCode, Presence};
use super::{MAX_HEADER, MAX_NUMBER, MAX_SENTENCE, VERSION};
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

impl<F> Verb<F> {
    /// The word itself.
    pub fn word(&self) -> &'static str {
        self.word
    }
}

/// Turns bytes into frames.
#[derive(Debug)]
pub struct Decoder<F> {
    /// Begins with a whole frame, or is empty. The bodies of frames are slices of it.
    whole: Bytes,
    /// How long that was at first.
    chunk: usize,
    /// What comes after it, if that is empty: a frame of which more is to come.
    begun: BytesMut,
    frames: PhantomData<fn() -> F>,
}

impl<F> Default for Decoder<F> {
    fn default() -> Self {
        Self { whole: Bytes::new(), chunk: 0, begun: BytesMut::new(), frames: PhantomData }
    }
}

/// Where the next frame lies at the beginning of some bytes.
struct Measured<'a, F: 'static> {
    verb: &'static Verb<F>,
    line: &'a str,
    body: Range<usize>,
    end: usize,
}

impl<F: Frame> Decoder<F> {
    /// Takes what a read brought. To be called only when [`decode`](Self::decode) wants more: then
    /// the decoder keeps within its bound.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(&std::mem::take(&mut self.whole));
        self.begun.extend_from_slice(bytes);
    }

    /// The next frame, or `None` if its end has not come yet. After a fatal error the decoder is of
    /// no more use.
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
            parse(verb, line, self.whole.slice(body))
        };
        if end < self.whole.len() {
            self.whole.advance(end);
        } else {
            self.whole = Bytes::new();
        }
        frame.map(Some)
    }

    /// Takes the rest for frames of another kind.
    pub fn switch<G>(self) -> Decoder<G> {
        let Self { whole, chunk, begun, .. } = self;
        Decoder { whole, chunk, begun, frames: PhantomData }
    }

    /// How many bytes there are before the end of what was fed.
    pub fn remaining(&self) -> usize {
        self.whole.len() + self.begun.len()
    }

    /// How many bytes the body of the frame that came last holds in memory, as a slice of them.
    pub fn chunk(&self) -> usize {
        self.chunk
    }

    /// Whether the bytes so far end with a whole frame.
    pub fn is_empty(&self) -> bool {
        self.remaining() == 0
    }
}

/// Looks for a whole frame. None if its end has not come yet.
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
    let has_control = if line.is_ascii() {
        line.bytes().any(|byte| byte.is_ascii_control())
    } else {
        line.chars().any(char::is_control)
    };
    if has_control { Err(ProtocolError::ControlCharacter) } else { Ok(line) }
}

fn find_verb<F: Frame>(line: &str) -> Result<&'static Verb<F>, ProtocolError> {
    let (word, _) = split_word(line);
    F::VERBS.iter().find(|verb| verb.word == word).ok_or_else(|| {
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

fn parse<F: Frame>(verb: &Verb<F>, line: &str, body: Bytes) -> Result<F, ProtocolError> {
    let mut words = Words { verb: verb.word, rest: split_word(line).1 };
    let frame = (verb.parse)(&mut words, body)?;
    if verb.body.is_some() {
        words.word("a length")?;
    }
    words.end()?;
    Ok(frame)
}

/// The first word of a line, and what follows the space behind it. Words are short: looking at each
/// byte is quicker than what is made for long texts.
fn split_word(line: &str) -> (&str, Option<&str>) {
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
    /// The next word, which is to be of this kind.
    pub(super) fn word(&mut self, kind: &'static str) -> Result<&'a str, ProtocolError> {
        match self.next() {
            Some(word) if !word.is_empty() => Ok(word),
            _ => Err(self.bad(kind)),
        }
    }

    pub(super) fn parse<T: FromStr>(&mut self, kind: &'static str) -> Result<T, ProtocolError> {
        self.word(kind)?.parse().map_err(|_| self.bad(kind))
    }

    /// The same for a word that may be missing.
    pub(super) fn optional<T: FromStr>(
        &mut self,
        kind: &'static str,
    ) -> Result<Option<T>, ProtocolError> {
        if self.rest.is_some() { self.parse(kind).map(Some) } else { Ok(None) }
    }

    pub(super) fn name(&mut self) -> Result<Name, ProtocolError> {
        Ok(self.word("a name")?.parse()?)
    }

    pub(super) fn number(&mut self, kind: &'static str) -> Result<u64, ProtocolError> {
        number(self.word(kind)?).ok_or_else(|| self.bad(kind))
    }

    /// A number that counts from 1.
    pub(super) fn ordinal(&mut self, kind: &'static str) -> Result<u64, ProtocolError> {
        match self.number(kind)? {
            0 => Err(self.bad(kind)),
            n => Ok(n),
        }
    }

    pub(super) fn presence(&mut self) -> Result<Presence, ProtocolError> {
        const KIND: &str = "online or away";
        match self.word(KIND)? {
            "online" => Ok(Presence::Online),
            "away" => Ok(Presence::Away),
            _ => Err(self.bad(KIND)),
        }
    }

    /// The rest of the line.
    pub(super) fn sentence(&mut self) -> String {
        self.rest.take().unwrap_or_default().to_owned()
    }

    pub(super) fn end(&mut self) -> Result<(), ProtocolError> {
        if self.rest.is_some() { Err(self.bad("the end of the line")) } else { Ok(()) }
    }

    /// What is said where a word of some kind was expected.
    #[cold]
    pub(super) fn bad(&self, word: &'static str) -> ProtocolError {
        ProtocolError::BadWord { verb: self.verb, word }
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

/// A sentence that fits on a header line whatever it was made from: no control character, at most
/// [`MAX_SENTENCE`] bytes.
pub(super) fn sentence(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(MAX_SENTENCE));
    clean
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
