//! What is asked beside the face, and why it is not done.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::client::Failure;
use crate::exit::Exit;
use crate::message::Name;
use crate::ui::phrases::news::{HELD, KEPT};
use crate::ui::start::entry;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Errand {
    /// Write a message, and wait until it is stored, or delivered.
    Send {
        /// To whom.
        to: Name,
        /// What.
        text: String,
        /// Whether to wait until it is delivered.
        delivered: bool,
    },
    /// Send files, one after the other, and wait until the messages that tell of them are stored, or delivered.
    SendFiles {
        /// To whom.
        to: Name,
        /// Where they lie.
        paths: Vec<PathBuf>,
        /// What to say of the first.
        caption: Option<String>,
        /// Whether to wait until it is delivered.
        delivered: bool,
    },
    /// Print what others write, as it comes.
    Tail {
        /// Only what somebody writes.
        with: Option<Name>,
        /// From what nobody has read on; what is printed is read.
        unread: bool,
        /// One JSON object a line.
        json: bool,
    },
    /// Print what lies here of others' files, or make room.
    Files {
        /// Whose are to lie here no longer.
        free: Option<Name>,
        /// One JSON object a line.
        json: bool,
    },
    /// Print how things are.
    Status {
        /// As one JSON object.
        json: bool,
    },
}

/// Why it is not done.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Error {
    #[error("{0}")]
    Entry(#[from] entry::Error),
    #[error("{0}")]
    Refused(String),
    #[error("cannot print it: {0}")]
    Print(io::Error),
    #[error("another process owns the data folder and does not answer")]
    Unanswered,
    #[error("not {what} after {} s", after.as_secs())]
    TimedOut { what: &'static str, after: Duration },
    #[error("{}; it is {KEPT}", phrase(because))]
    Kept { because: Box<Error> },
    #[error("{}; it is {HELD}", phrase(because))]
    Held { because: Box<Error> },
    #[error("{}; it is {kept}", phrase(because))]
    Stranded { because: Box<Error>, kept: String },
    #[error(
        "{}; the server has it and delivers it by itself: do not send it again",
        phrase(because)
    )]
    Stored { because: Box<Error> },
    #[error("{}; not sent: {}", phrase(because), listed(rest))]
    NotAll { because: Box<Error>, rest: Vec<PathBuf> },
    #[error("it expired: the server kept it for as long as it keeps messages")]
    Expired,
    #[error("{0}")]
    Failed(Failure),
}

impl Error {
    /// What a program that stops for this exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Entry(error) => error.exit(),
            Self::Kept { .. } | Self::Held { .. } | Self::Stranded { .. } | Self::Stored { .. } => {
                Exit::Kept
            }
            _ => Exit::Failed,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Entry(error.into())
    }
}

/// A reason that more follows.
fn phrase(because: &Error) -> String {
    because.to_string().trim_end_matches('.').into()
}

/// Files, as one writes them in a line.
pub(super) fn listed(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}
