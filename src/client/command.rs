//! The commands of a face.
//!
//! Owned by nobody: plain data, which the core obeys.

use std::path::PathBuf;

use super::config::Seal;
use super::store::archive::Place;
use super::store::search::Query;
use crate::message::Name;
use crate::trust::Digits;

/// A command of a face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a conversation and show what comes in it.
    Talk(Name),
    /// Close a conversation.
    Close(Name),
    /// Write to somebody; at most [`MAX_TEXT`](crate::wire::MAX_TEXT) bytes.
    Send {
        /// To whom.
        peer: Name,
        /// What.
        text: String,
    },
    /// Send a file, once the server has all of it; the command may be given long before.
    SendFile {
        /// To whom.
        peer: Name,
        /// Its absolute path.
        path: PathBuf,
        /// What to say of it; at most [`MAX_CAPTION`](super::MAX_CAPTION) bytes.
        caption: Option<String>,
    },
    /// Download a file that is not downloaded unasked.
    Get {
        /// From whom.
        peer: Name,
        /// Which; without a number the last.
        number: Option<u64>,
    },
    /// Save a file where one wants it, once it is here.
    Save {
        /// From whom.
        peer: Name,
        /// Which; without a number the last.
        number: Option<u64>,
        /// The name to give it, or a folder; without one the download folder.
        to: Option<PathBuf>,
    },
    /// Cancel files to somebody and from them.
    Cancel {
        /// Who.
        peer: Name,
        /// Which.
        which: Unwanted,
    },
    /// Remove the local copies of files that somebody sent.
    Free {
        /// Who.
        peer: Name,
        /// Which; without a number all.
        number: Option<u64>,
    },
    /// Ask for the state of files.
    Files,
    /// Ask who is online.
    Online,
    /// Ask what has not arrived.
    Status,
    /// Ask for somebody's key, or for one's own.
    Key(Option<Name>),
    /// Trust the key that somebody has now.
    Trust(Name),
    /// Accept that nobody has a name any more, also if the key of whoever had it was verified.
    Release(Name),
    /// Note that somebody's key is verified, by digits that both people have compared.
    Verify {
        /// Whose.
        peer: Name,
        /// What they say to see.
        digits: Digits,
    },
    /// Ask for an address that has one's own key in it.
    Card,
    /// Decide what becomes of words for somebody who has no keys yet, until the client ends.
    Seal(Seal),
    /// Block somebody, or end that.
    Block {
        /// Whom.
        peer: Name,
        /// Whether to block.
        blocked: bool,
    },
    /// Ask who is blocked.
    Blocks,
    /// Ask for the conversations that have something in them.
    Overview,
    /// Ask for what was said in a conversation.
    Page {
        /// With whom.
        peer: Name,
        /// Which.
        place: Place,
        /// How many.
        limit: u32,
    },
    /// Look for words in everything that was said through this server.
    Search {
        /// What is looked for.
        query: Query,
        /// How many are wanted at most.
        limit: usize,
    },
    /// The message with this id was shown, and need not be shown again.
    Shown(i64),
    /// Nothing more can be shown. What is not shown yet stays unread, and is not waited for.
    ShowNoMore,
    /// Sign out once everything written is stored and everything that waited has come.
    Finish,
    /// Sign out now.
    Leave,
}

/// Which files to cancel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// All in flight; if there are none, the last own one that waits on the server.
    OnTheWay,
    /// The incoming one with this number.
    Theirs(u64),
    /// The outgoing ones with this name; if there are none, the last one that waits on the server.
    Own(String),
}

impl Unwanted {
    pub(crate) fn is_own(&self, name: &str) -> bool {
        match self {
            Self::OnTheWay => true,
            Self::Theirs(_) => false,
            Self::Own(unwanted) => unwanted == name,
        }
    }

    pub(crate) fn is_theirs(&self, number: u64) -> bool {
        match self {
            Self::OnTheWay => true,
            Self::Theirs(unwanted) => *unwanted == number,
            Self::Own(_) => false,
        }
    }
}
