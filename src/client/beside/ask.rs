//! Requests to the owner's core for its guests; each carries a channel for the answers.
//!
//! Owned by nobody: plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_channel::Sender;

use super::words::Snapshot;
use crate::client::event::Failure;
use crate::client::store::archive::{News, Sent};
use crate::client::store::files::Fate;
use crate::client::store::stock::{Freed, Lying};
use crate::message::Name;

/// What holds back messages to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Nobody has the name.
    pub(crate) nobody: bool,
    /// Their key is not the trusted one, or they have none any more; or their device list is not believed.
    pub(crate) held: Option<Failure>,
    /// A known person for whom they may be mistaken.
    pub(crate) alike: Option<Name>,
}

/// A request to the owner's core for a guest.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Notify whenever something happens.
    Watch {
        watcher: Sender<()>,
    },
    Write {
        token: String,
        peer: Name,
        text: String,
        /// Only if it goes sealed, whatever the server says.
        sealed: bool,
        answer: Sender<Result<i64, String>>,
    },
    SendFile {
        token: String,
        peer: Name,
        path: PathBuf,
        caption: Option<String>,
        answer: Sender<Result<i64, String>>,
    },
    Fate {
        id: i64,
        answer: Sender<Option<(Fate, u64)>>,
    },
    /// Why files for somebody wait, if they can go only once that has changed.
    Hold {
        peer: Name,
        answer: Sender<Option<Failure>>,
    },
    State {
        id: i64,
        answer: Sender<Option<Sent>>,
    },
    News {
        above: Option<i64>,
        with: Option<Name>,
        unread: bool,
        answer: Sender<News>,
    },
    Standing {
        peer: Name,
        answer: Sender<Standing>,
    },
    Requests {
        answer: Sender<BTreeMap<Name, u64>>,
    },
    Read {
        ids: Vec<i64>,
        answer: Sender<()>,
    },
    Status {
        answer: Sender<Snapshot>,
    },
    Lying {
        answer: Sender<Vec<Lying>>,
    },
    Free {
        peer: Name,
        answer: Sender<Freed>,
    },
}
