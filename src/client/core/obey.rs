//! What the face wants: orders are obeyed at once, online or not.

use std::time::Instant;

use async_channel::{Receiver, RecvError};

use super::super::Order;
use super::super::beside::Ask;
use super::super::line::connection::Connection;
use super::super::line::conversation::Conversation;
use super::super::store::search::{self, Hit, Query};
use super::super::store::{archive, contacts, history, outbox};
use super::super::{Change, Command, Event, Record, StoreError, Trust};
use super::files::{Wanted, What};
use super::places::Need;
use super::{Core, Exit};
use crate::message::{Kind, Name, Timestamp};
use crate::wire::frame::ClientFrame;

/// How many orders are obeyed in one transaction.
const BATCH: usize = 256;

const REINDEXED: &str = "the index of words was damaged; it is built again from the messages, and until then searches find the newest ones";

impl Core {
    /// Obeys what came out of the queue: a command, nothing in time, or that nobody orders any more.
    pub(super) async fn obey_next(
        &mut self,
        order: Option<Result<Order, RecvError>>,
        orders: &Receiver<Order>,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        match order {
            Some(Ok(order)) => self.obey(order, orders, connection).await,
            Some(Err(_)) => Err(Exit::Left),
            None => Ok(()),
        }
    }

    /// Obeys a command and those right behind it, with one transaction for all that they write.
    async fn obey(
        &mut self,
        first: Order,
        orders: &Receiver<Order>,
        mut connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        let (mut written, mut shown, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        let (mut asks, mut said, mut read) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(order) = next {
            match order {
                Order::Command(Command::Send { peer, text }) => written.push((peer, text)),
                Order::Command(Command::Shown(id)) => {
                    self.unshown = self.unshown.saturating_sub(1);
                    shown.push(id);
                }
                Order::Ask(Ask::Read { ids, answer }) => {
                    shown.extend(ids);
                    read.push(answer);
                }
                // Whoever types faster than it is found wants the last one.
                Order::Command(search @ Command::Search { .. }) => {
                    rest.retain(|it| !matches!(it, Command::Search { .. }));
                    rest.push(search);
                }
                Order::Command(other) => rest.push(other),
                Order::Ask(ask) => asks.push(ask),
                Order::Said(what) => said.push(what),
            }
            let more = written.len() + shown.len() + rest.len() + asks.len() + said.len() < BATCH;
            next = if more { orders.try_recv().ok() } else { None };
        }
        for (peer, installation, n) in self.write(written, shown).await? {
            // Without a connection it is said with the next one.
            if let Some(connection) = connection.as_deref_mut().filter(|_| self.is_open(&peer)) {
                connection.say(&ClientFrame::Read { peer, installation, n });
            }
        }
        for answer in read {
            // That nobody waits for the answer any more does not matter.
            let _ = answer.try_send(());
        }
        for what in said {
            self.hear(what).await?;
        }
        for command in rest {
            self.obey_one(command, connection.as_deref_mut()).await?;
        }
        for ask in asks {
            self.answer(ask).await?;
        }
        if connection.is_some() {
            return Ok(());
        }
        // What is on this disk can be read without a server.
        self.give_unshown().await?;
        if self.is_settled().await? { Err(Exit::Finished) } else { Ok(()) }
    }

    /// Gives what people are to be told of what was shown.
    pub(super) async fn write(
        &mut self,
        written: Vec<(Name, String)>,
        shown: Vec<i64>,
    ) -> Result<Vec<history::Seen>, Exit> {
        if written.is_empty() && shown.is_empty() {
            return Ok(Vec::new());
        }
        if !written.is_empty() {
            self.progress = Instant::now();
        }
        let tells = self.config.read_receipts;
        let written: Vec<_> = written
            .into_iter()
            .map(|(peer, text)| (self.scope(&peer), text, self.sends_at_once(&peer)))
            .collect();
        let marks = shown.clone();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let now = Timestamp::now();
            let mut records = Vec::with_capacity(written.len());
            for (scope, text, sent) in written {
                let record = outbox::add(tx, &scope, Kind::TEXT, text.into(), now, sent)?;
                records.push((record, scope.peer));
            }
            history::mark_shown(tx, &shown)?;
            let seen = if tells { history::highest(tx, &shown)? } else { Vec::new() };
            Ok((records, seen))
        };
        let done = self.store.run(work).await;
        if done.as_ref().is_err_and(StoreError::is_full) {
            // What was shown is not shown again, whatever becomes of the rest.
            self.store.mark_shown(marks).await?;
        }
        let (records, seen) = done?;
        for (record, peer) in records {
            self.wrote(peer, record);
        }
        Ok(seen)
    }

    /// Something new is in the outbox.
    pub(super) fn wrote(&mut self, peer: Name, record: Record) {
        self.want_place(&peer, Need::Unsent);
        self.with(&peer, Conversation::more);
        self.tell(Event::Written { peer, record });
    }

    async fn obey_one(
        &mut self,
        command: Command,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        match command {
            Command::Talk(peer) => {
                let above = self.last_given(&peer);
                self.queue.leave(&peer);
                self.requests.remove(&peer);
                let conversation = self.conversations.entry(peer.clone()).or_default();
                if !std::mem::replace(&mut conversation.faced, true) {
                    conversation.unshown_above = Some(above);
                    conversation.ask_anew();
                }
                self.tell_nobody(&peer);
                self.meet_and_know(&peer).await
            }
            Command::Close(peer) => {
                // The server is told once the fate of everything written is known.
                self.with(&peer, Conversation::leave_face);
                Ok(())
            }
            Command::Online => {
                self.asked_online += 1;
                if let Some(connection) = connection {
                    connection.say(&ClientFrame::Online);
                }
                Ok(())
            }
            Command::Key(peer) => {
                self.ask_key(peer, connection);
                Ok(())
            }
            Command::Block { peer, blocked } => {
                self.block(peer, blocked, connection);
                Ok(())
            }
            Command::Blocks => {
                self.blocks.ask();
                if let Some(connection) = connection {
                    self.say_blocks(connection);
                }
                Ok(())
            }
            Command::Trust(peer) => self.trust(peer).await,
            Command::Overview => {
                let server = self.server.clone();
                let all = self.store.run(move |tx| archive::overview(tx, &server)).await?;
                self.tell(Event::Overview(all));
                Ok(())
            }
            Command::Page { peer, place, limit } => {
                let (server, with) = (self.server.clone(), peer.clone());
                let page = move |tx: &rusqlite::Transaction<'_>| {
                    archive::page(tx, &server, &with, place, limit)
                };
                let records = self.store.run(page).await?;
                self.tell(Event::Page { peer, place, records });
                Ok(())
            }
            Command::Search { query, limit } => {
                self.search(query, limit).await;
                Ok(())
            }
            Command::Status => {
                let server = self.server.clone();
                let pending = self.store.run(move |tx| outbox::pending(tx, &server)).await?;
                self.tell(Event::Status(pending));
                Ok(())
            }
            Command::SendFile { peer, path, caption } => {
                if let Err(because) = self.send_file(peer, path, caption, None).await? {
                    self.tell(Event::NoFile { because });
                }
                Ok(())
            }
            Command::Get { peer, number } => {
                self.want(Wanted { peer, number, what: What::Get }).await
            }
            Command::Save { peer, number, to } => {
                self.want(Wanted { peer, number, what: What::Save(to) }).await
            }
            Command::Cancel { peer, which } => self.cancel(peer, which).await,
            Command::Free { peer, number } => {
                let freed = self.free(peer, number).await?;
                self.tell(Event::Freed(freed));
                Ok(())
            }
            Command::Files => self.list_files().await,
            Command::ShowNoMore => {
                self.shows = false;
                Ok(())
            }
            Command::Finish => {
                self.finishing = true;
                Ok(())
            }
            Command::Leave => Err(Exit::Left),
            Command::Send { .. } | Command::Shown(_) => {
                unreachable!("obey has written these already")
            }
        }
    }

    /// An index that is damaged is thrown away: the messages are still there.
    async fn search(&mut self, query: Query, limit: usize) {
        let mut found = self.find(&query, limit).await;
        if found.as_ref().is_err_and(StoreError::is_damage) {
            found = match self.store.reset_index().await {
                Ok(()) => self.find(&query, limit).await,
                Err(error) => Err(error),
            };
        }
        if self.store.was_index_reset() {
            self.tell(Event::Objection { because: REINDEXED.into() });
        }
        match found {
            Ok(hits) => self.tell(Event::Found { query, hits }),
            Err(error) => {
                self.tell(Event::Objection { because: format!("cannot search: {error}") });
            }
        }
    }

    async fn find(&self, query: &Query, limit: usize) -> Result<Vec<Hit>, StoreError> {
        let (server, query) = (self.server.clone(), query.clone());
        self.store.run(move |tx| search::find(tx, &server, &query, limit)).await
    }

    /// What cannot be said now is said once the connection is there.
    fn block(&mut self, peer: Name, blocked: bool, connection: Option<&mut Connection>) {
        if blocked {
            self.with(&peer, Conversation::leave_face);
        }
        self.blocks.want(peer, blocked);
        if let Some(connection) = connection {
            self.say_blocks(connection);
        }
    }

    /// What this connection was not told of whom one blocks.
    pub(super) fn say_blocks(&mut self, connection: &mut Connection) {
        self.blocks.frames().iter().for_each(|frame| connection.say(frame));
    }

    /// Whoever blocks somebody while the server is away is told that it takes longer.
    pub(super) fn tell_deferred_blocks(&mut self) {
        for (peer, blocked) in self.blocks.deferred() {
            self.tell(Event::Blocked { peer, blocked, change: Change::Later });
        }
    }

    async fn trust(&mut self, peer: Name) -> Result<(), Exit> {
        let trust = if peer == self.config.user {
            Trust::Oneself
        } else {
            let (server, contact) = (self.server.clone(), peer.clone());
            self.store.run(move |tx| contacts::trust(tx, &server, &contact)).await?
        };
        self.held.remove(&peer);
        self.files.look();
        self.tell(Event::Trusted { peer, trust });
        Ok(())
    }

    /// What cannot be asked now is asked once the connection is there, or answered from the disk if that
    /// does not come about.
    fn ask_key(&mut self, peer: Option<Name>, connection: Option<&mut Connection>) {
        let user = &self.config.user;
        let Some(peer) = peer.filter(|peer| peer != user) else {
            let key = Some(self.identity.public().fingerprint());
            return self.tell(Event::Key { name: user.clone(), key, current: true });
        };
        if let Some(connection) = connection {
            connection.say(&ClientFrame::Key { peer: peer.clone() });
        }
        self.asked_keys.insert(peer);
    }
}
