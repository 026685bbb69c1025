//! The messages of a server's `MSG`, one by one and in batches.

use bytes::{BufMut, BytesMut};

use crate::message::{Installation, Kind, Message, MessageId, Name, Origin, Timestamp};
use crate::wire::codec::{Number, Ordinal, Part, ProtocolError, Words, line, put_body, put_length};
use crate::wire::limits::MAX_BODY;

impl Part for Message {
    type Value = Self;
    const SPELLED: Option<&'static str> = Some("installation n origin time kind length");
    const BODY: Option<usize> = Some(MAX_BODY);

    fn take(words: &mut Words<'_>) -> Result<Self, ProtocolError> {
        let installation = Installation::take(words)?;
        let n = Ordinal::take(words)?;
        let origin = Origin::take(words)?;
        let time = Timestamp(words.number("a time")?);
        let kind = Kind::take(words)?;
        let id = MessageId { installation, n };
        Ok(Self { id, origin, time, kind, body: words.body()? })
    }

    fn put(message: &Self, out: &mut BytesMut) {
        let Self { id, origin, time: Timestamp(time), kind, body } = message;
        Installation::put(&id.installation, out);
        Number::put(&id.n, out);
        Origin::put(origin, out);
        Number::put(time, out);
        Kind::put(kind, out);
        put_length(out, body.len());
    }

    fn put_body(message: &Self, out: &mut BytesMut) {
        put_body(out, &message.body);
    }
}

/// Appends the frames of messages that are numbered from `first_seq`; what a write task does for
/// every batch, so that most of the server's bytes are made here.
pub(crate) fn encode_messages(
    out: &mut BytesMut,
    peer: &Name,
    first_seq: u64,
    messages: &[Message],
) {
    // What was accepted together has most words in common.
    let common = |it: &Message| (it.id.installation, it.time);
    let together = |a: &Message, b: &Message| common(a) == common(b) && a.kind == b.kind;
    out.reserve(messages.iter().map(|message| longest_frame(peer, message)).sum());
    let mut seq = first_seq;
    for messages in messages.chunk_by(together) {
        match messages {
            [message] => encode_message(out, peer, seq, message),
            messages => encode_similar(out, peer, seq, messages),
        }
        seq += messages.len() as u64;
    }
}

/// How many bytes the frame of a message has at most, whatever its numbers are.
pub(crate) fn longest_frame(peer: &Name, message: &Message) -> usize {
    /// `MSG`, the words of fixed length, the numbers, eight spaces, and both ends of lines.
    const BESIDE: usize = 3 + Installation::DIGITS + Origin::DIGITS + 3 * 19 + 5 + 8 + 2 * 2;
    BESIDE + peer.as_str().len() + message.kind.as_str().len() + message.body.len()
}

fn encode_message(out: &mut BytesMut, peer: &Name, seq: u64, message: &Message) {
    let Message { id: MessageId { installation, n }, origin, time: Timestamp(time), kind, body } =
        message;
    let length = body.len();
    line(out, format_args!("MSG {peer} {seq} {installation} {n} {origin} {time} {kind} {length}"));
    put_body(out, body);
}

/// The words that all have are formatted once.
fn encode_similar(out: &mut BytesMut, peer: &Name, first_seq: u64, messages: &[Message]) {
    let Some(Message { id, time: Timestamp(time), kind, .. }) = messages.first() else { return };
    let to = format!("MSG {peer} ");
    let (from, what) = (format!(" {} ", id.installation), format!("{time} {kind} "));
    let [mut seq, mut n, mut length] = [itoa::Buffer::new(); 3];
    for (number, message) in (first_seq..).zip(messages) {
        let (seq, n) = (seq.format(number), n.format(message.id.n));
        let length = length.format(message.body.len());
        let origin = &message.origin.spaced();
        let [to, seq, from, n, what, length] =
            [&to, seq, &from, n, &what, length].map(|words| words.as_bytes());
        for part in [to, seq, from, n, origin, what, length, b"\r\n"] {
            out.put_slice(part);
        }
        put_body(out, &message.body);
    }
}
