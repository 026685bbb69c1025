//! Rows as the rest of the client sees them: messages, and outgoing and incoming files.
//!
//! Owned by nobody: plain data, and its names in the store.

use std::path::PathBuf;

use blake3::Hash;
use bytes::Bytes;
use rusqlite::Row;
use serde::{Deserialize, Serialize};

use super::info::FileInfo;
use crate::message::{BlobId, Kind, Name, Timestamp};
use crate::seal::FileSeed;

/// A message, own or another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its place.
    pub id: i64,
    /// Whether one wrote it oneself.
    pub own: bool,
    /// Its number within conversation and installation.
    pub n: u64,
    /// When it was written here, or when another's reached the server.
    pub time: Timestamp,
    /// What the body is.
    pub kind: Kind,
    /// What was written. Data from others: not to be shown as it is.
    pub body: Bytes,
    /// Its state.
    pub state: State,
    /// How it went.
    pub passage: Passage,
    /// The state of the file that it announces, if it is another's and does.
    pub file: Option<Received>,
    /// When another's was written, as its writer says, if that is quite another time.
    pub written: Option<Timestamp>,
}

/// A message that somebody wrote, as it is in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Its place in the history; ascends.
    pub id: i64,
    /// Who wrote it.
    pub peer: Name,
    /// When it reached the server.
    pub time: Timestamp,
    /// What the body is.
    pub kind: Kind,
    /// What was written. Data from others: not to be shown as it is.
    pub body: Bytes,
    /// How it came.
    pub passage: Passage,
    /// The state of the file that it announces, if it does.
    pub file: Option<Received>,
    /// When it was written, as its writer says, if that is quite another time.
    pub written: Option<Timestamp>,
}

/// By how much the times may differ at which something was written and came, in milliseconds: clocks do.
const APART: u64 = 5 * 60 * 1_000;

/// When something was written, if it came at quite another time: it waited with its sender, or one of the clocks is wrong.
pub(super) fn written_apart(written: Timestamp, came: Timestamp) -> Option<Timestamp> {
    (written.0.abs_diff(came.0) > APART).then_some(written)
}

/// The same, as it stands in the store.
pub(super) fn written(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Timestamp>> {
    let written: Option<i64> = row.get(column)?;
    Ok(written.map(|it| Timestamp(it.cast_unsigned())))
}

/// How a message went from its sender's client to its receiver's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It has not left its sender's client.
    Unsent,
    /// Sealed, each time.
    Sealed,
    /// At least once in the clear: whoever runs the server could read it.
    Clear,
}

impl Passage {
    /// By what stands in the store.
    pub(super) fn of(sealed: Option<bool>) -> Self {
        match sealed {
            None => Self::Unsent,
            Some(true) => Self::Sealed,
            Some(false) => Self::Clear,
        }
    }

    /// Whether it was sealed; none if it has not left.
    pub fn sealed(self) -> Option<bool> {
        match self {
            Self::Unsent => None,
            Self::Sealed => Some(true),
            Self::Clear => Some(false),
        }
    }
}

/// The state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the words of the store")]
pub enum State {
    Waiting,
    Stored,
    Delivered,
    /// Delivered, and the peer says to have read it.
    Read,
    Expired,
    Received,
    Shown,
}

impl State {
    /// The word of the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Stored => "stored",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Expired => "expired",
            Self::Received => "received",
            Self::Shown => "shown",
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "waiting" => Self::Waiting,
            "stored" => Self::Stored,
            "delivered" => Self::Delivered,
            "read" => Self::Read,
            "expired" => Self::Expired,
            "received" => Self::Received,
            "shown" => Self::Shown,
            _ => return None,
        })
    }
}

/// The local state of a file in another's message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What one calls it by, from 1 in each conversation.
    pub number: u64,
    /// How it is with it.
    pub state: FileState,
}

/// How it is with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is on the server, and is downloaded when asked for.
    Offered,
    /// It is in flight, or waits for its turn.
    Coming,
    /// All of it is there: here, or on the server.
    Here,
    /// An own one that is on the server: the state of its message.
    Sent(State),
    /// It failed, and why.
    Failed(String),
    /// It was cancelled.
    Cancelled,
    /// The server does not have it any more.
    Gone,
}

impl FileState {
    /// The word of the store.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Offered => "offered",
            Self::Coming => "coming",
            Self::Here => "here",
            Self::Sent(_) => "sent",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Gone => "gone",
        }
    }

    pub(super) fn of_word(word: &str, why: Option<String>) -> Option<Self> {
        Some(match word {
            "offered" => Self::Offered,
            "coming" => Self::Coming,
            "here" => Self::Here,
            "failed" => Self::Failed(why.unwrap_or_default()),
            "cancelled" => Self::Cancelled,
            "gone" => Self::Gone,
            _ => return None,
        })
    }
}

/// A file in flight, or the state of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way it goes.
    pub way: Way,
    /// Its id in its direction; for an incoming one the id of its message.
    pub id: i64,
    /// To whom, or from whom.
    pub peer: Name,
    /// What one calls it by, if it is another's.
    pub number: Option<u64>,
    /// What its sender calls it. Data from others: not to be shown as it is.
    pub name: String,
    /// Its length in bytes.
    pub size: u64,
    /// How much of it is there, in bytes.
    pub done: u64,
    /// How it is with it.
    pub state: FileState,
}

impl Transfer {
    pub(crate) fn of_upload(upload: &Upload, state: FileState) -> Self {
        Self {
            way: Way::Up,
            id: upload.id,
            peer: upload.peer.clone(),
            number: None,
            name: upload.source.name.clone(),
            size: upload.source.size,
            done: 0,
            state,
        }
    }

    pub(crate) fn of_download(download: &Download) -> Self {
        let done = if download.state == FileState::Here { download.info.size } else { 0 };
        Self {
            way: Way::Down,
            id: download.message,
            peer: download.peer.clone(),
            number: Some(download.number),
            name: download.info.name.clone(),
            size: download.info.size,
            done,
            state: download.state.clone(),
        }
    }

    /// That of a message that just came, if its file does not.
    pub(crate) fn of_refused(message: &Incoming) -> Option<Self> {
        let Received { number, state } = message.file.clone()?;
        let info = FileInfo::of(&message.kind, &message.body)?;
        matches!(state, FileState::Failed(_)).then(|| Self {
            way: Way::Down,
            id: message.id,
            peer: message.peer.clone(),
            number: Some(number),
            name: info.name,
            size: info.size,
            done: 0,
            state,
        })
    }
}

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To somebody.
    Up,
    /// From somebody.
    Down,
}

/// A file as scripts are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// What one calls it by, if it is another's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub n: Option<u64>,
    /// What its sender calls it. Data from others: not to be shown as it is, and no path.
    pub name: String,
    /// Its media type.
    #[serde(rename = "type")]
    pub media: String,
    /// Its length in bytes.
    pub size: u64,
    /// What its content hashes to, as hexadecimal digits.
    pub blake3: String,
    /// What its sender says of it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub caption: Option<String>,
}

impl Listed {
    /// The file that a message tells of, if it does.
    pub fn of(kind: &Kind, body: &[u8], received: Option<&Received>) -> Option<Self> {
        let FileInfo { name, media, size, hash, caption, .. } = FileInfo::of(kind, body)?;
        let n = received.map(|it| it.number);
        Some(Self { n, name, media, size, blake3: hash.to_string(), caption })
    }
}

/// A file of one's own, as it was when the command was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) media: String,
    pub(crate) size: u64,
    /// When it was last written, in nanoseconds since 1970.
    pub(crate) modified: i64,
    pub(crate) caption: Option<String>,
}

/// An unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Upload {
    pub(crate) id: i64,
    pub(crate) peer: Name,
    pub(crate) source: Source,
    /// The server's id for it, if there is one already.
    pub(crate) blob: Option<BlobId>,
    /// What it is sealed with there.
    pub(crate) seal: Option<FileSeal>,
}

/// What an own file is sealed with. Nothing but a file with this hash is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileSeal {
    pub(crate) seed: FileSeed,
    pub(crate) hash: Hash,
}

/// A file of another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Download {
    pub(crate) message: i64,
    pub(crate) peer: Name,
    pub(crate) number: u64,
    pub(crate) info: FileInfo,
    pub(crate) state: FileState,
    /// Whether its message came sealed, and never in the clear.
    pub(crate) is_sealed: bool,
}
