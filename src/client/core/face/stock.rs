//! What lies here of others' files: said, and freed.
//!
//! Owned by the core. Invariant: what is freed is off the disk before that is written down, so that a kill in between leaves nothing on the
//! disk that nobody counts.

use super::super::exit::Exit;
use super::super::order::Key;
use super::super::state::Core;
use crate::client::files::place::{self, FOLDER};
use crate::client::store::rows::{Download, FileState};
use crate::client::store::stock::{self, Freed, Lying};
use crate::message::Name;
use crate::task;

impl Core {
    /// What lies here, by person.
    pub(super) async fn lying(&self) -> Result<Vec<Lying>, Exit> {
        let (server, limit) = (self.server.clone(), self.config.unasked.person);
        Ok(self.store.run(move |tx| stock::lying(tx, &server, limit)).await?)
    }

    /// Has one file of somebody, or all, lie here no longer. What just comes stays.
    pub(super) async fn free(&mut self, peer: Name, which: Option<u64>) -> Result<Freed, Exit> {
        let (server, of) = (self.server.clone(), peer.clone());
        let find = move |tx: &rusqlite::Transaction<'_>| stock::to_free(tx, &server, &of, which);
        let mut found = self.store.run(find).await?;
        found.retain(|it| !self.files.is_carried(Key::Download(it.message)));
        let folder = self.config.data.join(FOLDER);
        let removed = task::blocking(move || {
            found.retain(|it| is_removed(place::remove(&folder, it.message)));
            found
        });
        let removed = removed.await;
        let messages: Vec<i64> = removed.iter().map(|it| it.message).collect();
        messages.iter().for_each(|message| self.files.forget(Key::Download(*message)));
        let write = move |tx: &rusqlite::Transaction<'_>| {
            messages.iter().try_for_each(|message| stock::freed(tx, *message))
        };
        self.store.run(write).await?;
        self.files.look();
        let was_here = |it: &&Download| it.state == FileState::Here;
        Ok(Freed {
            peer,
            bytes: removed.iter().filter(was_here).map(|it| it.info.size).sum(),
            messages: removed.iter().filter(was_here).map(|it| it.message).collect(),
        })
    }
}

fn is_removed(removed: std::io::Result<()>) -> bool {
    removed.inspect_err(|error| log::error!("removing a file that came: {error}")).is_ok()
}
