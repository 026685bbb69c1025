//! What operations look at and change: the parts of a server, whether one runs or not.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ControlError;
use crate::blobs::Blobs;
use crate::mailbox::EmbeddedMailbox;
use crate::message::Name;
use crate::server::announcement::Announcement;
use crate::server::host::Host;
use crate::server::people::Member;
use crate::server::people::{BookError, Contacts, Lists, Names, Registration, Seen};
use crate::server::sessions::Registry;

/// What operations look at and change.
pub(super) struct Subject {
    pub(super) mailbox: Arc<EmbeddedMailbox>,
    pub(super) registry: Arc<Registry>,
    pub(super) names: Arc<Names>,
    pub(super) contacts: Arc<Contacts>,
    pub(super) lists: Arc<Lists>,
    pub(super) blobs: Arc<Blobs>,
    pub(super) seen: Arc<Seen>,
    pub(super) announcement: Arc<Announcement>,
    pub(super) data: PathBuf,
    /// The server, if one runs.
    pub(super) host: Option<Arc<Host>>,
}

impl Subject {
    /// The name that somebody has, as it was typed, and what the book has of them.
    pub(super) fn whoever_has(&self, name: &str) -> Result<(Name, Member), ControlError> {
        let name: Name = name.parse()?;
        let unknown = || ControlError::Refused(format!("nobody has the name {name}"));
        let member = self.names.member(&name).ok_or_else(unknown)?;
        Ok((name, member))
    }

    /// The server that runs.
    pub(super) fn running(&self) -> Result<&Host, ControlError> {
        let host = self.host.as_deref();
        host.ok_or_else(|| ControlError::NoServer { path: self.data.clone() })
    }
}

/// Nobody signs in while no server runs.
pub(super) fn open_names(folder: &Path) -> Result<Names, BookError> {
    Names::open(&folder.join("names"), Registration::Closed, |_, _| {})
}
