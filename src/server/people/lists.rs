//! Device lists with their prekeys: which one counts for each name, and taking the next one.
//!
//! Owned by the server; the lists are in the mailbox. Invariants: messages are accepted for the version that is the
//! newest in the mailbox's journal at that moment; nobody is told of a list before it is on the synced disk; a list
//! counts as long as the key that has signed it owns the name, and the server has the key for which it was made.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::contacts::WRITING;
use super::names::Names;
use super::versions::{Watch, Watched, Who};
use crate::mailbox::{KeptList, ListId, Mailbox, MailboxError};
use crate::message::Name;
use crate::task;
use crate::trust::Fingerprint;
use crate::trust::devices::{Bundle, BundleError, Owner};
use crate::wire::frame::ErrorCode;

/// Why a list is not taken. Made to be read by the person who said it.
#[derive(Debug, Error)]
pub(crate) enum NotTaken {
    #[error(transparent)]
    NoList(#[from] BundleError),
    #[error("that device list is for another server")]
    Elsewhere,
    #[error("the key that has signed that device list does not own the name")]
    NotOwner,
    #[error("version {0} of that device list is here, which is newer or another one")]
    Behind(u64),
    #[error("that device list was not made from version {0}, which is here")]
    Beside(u64),
    #[error("you say device lists too often; try again in {} s", .0.as_secs() + 1)]
    TooOften(Duration),
    #[error("the device list that is here is damaged; the server's operator can see how")]
    Damaged,
    #[error("the server cannot keep device lists now; try again later")]
    NotWritten,
}

impl NotTaken {
    /// Whether the same list may be taken later.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::TooOften(_) | Self::NotWritten => ErrorCode::Later,
            Self::NoList(_)
            | Self::Elsewhere
            | Self::NotOwner
            | Self::Behind(_)
            | Self::Beside(_)
            | Self::Damaged => ErrorCode::List,
        }
    }
}

impl From<MailboxError> for NotTaken {
    fn from(error: MailboxError) -> Self {
        log::debug!("a device list is not taken: {error}");
        Self::NotWritten
    }
}

/// See the [module](self).
pub(crate) struct Lists {
    names: Arc<Names>,
    mailbox: Arc<dyn Mailbox>,
    watched: Arc<Watched>,
    server: Box<ServerKey>,
}

/// Says which key the server has now; none without TLS.
pub(crate) type ServerKey = dyn Fn() -> Option<Fingerprint> + Send + Sync;

impl Lists {
    /// The lists in a mailbox. `watched` is told when names get other owners.
    pub(crate) fn new(
        names: Arc<Names>,
        mailbox: Arc<dyn Mailbox>,
        watched: Arc<Watched>,
        server: Box<ServerKey>,
    ) -> Self {
        Self { names, mailbox, watched, server }
    }

    /// Keeps up with the list of a name.
    pub(crate) fn watch(&self, name: &Name) -> Watch {
        self.watched.watch(name, || self.who(name), || self.mailbox.list_of(name))
    }

    fn who(&self, name: &Name) -> Who {
        Who { owner: self.names.owner(name), server: (self.server)() }
    }

    /// The version that others may be told; 0 if there is none.
    pub(crate) fn version(&self, name: &Name) -> u64 {
        self.watch(name).told()
    }

    /// The list that others may be told.
    pub(crate) async fn newest(&self, name: &Name) -> Result<Option<KeptList>, MailboxError> {
        if self.mailbox.list_of(name).is_none() {
            return Ok(None);
        }
        let list = self.mailbox.committed_list(name).await?;
        Ok(list.filter(|list| self.who(name).has_made(&list.id)))
    }

    /// Takes a bundle that somebody says. Returns whose it is, and the newest version there is.
    pub(crate) async fn take(
        &self,
        said_by: &Name,
        bundle: &[u8],
    ) -> Result<(Name, u64), (Option<Name>, NotTaken)> {
        // A copy: what was read together is not kept for it.
        let bundle = Bundle::read(Bytes::copy_from_slice(bundle));
        let bundle = bundle.map_err(|error| (None, error.into()))?;
        let name = bundle.list().owner().name.clone();
        if bundle.list().owner().server != (self.server)() {
            return Err((Some(name), NotTaken::Elsewhere));
        }
        let taking = task::within(WRITING, self.write(said_by, bundle)).await;
        match taking.unwrap_or(Err(NotTaken::NotWritten)) {
            Ok(version) => Ok((name, version)),
            Err(error) => Err((Some(name), error)),
        }
    }

    /// Writes a bundle if its list is the next one, or a prekey in it is newer.
    async fn write(&self, said_by: &Name, said: Bundle) -> Result<u64, NotTaken> {
        let (version, owner) = (said.list().version(), said.list().owner().clone());
        let watch = self.watch(&owner.name);
        let _turn = watch.turn().await;
        watch.settled().await;
        // Whoever takes the name from its owner now waits for its turn to remove the list.
        if self.names.owner(&owner.name) != Some(owner.identity) {
            return Err(NotTaken::NotOwner);
        }
        let kept = self.kept(&owner).await?;
        if let Some(next) = next(said, kept.as_ref())? {
            self.mailbox.ready(said_by).await?;
            watch.keep(&*self.mailbox, Some(KeptList::of(&next)));
            watch.settled().await;
        }
        Ok(version)
    }

    /// What is kept of somebody, also if it was made for another key of the server.
    async fn kept(&self, owner: &Owner) -> Result<Option<Bundle>, NotTaken> {
        let id = self.mailbox.list_of(&owner.name);
        if id.is_none_or(|id| id.owner != owner.identity) {
            return Ok(None);
        }
        let kept = self.mailbox.committed_list(&owner.name).await?;
        let kept = kept.map(|kept| Bundle::read(kept.bundle)).transpose();
        kept.map_err(|error| damaged(owner, error))
    }

    /// A name was taken from its owner: removes its list from the disk.
    pub(crate) async fn forget(&self, name: &Name) -> Result<(), MailboxError> {
        let forgetting = async {
            let watch = self.watch(name);
            let _turn = watch.turn().await;
            if self.mailbox.list_of(name).is_some() {
                watch.keep(&*self.mailbox, None);
            }
            watch.settled().await;
        };
        let late = || MailboxError("removing its device list takes too long".into());
        task::within(WRITING, forgetting).await.ok_or_else(late)
    }

    /// The mailbox has made a list durable.
    pub(crate) fn committed(&self, name: &Name, list: Option<ListId>) {
        self.watched.committed(name, list);
    }
}

/// What takes the place of what is kept; nothing if all that is said is known.
fn next(said: Bundle, kept: Option<&Bundle>) -> Result<Option<Bundle>, NotTaken> {
    let list = said.list();
    // What was made for another key of the server does not count.
    let known = kept.map(Bundle::list).filter(|it| it.owner().server == list.owner().server);
    if let Some(known) = known.filter(|it| it.hash() != list.hash()) {
        if list.version() <= known.version() {
            return Err(NotTaken::Behind(known.version()));
        }
        if !list.follows(known) {
            return Err(NotTaken::Beside(known.version()));
        }
    }
    let next = said.over(kept)?;
    Ok(kept.is_none_or(|kept| next.has_news_for(kept)).then_some(next))
}

/// What is on the disk was checked before.
fn damaged(owner: &Owner, error: BundleError) -> NotTaken {
    log::error!("the device list of {} on the disk: {error}", owner.name);
    NotTaken::Damaged
}

#[cfg(test)]
#[path = "lists_tests.rs"]
mod tests;
