//! Requests of processes beside the face: answered from the store, whatever the connection does.
//!
//! Owned by the core. If nobody waits for an answer any more, it is dropped.

use std::collections::BTreeMap;

use async_channel::Sender;
use rusqlite::Transaction;

use super::super::exit::Exit;
use super::super::state::{Core, Told};
use crate::client::beside::{Ask, Snapshot, Standing};
use crate::client::config::Seal;
use crate::client::event::{Absence, Event};
use crate::client::store::archive::{self, News};
use crate::client::store::sealed::sealing;
use crate::client::store::{history, outbox};
use crate::message::{Name, Timestamp};

/// What a guest is told that wants nothing sent unsealed, of an owner that may.
const SEALS_NOT_ALWAYS: &str = "the client that is connected for this folder was started without --seal always; nothing was sent";

impl Core {
    pub(super) async fn answer(&mut self, ask: Ask) -> Result<(), Exit> {
        match ask {
            Ask::Watch { watcher } => {
                self.watchers.retain(|watcher| !watcher.is_closed());
                self.watchers.push(watcher);
            }
            Ask::Write { sealed: true, answer, .. } if self.config.seal == Seal::Auto => {
                let _ = answer.try_send(Err(SEALS_NOT_ALWAYS.into()));
            }
            Ask::Write { token, peer, text, sealed: _, answer } => {
                self.write_once(token, peer, text, answer).await?;
            }
            Ask::SendFile { token, peer, path, caption, answer } => {
                self.meet_and_know(&peer).await?;
                let _ = answer.try_send(self.send_file(peer, path, caption, Some(token)).await?);
            }
            Ask::Fate { id, answer } => _ = answer.try_send(self.fate(id).await?),
            Ask::Hold { peer, answer } => _ = answer.try_send(self.holds_files(&peer)),
            Ask::State { id, answer } => {
                let state = self.store.run(move |tx| archive::sent(tx, id)).await?;
                let _ = answer.try_send(state);
            }
            Ask::News { above, with, unread, answer } => {
                let _ = answer.try_send(self.news(above, with, unread).await?);
            }
            Ask::Standing { peer, answer } => _ = answer.try_send(self.standing(&peer)),
            Ask::Requests { answer } => _ = answer.try_send(self.requests.clone()),
            Ask::Read { .. } => unreachable!("obey has written this already"),
            Ask::Lying { answer } => _ = answer.try_send(self.lying().await?),
            Ask::Free { peer, answer } => {
                let freed = self.free(peer, None).await?;
                let _ = answer.try_send(freed.clone());
                self.tell(Event::Freed(freed));
            }
            Ask::Status { answer } => _ = answer.try_send(self.snapshot().await?),
        }
        Ok(())
    }

    async fn write_once(
        &mut self,
        token: String,
        peer: Name,
        text: String,
        answer: Sender<Result<i64, String>>,
    ) -> Result<(), Exit> {
        if let Some(because) = self.too_long(&peer, &text) {
            let _ = answer.try_send(Err(because));
            return Ok(());
        }
        self.meet_and_know(&peer).await?;
        let (scope, sent) = (self.scope(&peer), self.sends_at_once(&peer));
        let (now, always) = (Timestamp::now(), self.config.seal == Seal::Always);
        let add = move |tx: &Transaction<'_>| {
            let (id, fresh) = outbox::add_once(tx, &scope, &token, text, now, sent)?;
            if always && fresh.is_some() {
                sealing::keep_sealed(tx, id)?;
            }
            Ok((id, fresh))
        };
        let (id, fresh) = self.store.run(add).await?;
        let _ = answer.try_send(Ok(id));
        if let Some(record) = fresh {
            self.wrote(peer, record);
        }
        Ok(())
    }

    async fn news(
        &self,
        above: Option<i64>,
        with: Option<Name>,
        unread: bool,
    ) -> Result<News, Exit> {
        let server = self.server.clone();
        let look =
            move |tx: &Transaction<'_>| archive::news(tx, &server, with.as_ref(), above, unread);
        Ok(self.store.run(look).await?)
    }

    fn standing(&self, peer: &Name) -> Standing {
        let nobody = self.nobody.contains(peer) && !self.waits_here(peer);
        let held = self.held.failure(peer);
        Standing { nobody, held, alike: self.likeness.of(peer).cloned() }
    }

    async fn snapshot(&self) -> Result<Snapshot, Exit> {
        let server = self.server.clone();
        let look = move |tx: &Transaction<'_>| {
            Ok((outbox::pending(tx, &server)?, history::unshown_counts(tx, &server)?))
        };
        let (pending, unread) = self.store.run(look).await?;
        Ok(Snapshot {
            user: self.config.user.to_string(),
            server: self.config.server.to_string(),
            online: self.is_online,
            unsent: pending.iter().map(|it| it.unsent).sum(),
            undelivered: pending.iter().map(|it| it.undelivered).sum(),
            unread: by_word(unread),
            requests: by_word(self.requests.clone()),
            requests_known: self.told == Told::All,
            absence: self.absence.as_ref().filter(|_| !self.is_online).map(Absence::because),
            alike: self.alike_requests(),
        })
    }

    /// People who want to talk and look like known ones.
    fn alike_requests(&self) -> BTreeMap<String, String> {
        let all = self.likeness.all().iter();
        let wanting = all.filter(|(peer, _)| self.requests.contains_key(*peer));
        wanting.map(|(peer, other)| (peer.to_string(), other.to_string())).collect()
    }
}

fn by_word(counts: BTreeMap<Name, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(peer, count)| (peer.to_string(), count)).collect()
}
