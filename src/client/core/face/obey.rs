//! Orders, which are obeyed at once, online or not.
//!
//! Owned by the core. Invariant: all that a batch of orders writes is one transaction.

use std::time::Instant;

use async_channel::{Receiver, RecvError};

use super::super::exit::Exit;
use super::super::order::Order;
use super::super::queue::Need;
use super::super::state::{Core, Told};
use crate::client::beside::Ask;
use crate::client::command::Command;
use crate::client::config::Seal;
use crate::client::event::Event;
use crate::client::line::connection::Connection;
use crate::client::line::conversation::Conversation;
use crate::client::store::database::StoreError;
use crate::client::store::rows::Record;
use crate::client::store::sealed::sealing;
use crate::client::store::{history, outbox};
use crate::message::{Kind, Name, Timestamp};
use crate::wire::frame::ClientFrame;

/// How many orders are obeyed in one transaction.
const BATCH: usize = 256;

impl Core {
    /// Handles what came out of the queue: an order, a timeout, or the end of the queue.
    pub(crate) async fn obey_next(
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

    /// Obeys an order and those right behind it, with one transaction for all that they write.
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
                // If several searches are queued, only the last one is wanted.
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
            // Without a connection it is sent on the next one.
            if let Some(connection) = connection.as_deref_mut().filter(|_| self.is_open(&peer)) {
                connection.say(&ClientFrame::Read { peer, installation, n });
            }
        }
        for answer in read {
            // If nobody waits for the answer any more, it is dropped.
            let _ = answer.try_send(());
        }
        for what in said {
            self.hear(what).await?;
        }
        for command in rest {
            self.obey_one(command, connection.as_deref_mut()).await?;
        }
        for ask in asks {
            if let (Ask::Status { .. }, Told::Some, Some(connection)) =
                (&ask, self.told, connection.as_deref_mut())
            {
                connection.say(&ClientFrame::Ping);
                self.told = Told::Asked;
            }
            self.answer(ask).await?;
        }
        if connection.is_some() {
            return Ok(());
        }
        // What is on this disk can be read without a server.
        self.give_unshown().await?;
        if self.is_settled().await? { Err(Exit::Finished) } else { Ok(()) }
    }

    /// Returns what people are to be told of what was shown.
    pub(crate) async fn write(
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
        let written = self.sort_out(written);
        let tells = self.config.read_receipts;
        let written: Vec<_> = written
            .into_iter()
            .map(|(peer, text)| (self.scope(&peer), text, self.sends_at_once(&peer)))
            .collect();
        let (marks, always) = (shown.clone(), self.config.seal == Seal::Always);
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let now = Timestamp::now();
            let mut records = Vec::with_capacity(written.len());
            for (scope, text, sent) in written {
                let record = outbox::add(tx, &scope, Kind::TEXT, text.into(), now, sent)?;
                if always {
                    sealing::keep_sealed(tx, record.id)?;
                }
                records.push((record, scope.peer));
            }
            history::mark_shown(tx, &shown)?;
            let seen = if tells { history::highest(tx, &shown)? } else { Vec::new() };
            Ok((records, seen))
        };
        let done = self.store.run(work).await;
        if done.as_ref().is_err_and(StoreError::is_full) {
            // First, so that what was shown is not shown again, whatever happens to the rest.
            self.store.mark_shown(marks).await?;
        }
        let (records, seen) = done?;
        for (record, peer) in records {
            self.wrote(peer, record);
        }
        Ok(seen)
    }

    /// What the server takes of what was written. The face is told why it does not take the rest.
    fn sort_out(&self, written: Vec<(Name, String)>) -> Vec<(Name, String)> {
        let fits = |(peer, text): &(Name, String)| match self.too_long(peer, text) {
            Some(because) => {
                self.tell(Event::NotSent { because });
                false
            }
            None => true,
        };
        written.into_iter().filter(fits).collect()
    }

    /// Something new is in the outbox.
    pub(crate) fn wrote(&mut self, peer: Name, record: Record) {
        self.want_place(&peer, Need::Unsent);
        self.with(&peer, Conversation::more);
        self.tell(Event::Written { peer, record });
    }
}
