//! What a face wants of the client.
//!
//! Owned by nobody: plain data, which the core obeys.

use std::path::PathBuf;

use super::store::archive::Place;
use super::store::search::Query;
use crate::message::Name;

/// What a face wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Open a conversation and show what comes in it.
    Talk(Name),
    /// Close a conversation.
    Close(Name),
    /// Write to somebody; at most [`MAX_BODY`](crate::wire::MAX_BODY) bytes.
    Send {
        /// To whom.
        peer: Name,
        /// What.
        text: String,
    },
    /// Send a file, once the server keeps all of it: it may be said long before.
    SendFile {
        /// To whom.
        peer: Name,
        /// Where it lies; from the root on.
        path: PathBuf,
        /// What to say of it; at most [`MAX_CAPTION`](super::MAX_CAPTION) bytes.
        caption: Option<String>,
    },
    /// Have a file come that does not come by itself.
    Get {
        /// From whom.
        peer: Name,
        /// Which; without a number the last.
        number: Option<u64>,
    },
    /// Put a file where one wants it, once it is here.
    Save {
        /// From whom.
        peer: Name,
        /// Which; without a number the last.
        number: Option<u64>,
        /// The name to give it, or a folder; without one the download folder.
        to: Option<PathBuf>,
    },
    /// Think better of what goes to somebody and comes from them.
    Cancel {
        /// Who.
        peer: Name,
        /// Which.
        which: Unwanted,
    },
    /// Have files that somebody sent lie here no longer.
    Free {
        /// Who.
        peer: Name,
        /// Which; without a number all.
        number: Option<u64>,
    },
    /// Ask how it is with files.
    Files,
    /// Ask who is there.
    Online,
    /// Ask what has not arrived.
    Status,
    /// Ask for somebody's key, or for one's own.
    Key(Option<Name>),
    /// Trust the key that somebody has now.
    Trust(Name),
    /// Hear no more of somebody, or of somebody again.
    Block {
        /// Of whom.
        peer: Name,
        /// Whether no more.
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
    /// Nothing more can be shown. What is not shown yet stays unread, and nobody waits for it.
    ShowNoMore,
    /// Sign out once everything written is stored and everything that waited has come.
    Finish,
    /// Sign out now.
    Leave,
}

/// Files that one thinks better of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unwanted {
    /// All that go and come; if there are none, the last own one that waits with the server.
    OnTheWay,
    /// The one that comes and has this number.
    Theirs(u64),
    /// The own ones called so that go; if there are none, the last one that waits with the server.
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
