//! The items of the core's one queue.
//!
//! Owned by nobody: plain data.

use std::path::PathBuf;

use crate::client::beside::Ask;
use crate::client::command::Command;
use crate::client::files::job::Report;
use crate::message::Name;
use crate::trust::devices::{Bundle, SignedWriter};

/// An order to the core: from the face, or for processes beside it.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command),
    Ask(Ask),
    /// A report of one of the core's own threads.
    Said(Said),
}

impl From<Command> for Order {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}

impl From<Ask> for Order {
    fn from(ask: Ask) -> Self {
        Self::Ask(ask)
    }
}

/// A report of a thread.
#[derive(Debug)]
pub(crate) enum Said {
    /// From a carrying thread: which, in which run, and the report.
    Carried(Key, u64, Report),
    /// A carrying thread has ended.
    Ended(Key, u64),
    /// The key that signs one's own list of devices has signed it, which has its prekeys behind it; or why it has not.
    Signed(Box<Result<Bundle, String>>),
    /// It is asked to sign this, and takes long.
    Signing(&'static str),
    /// It has signed, or not, what messages of this folder show.
    Written(Box<Result<SignedWriter, String>>),
    /// A saving thread is done.
    Saved { peer: Name, number: u64, saved: Result<PathBuf, String> },
}

/// Identifies what is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Upload(i64),
    Download(i64),
    Drop,
}
