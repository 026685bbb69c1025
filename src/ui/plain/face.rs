//! The state of the plain face.
//!
//! Owned by [`run`](super::run()).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::SystemTime;

use super::announcements::Announcements;
use super::receipts::Receipts;
use crate::client::{Absence, Client};
use crate::message::Name;
use crate::signals::Interrupt;
use crate::ui::console::screen::Screen;
use crate::ui::start::entry::Options;

pub(super) struct Face {
    pub(super) client: Client,
    pub(super) screen: Screen,
    pub(super) options: Options,
    pub(super) user: Name,
    /// Where all of that is kept.
    pub(super) data: PathBuf,
    /// Whom lines go to.
    pub(super) current: Option<Name>,
    pub(super) open: BTreeSet<Name>,
    /// Whose names can be completed.
    pub(super) known: BTreeSet<Name>,
    /// Who, not being the current one, was announced since one turned to the current one.
    pub(super) announced: BTreeSet<Name>,
    /// In whose conversations it was said which messages have a mark.
    pub(super) explained_clear: BTreeSet<Name>,
    pub(super) connected: Connected,
    /// Why it was lost last.
    pub(super) because: Absence,
    /// Since when it is as it is.
    pub(super) since: SystemTime,
    pub(super) receipts: Receipts,
    pub(super) announcements: Announcements,
    /// By peer, the message whose refusal was told last.
    pub(super) refused: BTreeMap<Name, u64>,
    /// The numbers of files that were asked for; none is the last.
    pub(super) asked_files: BTreeSet<Option<u64>>,
    /// A line could not be obeyed, or a message not be printed.
    pub(super) failed: bool,
    /// Nothing more can be printed. What comes until the client has ended is shown next time.
    pub(super) leaving: bool,
    /// The input is at its end, or was said to be.
    pub(super) all_read: bool,
    pub(super) signal: Option<Interrupt>,
}

/// What was said last about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connected {
    NotYet,
    Yes,
    Lost,
}

impl Face {
    pub(super) fn new(
        client: Client,
        screen: Screen,
        options: Options,
        (user, data): (Name, PathBuf),
    ) -> Self {
        let announcements = Announcements::new(screen.interactive || options.commands);
        Self {
            client,
            screen,
            options,
            user,
            data,
            current: None,
            open: BTreeSet::new(),
            known: BTreeSet::new(),
            announced: BTreeSet::new(),
            explained_clear: BTreeSet::new(),
            connected: Connected::NotYet,
            because: Absence::Server(String::new()),
            since: SystemTime::now(),
            receipts: Receipts::default(),
            announcements,
            refused: BTreeMap::new(),
            asked_files: BTreeSet::new(),
            failed: false,
            leaving: false,
            all_read: false,
            signal: None,
        }
    }
}
