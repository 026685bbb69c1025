//! Commands about files: sending own ones, fetching and saving others'.
//!
//! Owned by the core. Invariant: a command is written down, and then found by the code that carries files.

use std::path::PathBuf;

use super::super::exit::Exit;
use super::super::order::{Key, Order, Said};
use super::super::state::Core;
use super::super::under_way::{Wanted, What};
use crate::client::event::Event;
use crate::client::files::place::{FOLDER, place};
use crate::client::files::{save, source};
use crate::client::line::conversation::Conversation;
use crate::client::store::files::{self, Fate};
use crate::client::store::rows::{Download, FileState, Transfer, Upload, Way};
use crate::message::Name;
use crate::task;

/// How many files are listed.
const LISTED: u32 = 50;

impl Core {
    /// Sends a file of one's own. An error says why that is impossible.
    pub(crate) async fn send_file(
        &mut self,
        peer: Name,
        path: PathBuf,
        caption: Option<String>,
        token: Option<String>,
    ) -> Result<Result<i64, String>, Exit> {
        let source = match task::blocking(move || source::inspect(path, caption)).await {
            Ok(source) => source,
            Err(because) => return Ok(Err(because)),
        };
        let (server, to, from) = (self.server.clone(), peer.clone(), source.clone());
        let add = move |tx: &rusqlite::Transaction<'_>| {
            files::add(tx, &server, &to, &from, token.as_deref())
        };
        let id = self.store.run(add).await?;
        self.files.look();
        let upload = Upload { id, peer, source, blob: None, seal: None };
        self.tell(Event::Transfer(Transfer::of_upload(&upload, FileState::Coming)));
        Ok(Ok(id))
    }

    /// Whether something that waited has not arrived, or cannot be opened yet, of somebody whom the face sees.
    pub(super) fn more_may_come(&self, peer: &Name) -> bool {
        let is_late = |it: &Conversation| !it.has_caught_up() || self.unopened.has(peer);
        self.conversations.get(peer).is_some_and(|it| it.faced && is_late(it))
    }

    /// Fetches a file that was not downloaded unasked, or saves one, once it is here. While waiting messages are still
    /// arriving, one of them may tell of it.
    pub(crate) async fn want(&mut self, wanted: Wanted) -> Result<(), Exit> {
        let Wanted { peer, number, what } = &wanted;
        if let What::Gone(which) = what {
            return self.cancel(peer.clone(), which.clone()).await;
        }
        let found = self.find_file(peer, *number).await?;
        match found {
            // Only then is it known which one is the last.
            _ if self.more_may_come(peer) && (found.is_none() || number.is_none()) => {
                self.files.wanted.push(wanted);
            }
            Some(download) => match wanted.what {
                What::Get => self.get_file(download).await?,
                What::Save(to) => self.save_file(download, to).await?,
                What::Gone(_) => {}
            },
            None => {
                let because = match number {
                    Some(number) => format!("{peer} has sent no file {number}"),
                    None => format!("{peer} has sent no file"),
                };
                self.tell(Event::NoFile { because });
            }
        }
        Ok(())
    }

    /// Retries commands whose file was not there.
    pub(crate) async fn grant_wanted(&mut self) -> Result<(), Exit> {
        for wanted in std::mem::take(&mut self.files.wanted) {
            self.want(wanted).await?;
        }
        Ok(())
    }

    async fn get_file(&mut self, download: Download) -> Result<(), Exit> {
        if download.state != FileState::Here {
            return self.fetch(download).await;
        }
        let (number, peer) = (download.number, download.peer);
        let because = format!("file {number} of {peer} is here; /SAVE {number} puts it elsewhere");
        self.tell(Event::NoFile { because });
        Ok(())
    }

    async fn fetch(&mut self, download: Download) -> Result<(), Exit> {
        self.files.look();
        self.set_state(download, FileState::Coming).await
    }

    async fn save_file(&mut self, download: Download, to: Option<PathBuf>) -> Result<(), Exit> {
        self.files.want_saved(download.message, to);
        match download.state {
            FileState::Here => {
                self.save_waiting(&download);
                Ok(())
            }
            FileState::Coming => Ok(()),
            _ => self.fetch(download).await,
        }
    }

    /// Copies in the background, for it may take a while.
    pub(crate) fn save_waiting(&mut self, download: &Download) {
        let folder = self.config.data.join(FOLDER);
        let content = place(&folder, download.message);
        for to in self.files.take_saves(download.message) {
            self.files.saves();
            let (content, name) = (content.clone(), download.info.name.clone());
            let (peer, number) = (download.peer.clone(), download.number);
            let orders = self.files.orders.clone();
            task::spawn("save", async move {
                let save = move || save::save(&content, &name, to.as_deref());
                let saved = task::blocking(save).await.map_err(|error| error.to_string());
                if let Some(orders) = orders.upgrade() {
                    // The core may have ended; then nobody wants to know.
                    let _ = orders.send(Order::Said(Said::Saved { peer, number, saved })).await;
                }
            });
        }
    }

    pub(super) async fn stop_upload(&mut self, upload: Upload) -> Result<(), Exit> {
        self.files.stop(Key::Upload(upload.id));
        self.give_up(upload, None).await
    }

    pub(super) async fn stop_download(&mut self, download: Download) -> Result<(), Exit> {
        self.files.stop(Key::Download(download.message));
        self.set_state(download, FileState::Cancelled).await
    }

    /// The state of files.
    pub(super) async fn list_files(&mut self) -> Result<(), Exit> {
        let server = self.server.clone();
        let mut all = self.store.run(move |tx| files::all(tx, &server, LISTED)).await?;
        for transfer in &mut all {
            let key = match transfer.way {
                Way::Up => Key::Upload(transfer.id),
                Way::Down => Key::Download(transfer.id),
            };
            if let Some(run) = self.files.run(key).filter(|_| transfer.done == 0) {
                transfer.done = run.done;
            }
        }
        let lying = self.lying().await?;
        self.tell(Event::Files(all, lying));
        Ok(())
    }

    async fn find_file(&self, peer: &Name, number: Option<u64>) -> Result<Option<Download>, Exit> {
        let (server, of) = (self.server.clone(), peer.clone());
        Ok(self.store.run(move |tx| files::find(tx, &server, &of, number)).await?)
    }

    /// The fate of an upload, and its progress.
    pub(crate) async fn fate(&mut self, id: i64) -> Result<Option<(Fate, u64)>, Exit> {
        let done = self.files.furthest(Key::Upload(id));
        let fate = self.store.run(move |tx| files::fate(tx, id)).await?;
        Ok(fate.map(|fate| (fate, done)))
    }
}
