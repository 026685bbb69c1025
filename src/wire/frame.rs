//! The frames of `tinychat/1` as types: what each side may say.
//!
//! Pure data. [`codec`](super::codec) turns them into bytes and back.

use bytes::Bytes;
use smol_str::SmolStr;

pub use super::codes::{ByeReason, ErrorCode, FileError};
use super::limits::{
    HANDSHAKE_SECONDS, IDLE_AFTER_SECONDS, MAX_BODY, MAX_CONVERSATIONS, MAX_HEADER,
    PING_AFTER_SECONDS,
};
use crate::message::{BlobId, Installation, Kind, MAX_NAME_CHARS, Message, Name};
use crate::trust::{Invite, PublicKey, Ticket};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientFrame {
    /// Who is there, and which key will prove it.
    Hello {
        /// The name to sign in with.
        name: Name,
        /// The base64 word of an OpenSSH public key line; not looked at yet.
        key: SmolStr,
        /// The data folder that messages will come from.
        installation: Installation,
        /// What lets a newcomer in.
        invite: Option<Invite>,
    },
    /// An armoured SSHSIG over [`sign_in_text`](super::sign_in_text).
    Prove {
        /// The armoured text; not looked at yet.
        signature: Bytes,
    },
    /// Opens or resynchronises a conversation.
    Talk {
        /// With whom.
        peer: Name,
        /// Up to which own number every fate is final.
        settled: u64,
    },
    /// Closes a conversation.
    Close {
        /// With whom.
        peer: Name,
    },
    /// A message, new or again.
    Message {
        /// To whom.
        peer: Name,
        /// Its number within session and installation.
        n: u64,
        /// What the body is.
        kind: Kind,
        /// The body.
        body: Bytes,
    },
    /// Everything up to `seq` is on disk.
    Ack {
        /// From whom the messages came.
        peer: Name,
        /// The highest one, cumulative.
        seq: u64,
    },
    /// A person has seen what somebody wrote.
    Read {
        /// Who wrote it.
        peer: Name,
        /// From which installation.
        installation: Installation,
        /// Cumulative.
        n: u64,
    },
    /// Asks who is there.
    Online,
    /// Asks whose name it is.
    Key {
        /// The name.
        peer: Name,
    },
    /// Hear no more of somebody.
    Block {
        /// Of whom.
        peer: Name,
    },
    /// Hear of somebody again.
    Unblock {
        /// Of whom.
        peer: Name,
    },
    /// Asks who is blocked.
    Blocks,
    /// Asks for a `Pong`.
    Ping,
    /// The answer to the server's `Ping`.
    Pong,
    /// Asks for a word that says on other connections who one is.
    Ticket,
    /// This connection carries files, for whom the ticket was given to. From here on the client says
    /// [`FileRequest`]s.
    Carry {
        /// What the server said.
        ticket: Ticket,
    },
    /// Done.
    Quit,
}

/// What a client says on a connection that carries files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRequest {
    /// There is a file for somebody.
    Offer {
        /// For whom.
        peer: Name,
        /// How many bytes it has.
        size: u64,
    },
    /// An upload goes on.
    Resume {
        /// Which.
        blob: BlobId,
    },
    /// The next bytes of what was offered or resumed.
    Chunk {
        /// Where in the file they lie.
        offset: u64,
        /// At most [`MAX_CHUNK`](super::MAX_CHUNK).
        body: Bytes,
    },
    /// Asks for a file from some byte on.
    Fetch {
        /// Which.
        blob: BlobId,
        /// Where.
        offset: u64,
    },
    /// The server need not keep a file any more.
    Drop {
        /// Which.
        blob: BlobId,
    },
}

/// What a server says on a connection that carries files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileReply {
    /// So much of a file is there.
    Have {
        /// Which.
        blob: BlobId,
        /// Bytes.
        size: u64,
        /// What they hash to, where they may be others than those that were sent.
        hash: Option<blake3::Hash>,
    },
    /// All of a file is on the server's disk.
    Kept {
        /// Which.
        blob: BlobId,
    },
    /// The next bytes of what was fetched.
    Chunk {
        /// Where in the file they lie.
        offset: u64,
        /// At most [`MAX_CHUNK`](super::MAX_CHUNK).
        body: Bytes,
    },
    /// A file is not kept any more.
    Gone {
        /// Which.
        blob: BlobId,
    },
    /// Something was wrong; the server closes.
    Error {
        /// What, for programs.
        code: FileError,
        /// What, for people.
        text: String,
    },
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerFrame {
    /// Sign this.
    Challenge {
        /// 64 hexadecimal digits, good once.
        nonce: SmolStr,
    },
    /// Signed in.
    Welcome {
        /// The name in the server's spelling.
        name: Name,
        /// What the server allows.
        limits: Limits,
    },
    /// Messages wait in a conversation that is not open.
    Waiting {
        /// From whom.
        peer: Name,
        /// How many.
        count: u64,
    },
    /// The conversation is open.
    Talking {
        /// With whom.
        peer: Name,
        /// Whether the peer is there.
        presence: Presence,
        /// Where this installation's messages stand.
        own: Watermarks,
        /// How many of the peer's messages will now come.
        waiting: u64,
    },
    /// Whose name it is.
    Key {
        /// The name.
        peer: Name,
        /// Who owns it; none as long as nobody does.
        key: Option<PublicKey>,
    },
    /// Kept by the server, up to `n`.
    Stored {
        /// Who was written to.
        peer: Name,
        /// Cumulative.
        n: u64,
    },
    /// On the receiver's disk, up to `n`.
    Delivered {
        /// Who was written to.
        peer: Name,
        /// Cumulative.
        n: u64,
    },
    /// Seen by the person, up to `n`.
    Read {
        /// Who was written to.
        peer: Name,
        /// Cumulative.
        n: u64,
    },
    /// One message is no longer kept.
    Expired {
        /// Who was written to.
        peer: Name,
        /// Which one; not cumulative.
        n: u64,
    },
    /// A message was not taken, nor will be those after it until `TALK`.
    Refused {
        /// Who was written to.
        peer: Name,
        /// The first one that was refused.
        n: u64,
        /// Why.
        refusal: Refusal,
        /// A sentence with the numbers.
        text: String,
    },
    /// There may be room again.
    Room {
        /// Who was written to.
        peer: Name,
    },
    /// A message.
    Message {
        /// From whom.
        peer: Name,
        /// The number to acknowledge it by, on this connection.
        seq: u64,
        /// The message.
        message: Message,
    },
    /// What says on other connections who one is, as long as this one lives.
    Ticket {
        /// The word.
        ticket: Ticket,
    },
    /// Who is there.
    Online {
        /// How many people are signed in.
        count: u64,
        /// Their names, as many as fit.
        names: Vec<Name>,
    },
    /// Somebody is blocked from now on.
    Blocked {
        /// Who.
        peer: Name,
    },
    /// Somebody is not blocked any more.
    Unblocked {
        /// Who.
        peer: Name,
    },
    /// Who is blocked.
    Blocks {
        /// Their names.
        names: Vec<Name>,
    },
    /// A peer of an open conversation came or went.
    Presence {
        /// Who.
        peer: Name,
        /// Which.
        presence: Presence,
    },
    /// Asks for a `Pong`.
    Ping,
    /// The answer to the client's `Ping`.
    Pong,
    /// Something was wrong.
    Error {
        /// What, for programs.
        code: ErrorCode,
        /// The conversation that it concerns.
        peer: Option<Name>,
        /// What, for people.
        text: String,
    },
    /// The server closes.
    Bye {
        /// Why, for programs.
        reason: ByeReason,
        /// Why, for people.
        text: String,
    },
}

/// How far one installation's messages in one session have come. All three are inclusive and 0
/// where there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watermarks {
    /// The highest number that the server took. No receipt.
    pub have: u64,
    /// Up to here everything is kept.
    pub stored: u64,
    /// Up to here everything is delivered or expired.
    pub delivered: u64,
}

/// Whether somebody is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Signed in.
    Online,
    /// Not signed in.
    Away,
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

/// Why a message was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The backlog is full.
    Full,
    /// The server cannot write to its disk.
    Store,
    /// The name was taken from whom they were for.
    Owner,
    /// They came too fast.
    Slow {
        /// When to try again.
        seconds: u64,
    },
}

impl Refusal {
    /// Its code, as scripts read it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Store => "store",
            Self::Owner => "owner",
            Self::Slow { .. } => "slow",
        }
    }
}

/// What a server announces in `WELCOME`. Bytes, characters, seconds or messages; the
/// [specification](super#signing-in) has the words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the words of WELCOME, specified there")]
pub struct Limits {
    pub body: u64,
    pub header: u64,
    pub name: u64,
    pub conversations: u64,
    pub handshake: u64,
    pub ping: u64,
    pub idle: u64,
    pub backlog: u64,
    pub backlog_bytes: u64,
    pub recipient: u64,
    pub recipient_bytes: u64,
    pub keep: u64,
    pub file: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: MAX_BODY as u64,
            header: MAX_HEADER as u64,
            name: MAX_NAME_CHARS as u64,
            conversations: MAX_CONVERSATIONS as u64,
            handshake: HANDSHAKE_SECONDS,
            ping: PING_AFTER_SECONDS,
            idle: IDLE_AFTER_SECONDS,
            backlog: 0,
            backlog_bytes: 0,
            recipient: 0,
            recipient_bytes: 0,
            keep: 0,
            file: 0,
        }
    }
}
