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

use super::frame::{
    ByeReason, ClientFrame, ErrorCode, Limits, Presence, Refusal, ServerFrame, Watermarks,
};
use super::{MAX_BODY, MAX_HEADER, MAX_NUMBER, MAX_ONLINE_BODY, MAX_PROOF, MAX_SENTENCE, VERSION};
use crate::message::{Message, MessageId, Name, NameError, Timestamp};

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

/// What one side may say: [`ClientFrame`] or [`ServerFrame`].
pub trait Frame: Sized + 'static {
    /// Every verb of this direction, the most frequent first.
    const VERBS: &'static [Verb<Self>];

    /// Appends the frame's bytes to `out`.
    fn encode(&self, out: &mut BytesMut);
}

/// One row of a direction's table.
pub struct Verb<F> {
    word: &'static str,
    /// The longest body, for a verb that has one.
    body: Option<usize>,
    parse: fn(&mut Words<'_>, Bytes) -> Result<F, ProtocolError>,
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
    rest: Split<'a, char>,
}

impl<'a> Words<'a> {
    fn next(&mut self, word: &'static str) -> Result<&'a str, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.rest.next().filter(|it| !it.is_empty()).ok_or(bad)
    }

    fn parse<T: FromStr>(&mut self, word: &'static str) -> Result<T, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.next(word)?.parse().map_err(|_| bad)
    }

    fn name(&mut self) -> Result<Name, ProtocolError> {
        Ok(self.next("a name")?.parse()?)
    }

    fn number(&mut self, word: &'static str) -> Result<u64, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        number(self.next(word)?).ok_or(bad)
    }

    /// A number that counts from 1.
    fn ordinal(&mut self, word: &'static str) -> Result<u64, ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word };
        self.number(word).and_then(|n| if n == 0 { Err(bad) } else { Ok(n) })
    }

    fn presence(&mut self) -> Result<Presence, ProtocolError> {
        match self.next("online or away")? {
            "online" => Ok(Presence::Online),
            "away" => Ok(Presence::Away),
            _ => Err(ProtocolError::BadWord { verb: self.verb, word: "online or away" }),
        }
    }

    /// The rest of the line.
    fn sentence(&mut self) -> String {
        self.rest.by_ref().collect::<Vec<_>>().join(" ")
    }

    fn end(&mut self) -> Result<(), ProtocolError> {
        let bad = ProtocolError::BadWord { verb: self.verb, word: "the end of the line" };
        self.rest.next().map_or(Ok(()), |_| Err(bad))
    }
}

/// Decimal digits without a sign or a leading zero, at most [`MAX_NUMBER`].
fn number(word: &str) -> Option<u64> {
    let plain = word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    plain.then(|| word.parse().ok()).flatten().filter(|number| *number <= MAX_NUMBER)
}

impl Frame for ClientFrame {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "MSG", body: Some(MAX_BODY), parse: client::message },
        Verb { word: "ACK", body: None, parse: client::ack },
        Verb { word: "TALK", body: None, parse: client::talk },
        Verb { word: "CLOSE", body: None, parse: client::close },
        Verb { word: "PING", body: None, parse: |_, _| Ok(Self::Ping) },
        Verb { word: "PONG", body: None, parse: |_, _| Ok(Self::Pong) },
        Verb { word: "ONLINE", body: None, parse: |_, _| Ok(Self::Online) },
        Verb { word: "QUIT", body: None, parse: |_, _| Ok(Self::Quit) },
        Verb { word: "HELLO", body: None, parse: client::hello },
        Verb { word: "PROVE", body: Some(MAX_PROOF), parse: client::prove },
    ];

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Hello { name, key, installation } => {
                line(out, format_args!("HELLO {VERSION} {name} {key} {installation}"));
            }
            Self::Prove { signature } => {
                line(out, format_args!("PROVE {}", signature.len()));
                body(out, signature);
            }
            Self::Talk { peer, settled } => line(out, format_args!("TALK {peer} {settled}")),
            Self::Close { peer } => line(out, format_args!("CLOSE {peer}")),
            Self::Message { peer, n, kind, body: text } => {
                line(out, format_args!("MSG {peer} {n} {kind} {}", text.len()));
                body(out, text);
            }
            Self::Ack { peer, seq } => line(out, format_args!("ACK {peer} {seq}")),
            Self::Online => line(out, format_args!("ONLINE")),
            Self::Ping => line(out, format_args!("PING")),
            Self::Pong => line(out, format_args!("PONG")),
            Self::Quit => line(out, format_args!("QUIT")),
        }
    }
}

impl Frame for ServerFrame {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "MSG", body: Some(MAX_BODY), parse: server::message },
        Verb { word: "DELIVERED", body: None, parse: server::delivered },
        Verb { word: "STORED", body: None, parse: server::stored },
        Verb { word: "WAITING", body: None, parse: server::waiting },
        Verb { word: "PRESENCE", body: None, parse: server::presence },
        Verb { word: "TALKING", body: None, parse: server::talking },
        Verb { word: "PING", body: None, parse: |_, _| Ok(Self::Ping) },
        Verb { word: "PONG", body: None, parse: |_, _| Ok(Self::Pong) },
        Verb { word: "ERR", body: None, parse: server::error },
        Verb { word: "EXPIRED", body: None, parse: server::expired },
        Verb { word: "ROOM", body: None, parse: |words, _| Ok(Self::Room { peer: words.name()? }) },
        Verb { word: "ONLINE", body: Some(MAX_ONLINE_BODY), parse: server::online },
        Verb { word: "CHALLENGE", body: None, parse: server::challenge },
        Verb { word: "WELCOME", body: None, parse: server::welcome },
        Verb { word: "BYE", body: None, parse: server::bye },
    ];

    fn encode(&self, out: &mut BytesMut) {
        match self {
            Self::Challenge { nonce } => line(out, format_args!("CHALLENGE {nonce}")),
            Self::Welcome { name, limits } => encode_welcome(out, name, limits),
            Self::Waiting { peer, count } => line(out, format_args!("WAITING {peer} {count}")),
            Self::Talking { peer, presence, own, waiting } => {
                let Watermarks { have, stored, delivered } = own;
                let presence = presence.as_str();
                line(
                    out,
                    format_args!("TALKING {peer} {presence} {have} {stored} {delivered} {waiting}"),
                );
            }
            Self::Stored { peer, n } => line(out, format_args!("STORED {peer} {n}")),
            Self::Delivered { peer, n } => line(out, format_args!("DELIVERED {peer} {n}")),
            Self::Expired { peer, n } => line(out, format_args!("EXPIRED {peer} {n}")),
            Self::Refused { peer, n, refusal, text } => {
                encode_refusal(out, peer, *n, *refusal, text);
            }
            Self::Room { peer } => line(out, format_args!("ROOM {peer}")),
            Self::Message { peer, seq, message } => encode_message(out, peer, *seq, message),
            Self::Online { count, names } => encode_online(out, *count, names),
            Self::Presence { peer, presence } => {
                line(out, format_args!("PRESENCE {peer} {}", presence.as_str()));
            }
            Self::Ping => line(out, format_args!("PING")),
            Self::Pong => line(out, format_args!("PONG")),
            Self::Error { code, peer, text } => {
                let peer = peer.as_ref().map_or("-", Name::as_str);
                line(out, format_args!("ERR {} {peer} {}", code.as_str(), sentence(text)));
            }
            Self::Bye { reason, text } => {
                line(out, format_args!("BYE {} {}", reason.as_str(), sentence(text)));
            }
        }
    }
}

/// Appends one message's frame; what a write task does for every message of a batch.
pub fn encode_message(out: &mut BytesMut, peer: &Name, seq: u64, message: &Message) {
    let Message { id: MessageId { installation, n }, time: Timestamp(time), kind, body: text } =
        message;
    line(out, format_args!("MSG {peer} {seq} {installation} {n} {time} {kind} {}", text.len()));
    body(out, text);
}

fn encode_welcome(out: &mut BytesMut, name: &Name, limits: &Limits) {
    let mut text = format!("WELCOME {name}");
    for (word, field) in LIMIT_WORDS {
        let mut limits = *limits;
        let _ = write!(text, " {word}={}", field(&mut limits));
    }
    line(out, format_args!("{text}"));
}

fn encode_refusal(out: &mut BytesMut, peer: &Name, n: u64, refusal: Refusal, text: &str) {
    let text = sentence(text);
    match refusal {
        Refusal::Full => line(out, format_args!("ERR FULL {peer} {n} {text}")),
        Refusal::Store => line(out, format_args!("ERR STORE {peer} {n} {text}")),
        Refusal::Slow { seconds } => {
            line(out, format_args!("ERR SLOW {peer} {n} {seconds} {text}"));
        }
    }
}

fn encode_online(out: &mut BytesMut, count: u64, names: &[Name]) {
    let mut text = String::new();
    for name in names {
        if text.len() + name.as_str().len() + 1 > MAX_ONLINE_BODY {
            break;
        }
        text.push_str(name.as_str());
        text.push('\n');
    }
    line(out, format_args!("ONLINE {count} {}", text.len()));
    body(out, text.as_bytes());
}

fn line(out: &mut BytesMut, words: std::fmt::Arguments<'_>) {
    // Writing into a growing buffer cannot fail.
    let _ = out.write_fmt(words);
    out.put_slice(b"\r\n");
}

fn body(out: &mut BytesMut, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.put_slice(bytes);
    out.put_slice(b"\r\n");
}

/// A sentence that fits on a header line whatever it was made from: no control character, at most
/// [`MAX_SENTENCE`] bytes.
fn sentence(text: &str) -> String {
    let mut clean: String = text
        .chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .collect();
    clean.truncate(clean.floor_char_boundary(MAX_SENTENCE));
    clean
}

impl Presence {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Away => "away",
        }
    }
}

/// The words of `WELCOME` and the fields that they fill.
type LimitWord = (&'static str, fn(&mut Limits) -> &mut u64);
const LIMIT_WORDS: &[LimitWord] = &[
    ("body", |it| &mut it.body),
    ("header", |it| &mut it.header),
    ("name", |it| &mut it.name),
    ("conversations", |it| &mut it.conversations),
    ("handshake", |it| &mut it.handshake),
    ("ping", |it| &mut it.ping),
    ("idle", |it| &mut it.idle),
    ("backlog", |it| &mut it.backlog),
    ("backlog-bytes", |it| &mut it.backlog_bytes),
];

/// What parses a client's verbs.
mod client {
    use super::*;

    pub(super) fn hello(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
        let version = words.next("a version")?;
        if version != VERSION {
            // Another version may have other words: the rest means nothing here.
            let shown: String = version.chars().take(24).collect();
            return Err(ProtocolError::Version(shown.into()));
        }
        Ok(ClientFrame::Hello {
            name: words.name()?,
            key: words.next("a public key")?.into(),
            installation: words.parse("an installation")?,
        })
    }

    pub(super) fn prove(_: &mut Words<'_>, body: Bytes) -> Result<ClientFrame, ProtocolError> {
        Ok(ClientFrame::Prove { signature: body })
    }

    pub(super) fn talk(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
        Ok(ClientFrame::Talk { peer: words.name()?, settled: words.number("a number")? })
    }

    pub(super) fn close(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
        Ok(ClientFrame::Close { peer: words.name()? })
    }

    pub(super) fn message(
        words: &mut Words<'_>,
        body: Bytes,
    ) -> Result<ClientFrame, ProtocolError> {
        Ok(ClientFrame::Message {
            peer: words.name()?,
            n: words.ordinal("a number from 1")?,
            kind: words.parse("a kind")?,
            body,
        })
    }

    pub(super) fn ack(words: &mut Words<'_>, _: Bytes) -> Result<ClientFrame, ProtocolError> {
        Ok(ClientFrame::Ack { peer: words.name()?, seq: words.ordinal("a number from 1")? })
    }
}

/// What parses a server's verbs.
mod server {
    use super::*;

    pub(super) fn challenge(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Challenge { nonce: words.next("a nonce")?.into() })
    }

    pub(super) fn welcome(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        let name = words.name()?;
        let mut limits = Limits::default();
        for word in words.rest.by_ref() {
            let bad = ProtocolError::BadWord { verb: "WELCOME", word: "word=number" };
            let (key, value) = word.split_once('=').ok_or(bad.clone())?;
            let value = number(value).ok_or(bad)?;
            if let Some((_, field)) = LIMIT_WORDS.iter().find(|(it, _)| *it == key) {
                *field(&mut limits) = value;
            }
        }
        Ok(ServerFrame::Welcome { name, limits })
    }

    pub(super) fn waiting(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Waiting { peer: words.name()?, count: words.number("a count")? })
    }

    pub(super) fn talking(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Talking {
            peer: words.name()?,
            presence: words.presence()?,
            own: Watermarks {
                have: words.number("have")?,
                stored: words.number("stored")?,
                delivered: words.number("delivered")?,
            },
            waiting: words.number("a count")?,
        })
    }

    pub(super) fn stored(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Stored { peer: words.name()?, n: words.ordinal("a number from 1")? })
    }

    pub(super) fn delivered(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Delivered { peer: words.name()?, n: words.ordinal("a number from 1")? })
    }

    pub(super) fn expired(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Expired { peer: words.name()?, n: words.ordinal("a number from 1")? })
    }

    pub(super) fn presence(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        Ok(ServerFrame::Presence { peer: words.name()?, presence: words.presence()? })
    }

    pub(super) fn message(
        words: &mut Words<'_>,
        body: Bytes,
    ) -> Result<ServerFrame, ProtocolError> {
        let peer = words.name()?;
        let seq = words.ordinal("a number from 1")?;
        let installation = words.parse("an installation")?;
        let n = words.ordinal("a number from 1")?;
        let time = Timestamp(words.number("a time")?);
        let kind = words.parse("a kind")?;
        let message = Message { id: MessageId { installation, n }, time, kind, body };
        Ok(ServerFrame::Message { peer, seq, message })
    }

    pub(super) fn online(words: &mut Words<'_>, body: Bytes) -> Result<ServerFrame, ProtocolError> {
        let count = words.number("a count")?;
        let text = std::str::from_utf8(&body).map_err(|_| ProtocolError::NotUtf8)?;
        let names = text.lines().map(Name::from_str).collect::<Result<_, _>>()?;
        Ok(ServerFrame::Online { count, names })
    }

    pub(super) fn error(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        let code = words.next("a code")?;
        if matches!(code, "FULL" | "STORE" | "SLOW") {
            return refused(words, code);
        }
        let code = ErrorCode::from_word(code);
        let peer = match words.next("a peer or -")? {
            "-" => None,
            peer => Some(peer.parse()?),
        };
        Ok(ServerFrame::Error { code, peer, text: words.sentence() })
    }

    fn refused(words: &mut Words<'_>, code: &str) -> Result<ServerFrame, ProtocolError> {
        let peer = words.name()?;
        let n = words.ordinal("a number from 1")?;
        let refusal = match code {
            "FULL" => Refusal::Full,
            "STORE" => Refusal::Store,
            _ => Refusal::Slow { seconds: words.number("seconds")? },
        };
        Ok(ServerFrame::Refused { peer, n, refusal, text: words.sentence() })
    }

    pub(super) fn bye(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
        let reason = ByeReason::from_word(words.next("a reason")?);
        Ok(ServerFrame::Bye { reason, text: words.sentence() })
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
