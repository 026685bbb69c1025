//! Which files are carried, and what becomes of them.
//!
//! Files to send and to receive are on the disk; [`Files`](super::super::under_way::Files) knows which are in flight.
//! Each connection to the server asks for one ticket, when there is something to carry. Invariant: an own file becomes
//! a message, and a received file is reported, in the transaction that writes it down.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Instant;

use super::super::exit::Exit;
use super::super::order::{Key, Order, Said};
use super::super::queue::Need;
use super::super::state::Core;
use super::super::under_way::Run;
use crate::client::event::{Event, Failure};
use crate::client::files::carry::Carrier;
use crate::client::files::job::{Job, Report, Stop};
use crate::client::files::place::FOLDER;
use crate::client::line::connection::Connection;
use crate::client::line::silence::Silence;
use crate::client::store::files;
use crate::client::store::info::FileInfo;
use crate::client::store::rows::{Download, FileSeal, FileState, Source, Transfer, Upload};
use crate::message::{BlobId, Name, Timestamp};
use crate::task;
use crate::trust::Ticket;
use crate::wire::frame::ClientFrame;

impl Core {
    /// Starts to carry what is to be carried and is not in flight.
    pub(crate) async fn carry_where_due(
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
                self.start(key, job, ticket, connection.silence());
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
        addressees.iter().for_each(|peer| self.tell_file_waits(peer));
        self.files.are_to_go_to(addressees);
        // Once the conversation is open, it is also known whether the key is still the same, and whether there is one to
        // seal for.
        let has_list = |peer: &Name| self.list_of(peer).is_some_and(|version| version > 0);
        let may_send = |peer: &Name| has_list(peer) && !self.held.has(peer);
        let going = going.into_iter().filter(|upload| may_send(&upload.peer));
        let mut jobs: Vec<_> =
            going.map(|upload| (Key::Upload(upload.id), Job::Upload(upload))).collect();
        jobs.extend(coming.into_iter().map(|it| (Key::Download(it.message), Job::Download(it))));
        // Those in flight drop theirs themselves.
        let is_on_its_way = |it: &Download| self.files.run(Key::Download(it.message)).is_some();
        let had = had.into_iter().filter(|it| !is_on_its_way(it));
        let mut drops: Vec<_> = had.map(|it| (it.message, it.info.blob)).collect();
        drops.extend(unwanted.into_iter().map(|blob| (0, blob)));
        if !drops.is_empty() {
            jobs.push((Key::Drop, Job::Drop(drops)));
        }
        Ok(jobs)
    }

    /// Says, once, that a file waits for somebody for whom nothing can be sealed yet, unless that is known of all that is
    /// for them.
    fn tell_file_waits(&mut self, peer: &Name) {
        if self.list_of(peer) != Some(0) || self.held.has(peer) {
            return;
        }
        if !self.held.is_keyless(peer) && self.told_file_waits.insert(peer.clone()) {
            self.tell(Event::FileWaits { peer: peer.clone() });
        } else {
            // Somebody beside the face may have sent another one.
            self.stir();
        }
    }

    /// Why files wait for somebody, if they can go only once that has changed.
    pub(crate) fn holds_files(&self, peer: &Name) -> Option<Failure> {
        let has_none = self.list_of(peer) == Some(0);
        self.held.failure(peer).or_else(|| has_none.then(|| Failure::Unsealable(peer.clone())))
    }

    fn start(&mut self, key: Key, job: Job, ticket: Ticket, silence: Silence) {
        let (number, orders) = (self.files.next_run(), self.files.orders.clone());
        let told = orders.clone();
        let report = move |report| {
            if let Some(orders) = told.upgrade() {
                let _ = orders.send_blocking(Order::Said(Said::Carried(key, number, report)));
            }
        };
        let folder = self.config.data.join(FOLDER);
        let carrier = Carrier { door: self.door(), ticket, silence, folder, report };
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
    pub(crate) async fn hear(&mut self, said: Said) -> Result<(), Exit> {
        match said {
            Said::Signed(signed) => self.take_signed(*signed).await,
            Said::Written(signed) => self.take_written(*signed).await,
            Said::Signing(what) => {
                self.tell_signing(what);
                Ok(())
            }
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
                    // From a run that was ended meanwhile.
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
            (Job::Upload(upload), Report::Named(blob, have, seal, written)) => {
                self.go_on(key, have);
                self.store.run(move |tx| files::name(tx, upload.id, blob, &seal)).await?;
                // A run that was ended meanwhile does not wait for it.
                let _ = written.send(());
                Ok(())
            }
            (Job::Upload(upload), Report::Sent(blob, seal)) => self.sent(upload, blob, seal).await,
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

    /// The server keeps all of it: now the receiver is told of it.
    async fn sent(&mut self, upload: Upload, blob: BlobId, seal: FileSeal) -> Result<(), Exit> {
        self.progress = Instant::now();
        let Source { name, media, size, caption, .. } = upload.source.clone();
        let (seed, hash) = (Some(seal.seed), seal.hash);
        let info = FileInfo { blob, name, media, size, hash, seed, caption };
        let (scope, at_once) = (self.scope(&upload.peer), self.sends_at_once(&upload.peer));
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
                Ok(self.store.run(move |tx| files::begin_anew(tx, upload.id)).await?)
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

    pub(crate) async fn give_up(
        &mut self,
        upload: Upload,
        why: Option<String>,
    ) -> Result<(), Exit> {
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

    pub(crate) async fn set_state(
        &mut self,
        mut download: Download,
        state: FileState,
    ) -> Result<(), Exit> {
        self.progress = Instant::now();
        download.state = state.clone();
        let message = download.message;
        self.store.run(move |tx| files::set(tx, message, &state)).await?;
        // Also if it is to come once more: then it begins anew.
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

    /// Whether a file is being received in a conversation that the face has open, or is being saved.
    pub(crate) async fn awaits_files(&mut self) -> Result<bool, Exit> {
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
        // The server is also told that it need not keep what has come, or is unwanted: a client that only runs briefly
        // would never tell it otherwise.
        Ok(coming.iter().any(|download| self.is_faced(&download.peer))
            || (has_to_drop && self.files.is_about_to_drop()))
    }
}
