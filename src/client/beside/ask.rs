//! What the owner's core is asked for its guests, and how it answers: one channel each.
//!
//! Owned by nobody: plain data.

use std::collections::BTreeMap;
use std::path::PathBuf;

use async_channel::Sender;

use super::words::Snapshot;
use crate::client::store::archive::News;
use crate::client::store::files::Fate;
use crate::client::store::rows::State;
use crate::client::store::stock::{Freed, Lying};
use crate::message::Name;

/// What stands in the way of what is written to somebody.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    /// Nobody has the name.
    pub(crate) nobody: bool,
    /// They have another key than the one that is trusted, or none any more.
    pub(crate) held: bool,
    /// Somebody whom one knows, and for whom they may be mistaken.
    pub(crate) alike: Option<Name>,
}

/// What the owner's core is asked for a guest.
#[derive(Debug)]
pub(crate) enum Ask {
    /// Say whenever something happens.
    Watch {
        watcher: Sender<()>,
    },
    Write {
        token: String,
        peer: Name,
        text: String,
        answer: Sender<i64>,
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
    State {
        id: i64,
        answer: Sender<Option<State>>,
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
