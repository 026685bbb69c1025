//! What the core is told, by whomever: its one queue.
//!
//! Owned by nobody: plain data.

use std::path::PathBuf;

use crate::client::beside::Ask;
use crate::client::command::Command;
use crate::client::files::job::Report;
use crate::message::Name;

/// What the core is told: by the face, or for those beside it.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command),
    Ask(Ask),
    /// What a thread of the core's own says.
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

/// What a thread says.
#[derive(Debug)]
pub(crate) enum Said {
    /// One that carries; which, as what run, and what.
    Carried(Key, u64, Report),
    /// One that carried has ended.
    Ended(Key, u64),
    /// One that saved.
    Saved { peer: Name, number: u64, saved: Result<PathBuf, String> },
}

/// What is carried, to tell it from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Upload(i64),
    Download(i64),
    Drop,
}
