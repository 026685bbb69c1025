//! Which files are carried, and what becomes of them.
//!
//! What is to go and to come is on the disk; [`Files`](super::under_way::Files) knows which of it is on its way. Each
//! connection to the server asks for one ticket, when there is something to carry. Invariant: an own file becomes a
//! message, and a file that comes is told to be here, in the transaction that writes it down.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Instant;

use super::super::files::carry::{Carrier, Job, Report, Stop, modified};
use super::super::files::{FOLDER, save};
use super::super::line::connection::Connection;
use super::super::store::files::{self, Download, Fate, Source, Upload};
use super::super::store::info::{self, FileInfo, MAX_CAPTION};
use super::super::{Event, FileState, Order, Transfer, Unwanted, Way};
use super::places::Need;
use super::under_way::{Key, Run, Said};
use super::{Core, Exit};
use crate::message::{BlobId, Name, Timestamp};
use crate::task;
use crate::trust::Ticket;
use crate::wire::frame::ClientFrame;

/// How many files are listed for one who asks.
const LISTED: u32 = 50;

/// What is wanted of another's file.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) peer: Name,
    /// Without a number the last.
    pub(super) number: Option<u64>,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    Get,
    Save(Option<PathBuf>),
    /// An own file that waits with the server is called back.
    Gone(Unwanted),
}

impl Core {
    /// Starts to carry what is to be carried and is not on its way.
    pub(super) async fn carry_where_due(
        &mut self,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        if !self.files.is_to_look(Instant::now()) {
            return Ok(());
        }
        for (key, job) in self.jobs().await? {
            let ticket = self.files.ticket(|| connection.say(&ClientFrame::Ticket));
            let Some(ticket) = ticket else { return Ok(()) };
            if self.files.may_run(key) {
                self.start(key, job, ticket);
            }
        }
        Ok(())
    }

    async fn jobs(&mut self) -> Result<Vec<(Key, Job)>, Exit> {
        let server = self.server.clone();
        let look = move |tx: &rusqlite::Transaction<'_>| {
            Ok((
                files::going(tx, &server)?,
                files::coming(tx, &server)?,
                files::to_drop(tx, &server)?,
                files::unwanted(tx, &server)?,
            ))
        };
        let (going, coming, had, unwanted) = self.store.run(look).await?;
        let addressees: BTreeSet<Name> = going.iter().map(|upload| upload.peer.clone()).collect();
        for peer in &addressees {
            self.want_place(peer, Need::Rest);
        }
        self.files.are_to_go_to(addressees);
        // Once the conversation is open it is known, too, whether the key is still the same.
        let may_send = |peer: &Name| self.is_open(peer) && !self.held.contains_key(peer);
        let going = going.into_iter().filter(|upload| may_send(&upload.peer));
        let mut jobs: Vec<_> =
            going.map(|upload| (Key::Upload(upload.id), Job::Upload(upload))).collect();
        jobs.extend(coming.into_iter().map(|it| (Key::Download(it.message), Job::Download(it))));
        // Those that are on their way drop theirs themselves.
        let is_on_its_way = |it: &Download| self.files.run(Key::Download(it.message)).is_some();
        let had = had.into_iter().filter(|it| !is_on_its_way(it));
        let mut drops: Vec<_> = had.map(|it| (it.message, it.info.blob)).collect();
        drops.extend(unwanted.into_iter().map(|blob| (0, blob)));
        if !drops.is_empty() {
            jobs.push((Key::Drop, Job::Drop(drops)));
        }
        Ok(jobs)
    }

    fn start(&mut self, key: Key, job: Job, ticket: Ticket) {
        let (number, orders) = (self.files.next_run(), self.files.orders.clone());
        let told = orders.clone();
        let report = move |report| {
            if let Some(orders) = told.upgrade() {
                let _ = orders.send_blocking(Order::Said(Said::Carried(key, number, report)));
            }
        };
        let folder = self.config.data.join(FOLDER);
        let carrier = Carrier { door: self.door(), ticket, folder, report };
        let (end, ending) = async_channel::bounded::<Infallible>(1);
        let carried = job.clone();
        let ended = task::spawn("carry", async move {
            let carrying = async move { carrier.run(carried, ending.recv()).await };
            // None if there is no thread, or if it panicked: then it is over, too.
            task::in_background("tinychat-files", carrying).await;
            if let Some(orders) = orders.upgrade() {
                // The core may have ended; then nobody wants to know.
                let _ = orders.send(Order::Said(Said::Ended(key, number))).await;
            }
        });
        self.files.begin(key, Run { number, job, done: 0, _end: end, ended });
    }

    /// What a thread says.
    pub(super) async fn hear(&mut self, said: Said) -> Result<(), Exit> {
        match said {
            Said::Saved { peer, number, saved } => {
                self.files.saved();
                self.tell(match saved {
                    Ok(path) => Event::Saved { peer, number, path },
                    Err(because) => Event::NoFile { because },
                });
                Ok(())
            }
            Said::Carried(key, number, report) => {
                let run = self.files.run(key).filter(|run| run.number == number);
                match run.map(|run| run.job.clone()) {
                    Some(job) => self.take_report(key, job, report).await,
                    // Of one that was ended meanwhile.
                    None => Ok(()),
                }
            }
            Said::Ended(key, number) => {
                self.files.has_ended(key, number);
                Ok(())
            }
        }
    }

    async fn take_report(&mut self, key: Key, job: Job, report: Report) -> Result<(), Exit> {
        match (job, report) {
            (_, Report::Dropped(message, blob)) => {
                Ok(self.store.run(move |tx| files::dropped(tx, message, blob)).await?)
            }
            (Job::Upload(upload), Report::Named(blob, have, written)) => {
                self.go_on(key, have);
                self.store.run(move |tx| files::name(tx, upload.id, Some(blob))).await?;
                // What was ended meanwhile does not wait for it.
                let _ = written.send(());
                Ok(())
            }
            (Job::Upload(upload), Report::Sent(blob, hash)) => self.sent(upload, blob, hash).await,
            (Job::Download(download), Report::Come) => {
                self.set_state(download.clone(), FileState::Here).await?;
                self.save_waiting(&download);
                Ok(())
            }
            (job, Report::Moved(done)) => {
                self.moved(key, &job, done);
                Ok(())
            }
            (job, Report::Stopped(stop)) => self.stopped(key, job, stop).await,
            (_, Report::Named(..) | Report::Sent(..) | Report::Come) => Ok(()),
        }
    }

    /// What was there before is no progress.
    fn go_on(&mut self, key: Key, done: u64) {
        if self.files.is_further(key, done) {
            self.progress = Instant::now();
        }
    }

    fn moved(&mut self, key: Key, job: &Job, done: u64) {
        self.go_on(key, done);
        self.files.has_done(key, done);
        let transfer = match job {
            Job::Upload(upload) => Transfer::of_upload(upload, FileState::Coming),
            Job::Download(download) => Transfer::of_download(download),
            Job::Drop(_) => return,
        };
        self.tell(Event::Transfer(Transfer { done, ..transfer }));
    }

    /// The server keeps all of it: now somebody is told of it.
    async fn sent(&mut self, upload: Upload, blob: BlobId, hash: blake3::Hash) -> Result<(), Exit> {
        self.progress = Instant::now();
        let Source { name, media, size, caption, .. } = upload.source.clone();
        let info = FileInfo { blob, name, media, size, hash, caption };
        let (scope, at_once) = (self.scope(&upload.peer), self.is_open(&upload.peer));
        let id = upload.id;
        let write = move |tx: &rusqlite::Transaction<'_>| {
            files::sent(tx, &scope, id, &info, Timestamp::now(), at_once)
        };
        self.files.forget(Key::Upload(id));
        if let Some(record) = self.store.run(write).await? {
            let done = upload.source.size;
            let transfer = Transfer::of_upload(&upload, FileState::Here);
            self.tell(Event::Transfer(Transfer { done, ..transfer }));
            self.wrote(upload.peer, record);
        }
        Ok(())
    }

    async fn stopped(&mut self, key: Key, job: Job, stop: Stop) -> Result<(), Exit> {
        match (job, stop) {
            (Job::Upload(upload), Stop::Anew) => {
                self.files.rest(key);
                Ok(self.store.run(move |tx| files::name(tx, upload.id, None)).await?)
            }
            (Job::Upload(upload), Stop::Failed(why)) => self.give_up(upload, Some(why)).await,
            (Job::Download(download), Stop::Gone) => {
                self.set_state(download, FileState::Gone).await
            }
            (Job::Download(download), Stop::Failed(why)) => {
                self.set_state(download, FileState::Failed(why)).await
            }
            (_, Stop::Away(because)) => {
                log::debug!("a file waits: {because}");
                self.files.rest(key);
                Ok(())
            }
            // Asked again at once it would say the same.
            _ => {
                self.files.rest(key);
                Ok(())
            }
        }
    }

    async fn give_up(&mut self, upload: Upload, why: Option<String>) -> Result<(), Exit> {
        let (id, because) = (upload.id, why.clone());
        let ended = self.store.run(move |tx| files::give_up(tx, id, because.as_deref())).await?;
        if ended {
            self.files.forget(Key::Upload(id));
            self.files.look();
            let state = why.map_or(FileState::Cancelled, FileState::Failed);
            self.tell(Event::Transfer(Transfer::of_upload(&upload, state)));
        }
        Ok(())
    }

    async fn set_state(&mut self, mut download: Download, state: FileState) -> Result<(), Exit> {
        self.progress = Instant::now();
        download.state = state.clone();
        let message = download.message;
        self.store.run(move |tx| files::set(tx, message, &state)).await?;
        // Also when it is to come once more: it begins anew.
        self.files.forget(Key::Download(message));
        let ended = !matches!(download.state, FileState::Coming | FileState::Here);
        if ended && !self.files.take_saves(message).is_empty() {
            let (number, peer) = (download.number, &download.peer);
            let because = format!("file {number} of {peer} was not saved: it does not come");
            self.tell(Event::NoFile { because });
        }
        self.tell(Event::Transfer(Transfer::of_download(&download)));
        Ok(())
    }

    // What the face wants.

    /// Has a file of one's own sent. An error says why that cannot be.
    pub(super) async fn send_file(
        &mut self,
        peer: Name,
        path: PathBuf,
        caption: Option<String>,
        token: Option<String>,
    ) -> Result<Result<i64, String>, Exit> {
        let source = match task::blocking(move || inspect(path, caption)).await {
            Ok(source) => source,
            Err(because) => return Ok(Err(because)),
        };
        let (server, to, from) = (self.server.clone(), peer.clone(), source.clone());
        let add = move |tx: &rusqlite::Transaction<'_>| {
            files::add(tx, &server, &to, &from, token.as_deref())
        };
        let id = self.store.run(add).await?;
        self.files.look();
        let upload = Upload { id, peer, source, blob: None };
        self.tell(Event::Transfer(Transfer::of_upload(&upload, FileState::Coming)));
        Ok(Ok(id))
    }

    /// Has a file come that did not come by itself, or saves one, once it is here. While messages are still to come
    /// that waited, it may be in one of them.
    pub(super) async fn want(&mut self, wanted: Wanted) -> Result<(), Exit> {
        let Wanted { peer, number, what } = &wanted;
        if let What::Gone(which) = what {
            return self.cancel(peer.clone(), which.clone()).await;
        }
        let found = self.find_file(peer, *number).await?;
        let may_come =
            self.conversations.get(peer).is_some_and(|it| it.faced && !it.has_caught_up());
        match found {
            // Which is the last is known then.
            _ if may_come && (found.is_none() || number.is_none()) => {
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

    /// Looks again for what was wanted and not there.
    pub(super) async fn grant_wanted(&mut self) -> Result<(), Exit> {
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

    /// The copying may take its time: nobody waits for it.
    fn save_waiting(&mut self, download: &Download) {
        let folder = self.config.data.join(FOLDER);
        let content = files::place(&folder, download.message);
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

    /// How it is with files.
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

    /// What became of an upload, and how far it is.
    pub(super) async fn fate(&mut self, id: i64) -> Result<Option<(Fate, u64)>, Exit> {
        let done = self.files.furthest(Key::Upload(id));
        let fate = self.store.run(move |tx| files::fate(tx, id)).await?;
        Ok(fate.map(|fate| (fate, done)))
    }

    /// Whether a file comes in a conversation that the face has open, or is being saved.
    pub(super) async fn awaits_files(&mut self) -> Result<bool, Exit> {
        if self.files.is_saving() {
            return Ok(true);
        }
        let is_awaited = |run: &Run| match &run.job {
            Job::Upload(_) => false,
            Job::Download(download) => self.is_faced(&download.peer),
            Job::Drop(_) => true,
        };
        if self.files.runs().any(is_awaited) {
            return Ok(true);
        }
        let server = self.server.clone();
        let look = move |tx: &rusqlite::Transaction<'_>| {
            let has_to_drop = !files::to_drop(tx, &server)?.is_empty()
                || !files::unwanted(tx, &server)?.is_empty();
            Ok((files::coming(tx, &server)?, has_to_drop))
        };
        let (coming, has_to_drop) = self.store.run(look).await?;
        // The server is told, too, that it need not keep what has come, or is unwanted: who only looks in now and
        // then would never tell it otherwise.
        Ok(coming.iter().any(|download| self.is_faced(&download.peer))
            || (has_to_drop && self.files.is_about_to_drop()))
    }
}

/// Looks at a file that is to be sent.
fn inspect(path: PathBuf, caption: Option<String>) -> Result<Source, String> {
    let unreadable = |error| format!("cannot send {}: {error}", path.display());
    // Before it is opened: who opens a pipe waits for somebody at its other end.
    if !std::fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err(format!("cannot send {}: it is not a file", path.display()));
    }
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if caption.as_ref().is_some_and(|caption| caption.len() > MAX_CAPTION) {
        return Err(format!("a caption has at most {MAX_CAPTION} bytes"));
    }
    let (name, size, modified) = (info::name_of(&path), metadata.len(), modified(&metadata));
    let head = info::head_of(&file).map_err(unreadable)?;
    if head.len() as u64 != size.min(info::HEAD) {
        let why = format!("it says that it has {size} bytes, and has not; send a copy of it");
        return Err(format!("cannot send {}: {why}", path.display()));
    }
    let media = info::media_of(&head);
    Ok(Source { path, name, media, size, modified, caption })
}
