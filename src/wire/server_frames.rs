//! The verbs of a server: one table, a small function to parse each, and how each is written.

use std::fmt::Write as _;
use std::str::FromStr;

use bytes::{BufMut, Bytes, BytesMut};

use super::codec::{Frame, ProtocolError, Verb, Words, body, line, number, sentence};
use super::codes::{ByeReason, ErrorCode};
use super::frame::{Limits, Presence, Refusal, ServerFrame, Watermarks};
use super::limits::{MAX_BODY, MAX_ONLINE_BODY};
use crate::message::{Message, MessageId, Name, Timestamp};

impl Frame for ServerFrame {
    const VERBS: &'static [Verb<Self>] = &[
        Verb { word: "MSG", body: Some(MAX_BODY), parse: message },
        Verb { word: "DELIVERED", body: None, parse: delivered },
        Verb { word: "STORED", body: None, parse: stored },
        Verb { word: "READ", body: None, parse: read },
        Verb { word: "WAITING", body: None, parse: waiting },
        Verb { word: "PRESENCE", body: None, parse: presence },
        Verb { word: "TALKING", body: None, parse: talking },
        Verb { word: "PING", body: None, parse: |_, _| Ok(Self::Ping) },
        Verb { word: "PONG", body: None, parse: |_, _| Ok(Self::Pong) },
        Verb { word: "ERR", body: None, parse: error },
        Verb { word: "EXPIRED", body: None, parse: expired },
        Verb { word: "ROOM", body: None, parse: |words, _| Ok(Self::Room { peer: words.name()? }) },
        Verb { word: "ONLINE", body: Some(MAX_ONLINE_BODY), parse: online },
        Verb { word: "KEY", body: None, parse: key },
        Verb {
            word: "BLOCKED",
            body: None,
            parse: |words, _| Ok(Self::Blocked { peer: words.name()? }),
        },
        Verb {
            word: "UNBLOCKED",
            body: None,
            parse: |words, _| Ok(Self::Unblocked { peer: words.name()? }),
        },
        Verb {
            word: "BLOCKS",
            body: Some(MAX_ONLINE_BODY),
            parse: |_, body| Ok(Self::Blocks { names: parse_names(&body)? }),
        },
        Verb { word: "TICKET", body: None, parse: ticket },
        Verb { word: "CHALLENGE", body: None, parse: challenge },
        Verb { word: "WELCOME", body: None, parse: welcome },
        Verb { word: "BYE", body: None, parse: bye },
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
            Self::Read { peer, n } => line(out, format_args!("READ {peer} {n}")),
            Self::Expired { peer, n } => line(out, format_args!("EXPIRED {peer} {n}")),
            Self::Refused { peer, n, refusal, text } => {
                encode_refusal(out, peer, *n, *refusal, text);
            }
            Self::Room { peer } => line(out, format_args!("ROOM {peer}")),
            Self::Message { peer, seq, message } => {
                encode_messages(out, peer, *seq, std::slice::from_ref(message));
            }
            Self::Online { count, names } => {
                let names = join_names(names);
                online_line(out, *count, names.len());
                body(out, names.as_bytes());
            }
            Self::Blocked { peer } => line(out, format_args!("BLOCKED {peer}")),
            Self::Unblocked { peer } => line(out, format_args!("UNBLOCKED {peer}")),
            Self::Blocks { names } => {
                let names = join_names(names);
                line(out, format_args!("BLOCKS {}", names.len()));
                body(out, names.as_bytes());
            }
            Self::Key { peer, key: Some(key) } => line(out, format_args!("KEY {peer} {key}")),
            Self::Key { peer, key: None } => line(out, format_args!("KEY {peer} -")),
            Self::Presence { peer, presence } => {
                line(out, format_args!("PRESENCE {peer} {}", presence.as_str()));
            }
            Self::Ticket { ticket } => line(out, format_args!("TICKET {ticket}")),
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

/// Appends the header line of `ONLINE`. As many bytes of names are to follow, and CR LF.
pub fn online_line(out: &mut BytesMut, count: u64, length: usize) {
    line(out, format_args!("ONLINE {count} {length}"));
}

/// Appends the frames of messages that are numbered from `first_seq`; what a write task does for
/// every batch, so that most of the server's bytes are made here.
pub fn encode_messages(out: &mut BytesMut, peer: &Name, first_seq: u64, messages: &[Message]) {
    // What was accepted together has most words in common.
    let together = |a: &Message, b: &Message| {
        (a.id.installation, a.time, &a.kind) == (b.id.installation, b.time, &b.kind)
    };
    let mut seq = first_seq;
    for messages in messages.chunk_by(together) {
        match messages {
            [message] => encode_message(out, peer, seq, message),
            messages => encode_similar(out, peer, seq, messages),
        }
        seq += messages.len() as u64;
    }
}

fn encode_message(out: &mut BytesMut, peer: &Name, seq: u64, message: &Message) {
    let Message { id: MessageId { installation, n }, time: Timestamp(time), kind, body: text } =
        message;
    line(out, format_args!("MSG {peer} {seq} {installation} {n} {time} {kind} {}", text.len()));
    body(out, text);
}

/// The words that all have are formatted once.
fn encode_similar(out: &mut BytesMut, peer: &Name, first_seq: u64, messages: &[Message]) {
    let Some(Message { id, time: Timestamp(time), kind, .. }) = messages.first() else { return };
    let to = format!("MSG {peer} ");
    let (from, what) = (format!(" {} ", id.installation), format!(" {time} {kind} "));
    let [mut seq, mut n, mut length] = [itoa::Buffer::new(); 3];
    for (number, message) in (first_seq..).zip(messages) {
        let (seq, n) = (seq.format(number), n.format(message.id.n));
        let length = length.format(message.body.len());
        for part in [&to, seq, &from, n, &what, length, "\r\n"] {
            out.put_slice(part.as_bytes());
        }
        body(out, &message.body);
    }
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
        Refusal::Owner => line(out, format_args!("ERR OWNER {peer} {n} {text}")),
        Refusal::Slow { seconds } => {
            line(out, format_args!("ERR SLOW {peer} {n} {seconds} {text}"));
        }
    }
}

fn join_names(names: &[Name]) -> String {
    let mut text = String::new();
    for name in names {
        if text.len() + name.as_str().len() + 1 > MAX_ONLINE_BODY {
            break;
        }
        text.push_str(name.as_str());
        text.push('\n');
    }
    text
}

/// The words of `WELCOME` and the fields that they fill.
pub(super) type LimitWord = (&'static str, fn(&mut Limits) -> &mut u64);
pub(super) const LIMIT_WORDS: &[LimitWord] = &[
    ("body", |it| &mut it.body),
    ("header", |it| &mut it.header),
    ("name", |it| &mut it.name),
    ("conversations", |it| &mut it.conversations),
    ("handshake", |it| &mut it.handshake),
    ("ping", |it| &mut it.ping),
    ("idle", |it| &mut it.idle),
    ("backlog", |it| &mut it.backlog),
    ("backlog-bytes", |it| &mut it.backlog_bytes),
    ("recipient", |it| &mut it.recipient),
    ("recipient-bytes", |it| &mut it.recipient_bytes),
    ("keep", |it| &mut it.keep),
    ("file", |it| &mut it.file),
];

fn challenge(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Challenge { nonce: words.word("a nonce")?.into() })
}

fn ticket(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Ticket { ticket: words.parse("a ticket")? })
}

fn welcome(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    let name = words.name()?;
    let mut limits = Limits::default();
    for word in words.by_ref() {
        let bad = || ProtocolError::BadWord { verb: "WELCOME", word: "word=number" };
        let (key, value) = word.split_once('=').ok_or_else(bad)?;
        let value = number(value).ok_or_else(bad)?;
        if let Some((_, field)) = LIMIT_WORDS.iter().find(|(it, _)| *it == key) {
            *field(&mut limits) = value;
        }
    }
    Ok(ServerFrame::Welcome { name, limits })
}

fn waiting(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Waiting { peer: words.name()?, count: words.number("a count")? })
}

fn talking(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Talking {
        peer: words.name()?,
        presence: parse_presence(words)?,
        own: Watermarks {
            have: words.number("have")?,
            stored: words.number("stored")?,
            delivered: words.number("delivered")?,
        },
        waiting: words.number("a count")?,
    })
}

fn stored(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Stored { peer: words.name()?, n: words.ordinal("a number from 1")? })
}

fn delivered(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Delivered { peer: words.name()?, n: words.ordinal("a number from 1")? })
}

fn read(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Read { peer: words.name()?, n: words.ordinal("a number from 1")? })
}

fn expired(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Expired { peer: words.name()?, n: words.ordinal("a number from 1")? })
}

fn presence(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    Ok(ServerFrame::Presence { peer: words.name()?, presence: parse_presence(words)? })
}

fn parse_presence(words: &mut Words<'_>) -> Result<Presence, ProtocolError> {
    const KIND: &str = "online or away";
    match words.word(KIND)? {
        "online" => Ok(Presence::Online),
        "away" => Ok(Presence::Away),
        _ => Err(words.bad(KIND)),
    }
}

fn message(words: &mut Words<'_>, body: Bytes) -> Result<ServerFrame, ProtocolError> {
    let peer = words.name()?;
    let seq = words.ordinal("a number from 1")?;
    let installation = words.parse("an installation")?;
    let n = words.ordinal("a number from 1")?;
    let time = Timestamp(words.number("a time")?);
    let kind = words.parse("a kind")?;
    let message = Message { id: MessageId { installation, n }, time, kind, body };
    Ok(ServerFrame::Message { peer, seq, message })
}

fn online(words: &mut Words<'_>, body: Bytes) -> Result<ServerFrame, ProtocolError> {
    let count = words.number("a count")?;
    Ok(ServerFrame::Online { count, names: parse_names(&body)? })
}

fn parse_names(body: &[u8]) -> Result<Vec<Name>, ProtocolError> {
    let text = std::str::from_utf8(body).map_err(|_| ProtocolError::NotUtf8)?;
    Ok(text.lines().map(Name::from_str).collect::<Result<_, _>>()?)
}

fn key(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    let peer = words.name()?;
    let key = match words.word("a public key or -")? {
        "-" => None,
        key => {
            let bad = |_| ProtocolError::BadWord { verb: "KEY", word: "a public key or -" };
            Some(key.parse().map_err(bad)?)
        }
    };
    Ok(ServerFrame::Key { peer, key })
}

fn error(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    let code = words.word("a code")?;
    if matches!(code, "FULL" | "STORE" | "OWNER" | "SLOW") {
        return refused(words, code);
    }
    let code = ErrorCode::from_word(code);
    let peer = match words.word("a peer or -")? {
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
        "OWNER" => Refusal::Owner,
        _ => Refusal::Slow { seconds: words.number("seconds")? },
    };
    Ok(ServerFrame::Refused { peer, n, refusal, text: words.sentence() })
}

fn bye(words: &mut Words<'_>, _: Bytes) -> Result<ServerFrame, ProtocolError> {
    let reason = ByeReason::from_word(words.word("a reason")?);
    Ok(ServerFrame::Bye { reason, text: words.sentence() })
}
