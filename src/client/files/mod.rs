//! Files: what is said of them, how they go and come, and where they are put.
//!
//! The core decides what is carried (`core/files`); each is carried on a thread of its own (`carry`), on a connection
//! of its own; `ledger` is what is written down of it, and `stock` how much of it lies here. A file that comes lies in
//! the data folder, below [`FOLDER`], until its person frees it. Invariant: nothing is there under its own name whose
//! hash is not that which its sender has told.

pub(crate) mod carry;
pub(crate) mod save;

pub use super::store::info::Listed;

use super::State;
use crate::message::Name;

/// Where files lie that came, in the data folder.
pub const FOLDER: &str = "files";

/// Which way a file goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// To somebody.
    Up,
    /// From somebody.
    Down,
}

/// How it is with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileState {
    /// It is with the server, and comes when it is asked for.
    Offered,
    /// It is on its way, or waits for its turn.
    Coming,
    /// All of it is there: here, or with the server.
    Here,
    /// An own one that the server has all of: where the message is that tells of it.
    Sent(State),
    /// It does not come, and why.
    Failed(String),
    /// One thought better of it.
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

    pub(crate) fn of_word(word: &str, why: Option<String>) -> Option<Self> {
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

/// What there is to know of a file in another's message, beside what the message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// What one calls it by, from 1 in each conversation.
    pub number: u64,
    /// How it is with it.
    pub state: FileState,
}

/// A file on its way, or how it is with one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Which way it goes.
    pub way: Way,
    /// Among those that go this way; of one that comes the id of its message.
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
