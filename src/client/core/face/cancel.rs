//! Cancelling files: those in flight, and those that wait on the server.
//!
//! Owned by the core. Invariant: the server is told to drop what was cancelled as soon as possible, across restarts.

use super::super::exit::Exit;
use super::super::order::Key;
use super::super::state::Core;
use super::super::under_way::{Wanted, What};
use crate::client::command::Unwanted;
use crate::client::event::Event;
use crate::client::store::files;
use crate::client::store::rows::{FileState, Transfer, Upload};
use crate::message::Name;

impl Core {
    /// Cancels files to somebody and from them.
    pub(crate) async fn cancel(&mut self, peer: Name, which: Unwanted) -> Result<(), Exit> {
        let (server, of) = (self.server.clone(), peer.clone());
        let look = move |tx: &rusqlite::Transaction<'_>| {
            let waiting = files::waiting(tx, &server, &of)?;
            Ok((files::going(tx, &server)?, files::coming(tx, &server)?, waiting))
        };
        let (mut going, mut coming, mut waiting) = self.store.run(look).await?;
        going.retain(|upload| upload.peer == peer && which.is_own(&upload.source.name));
        coming.retain(|it| it.peer == peer && which.is_theirs(it.number));
        waiting.retain(|upload| which.is_own(&upload.source.name));
        let is_on_its_way = !going.is_empty() || !coming.is_empty();
        let last = if is_on_its_way { None } else { waiting.pop() };
        if last.is_some() && self.more_may_come(&peer) {
            // The server may know that it has come.
            self.files.wanted.push(Wanted { peer, number: None, what: What::Gone(which) });
            return Ok(());
        }
        if !is_on_its_way && last.is_none() {
            let because = format!(
                "no file is on its way to {peer} or from {peer}, and none {}waits",
                if let Unwanted::Own(name) = &which {
                    format!("called {name} ")
                } else {
                    "".into()
                },
            );
            self.tell(Event::NoFile { because });
        }
        for upload in going {
            self.stop_upload(upload).await?;
        }
        for download in coming {
            self.stop_download(download).await?;
        }
        if let Some(upload) = last {
            self.call_back(upload).await?;
        }
        self.files.look();
        Ok(())
    }

    /// The message about it has gone; its file can no longer be fetched.
    async fn call_back(&mut self, upload: Upload) -> Result<(), Exit> {
        let id = upload.id;
        self.store.run(move |tx| files::call_back(tx, id)).await?;
        self.files.forget(Key::Upload(id));
        self.tell(Event::Transfer(Transfer::of_upload(&upload, FileState::Cancelled)));
        Ok(())
    }
}
