//! A guest's requests and an owner's answers: lines of JSON.
//!
//! Owned by nobody: plain data. Both ends may be different builds: new fields have a default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::path;
use crate::client::store::rows::Listed;

/// The socket's name in the data folder.
pub(crate) const SOCKET: &str = "socket";

/// What a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Write a message. Answered with [`Reply::Ready`], and then with each of its states, until the guest hangs up.
    Send {
        /// Made up by the guest, the same whenever it asks again.
        token: String,
        /// To whom.
        to: String,
        /// What, at most [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes.
        text: String,
        /// Only if nothing goes unsealed, whatever the server says.
        #[serde(default)]
        sealed: bool,
    },
    /// Send a file. Answered with [`Reply::Ready`], with `going` at each progress, and then with each state of its
    /// message, until the guest hangs up.
    SendFile {
        /// Made up by the guest, the same whenever it asks again.
        token: String,
        /// To whom.
        to: String,
        /// Where it lies; from the root on.
        #[serde(with = "path")]
        path: PathBuf,
        /// What to say of it.
        caption: Option<String>,
    },
    /// Follow what others write. Answered with each message, until the guest hangs up.
    Follow {
        /// Above which id; none for messages from now on.
        above: Option<i64>,
        /// Only what somebody writes.
        with: Option<String>,
        /// Only unread messages, old ones too. They count as read once [`Request::Read`] says so.
        #[serde(default)]
        unread: bool,
    },
    /// These messages were read. Answered with `told`.
    Read {
        /// Their places in the history.
        ids: Vec<i64>,
    },
    /// How things are.
    Status,
    /// List received files on this disk. Answered with a [`Reply::Files`] for each person, and then `told`.
    Files,
    /// Remove somebody's files from this disk. Answered with [`Reply::Freed`].
    Free {
        /// Whose.
        from: String,
    },
    /// Let somebody else own the folder, if no face needs it.
    Yield,
}

/// What an owner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It can be written now, and will be once the guest sends a byte: a guest that gave up before has reported that
    /// nothing is kept.
    Ready,
    /// The message is in this state.
    State(String),
    /// Nobody has the name to which it was written.
    Nobody,
    /// It went unsealed, for who has the name has no keys yet.
    Unsealed,
    /// The name to which it was written looks like this one, which is known.
    Alike(String),
    /// Everything up to this id has been told.
    Told(i64),
    /// A message of somebody.
    Message(Line),
    /// Somebody whom one has never talked to has written. Their messages are delivered when one talks to them.
    Request {
        /// Who.
        from: String,
        /// How many messages wait.
        count: u64,
        /// The known person whom they look like.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        alike: Option<String>,
    },
    /// How things are.
    Status(Snapshot),
    /// One person's received files on this disk.
    Files(Shelf),
    /// Files that were removed from this disk.
    Freed {
        /// Whose files these were.
        from: String,
        /// How many.
        files: u64,
        /// How many bytes they had.
        bytes: u64,
    },
    /// Whether the folder is free soon.
    Yields(bool),
    /// It cannot be done.
    Refused(String),
}

/// A message as guests get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place in the history.
    pub id: i64,
    /// Who wrote it.
    pub from: String,
    /// When it reached the server, in milliseconds since 1970.
    pub time: u64,
    /// What the body is.
    pub kind: String,
    /// What was written, if that is known of its kind. Data from others: not to be shown as it is.
    pub text: String,
    /// The file that it tells of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<Listed>,
    /// Whether it came sealed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sealed: Option<bool>,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who one is.
    pub user: String,
    /// The server.
    pub server: String,
    /// Whether one is signed in there.
    pub online: bool,
    /// How many own messages the server has not stored.
    pub unsent: u64,
    /// How many it has stored and not delivered.
    pub undelivered: u64,
    /// How many messages were received and not shown, by sender.
    pub unread: BTreeMap<String, u64>,
    /// How many messages wait of people whom one has never talked to, by sender.
    #[serde(default)]
    pub requests: BTreeMap<String, u64>,
    /// Whether these are all: the server has said so since one signed in.
    #[serde(default)]
    pub requests_known: bool,
    /// Why one is not signed in, once that was tried.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub absence: Option<String>,
    /// Which of those look like a known person, and like whom.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub alike: BTreeMap<String, String>,
}

/// One person's received files on this disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shelf {
    /// Who has sent them.
    pub from: String,
    /// How many.
    pub files: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How much of that was downloaded unasked, as it counts, in bytes.
    pub unasked: u64,
    /// The limit for that.
    pub unasked_limit: u64,
}
