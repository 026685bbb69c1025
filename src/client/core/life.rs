//! The core's main loop: two phases in turns, connecting and being online.
//!
//! Owned by the one task. In both phases orders are obeyed at once; what cannot be sent yet waits in the store. Start
//! reading at [`Core::run`].

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use futures::future::{self, Either, select};

use super::exit::Exit;
use super::order::Order;
use super::state::{Core, EVENTS_HIGH, GOODBYE, Told};
use crate::client::command::Command;
use crate::client::event::{Ending, Event, Failure};
use crate::client::line::connection::{Connection, Progress};
use crate::client::line::conversation::Conversation;
use crate::message::Name;
use crate::task;
use crate::wire::frame::ClientFrame;

/// How often to check whether the face has read its events.
const EVENTS_PAUSE: Duration = Duration::from_millis(20);

impl Core {
    /// Runs until told to end, or until going on is pointless. Returns whether the name may belong to the key now.
    pub(crate) async fn run(mut self, orders: Receiver<Order>) -> bool {
        let failure = match self.live(&orders).await {
            Exit::Failed(failure) => Some(failure),
            _ => None,
        };
        let is_refused = matches!(failure, Some(Failure::Name(_) | Failure::Uninvited(_)));
        let unsent = self.unsent().await.unwrap_or_default().values().sum();
        self.tell(Event::Ended(Ending { failure, unsent }));
        let carried = self.files.end();
        future::join(carried, self.note_rest(&orders)).await;
        self.store.close().await;
        self.proved.load(Ordering::Relaxed) && !is_refused
    }

    /// The face may still show what it was given before the end, and read what was written before it heard of the end.
    /// The first is not to be shown again, the second goes out next time.
    async fn note_rest(&mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv().await {
            let more = std::iter::from_fn(|| orders.try_recv().ok()).take(EVENTS_HIGH);
            let (mut shown, mut written) = (Vec::new(), Vec::new());
            for order in std::iter::once(order).chain(more) {
                match order {
                    Order::Command(Command::Shown(id)) => shown.push(id),
                    Order::Command(Command::Send { peer, text }) => written.push((peer, text)),
                    // Processes beside the face find another owner.
                    _ => {}
                }
            }
            let count = written.len();
            if self.write(written, Vec::new()).await.is_err() {
                let because = format!("{count} of the last messages could not be kept");
                self.tell(Event::Objection { because });
            }
            if let Err(error) = self.store.mark_shown(shown).await {
                log::error!("what was shown is shown again next time: {error}");
            }
        }
    }

    async fn live(&mut self, orders: &Receiver<Order>) -> Exit {
        if let Err(error) = self.announce_unshown(None).await {
            return error;
        }
        loop {
            let exit = match self.connect(orders).await {
                Ok(connection) => {
                    self.first_try = None;
                    self.online(connection, orders).await
                }
                Err(exit) => self.take_first_try(exit),
            };
            let (because, retry_in) = match self.next_wait(exit) {
                Ok(pause) => pause,
                Err(exit) => return exit,
            };
            self.disconnected();
            if let Err(exit) = self.pause(because, retry_in, orders).await {
                return exit;
            }
        }
    }

    // Away.

    fn disconnected(&mut self) {
        self.conversations.values_mut().for_each(Conversation::disconnected);
        self.files.disconnected();
        self.blocks.disconnected();
        self.own_list.disconnected();
        self.renewal.disconnected();
        self.giving.disconnected();
        self.standing.disconnected();
        self.unopened.disconnected();
        self.nobody.clear();
        (self.is_online, self.told) = (false, Told::Some);
    }

    // Being online.

    async fn online(&mut self, mut connection: Connection, orders: &Receiver<Order>) -> Exit {
        (self.is_online, self.longest_body) = (true, connection.longest_body());
        self.unreadable = 0;
        // The server tells them again.
        self.requests.clear();
        self.told = Told::Some;
        self.tell(Event::Connected);
        self.ask_again(&mut connection);
        self.own_list.connected();
        let exit = self.converse(&mut connection, orders).await;
        self.backoff.lived(connection.lived());
        match exit {
            Err(exit @ (Exit::Finished | Exit::Left)) => {
                connection.quit(GOODBYE).await;
                exit
            }
            Err(exit) => exit,
            Ok(never) => match never {},
        }
    }

    /// The answers were lost with the earlier connection, if there was one.
    fn ask_again(&mut self, connection: &mut Connection) {
        self.say_blocks(connection);
        for _ in 0..self.asked_online {
            connection.say(&ClientFrame::Online);
        }
        for peer in &self.asked_keys {
            connection.say(&ClientFrame::Key { peer: peer.clone() });
        }
    }

    async fn converse(
        &mut self,
        connection: &mut Connection,
        orders: &Receiver<Order>,
    ) -> Result<std::convert::Infallible, Exit> {
        self.queue_outbox().await?;
        // Some frames may have come with the answer to signing in; no read need bring more.
        self.take_frames(connection).await?;
        loop {
            self.renew_where_due(connection).await?;
            self.list_where_due(connection);
            self.stand_where_due().await?;
            self.give_places(connection).await?;
            self.talk_where_due(connection).await?;
            self.note_drained().await?;
            self.ask_lists_where_due(connection);
            self.send_outbox(connection).await?;
            self.grant_wanted().await?;
            self.carry_where_due(connection).await?;
            self.give_unshown().await?;
            self.check_patience(true)?;
            if self.is_settled().await? {
                return Err(Exit::Finished);
            }
            let reading = self.events.len() < EVENTS_HIGH;
            let wake = if reading { self.time_left() } else { EVENTS_PAUSE };
            let command = Box::pin(task::within(wake, orders.recv()));
            let progress = match select(command, Box::pin(connection.progress(reading))).await {
                Either::Left((command, _)) => Either::Left(command),
                Either::Right((progress, _)) => Either::Right(progress?),
            };
            match progress {
                Either::Left(command) => {
                    self.obey_next(command, orders, Some(&mut *connection)).await?;
                }
                Either::Right(Progress::Read) => self.take_frames(connection).await?,
                Either::Right(Progress::Wrote) => {}
                Either::Right(Progress::Silence) => connection.break_silence()?,
            }
        }
    }

    /// Whether the face wants to end and nothing is left to wait for. Fails if all that is left is held.
    pub(super) async fn is_settled(&mut self) -> Result<bool, Exit> {
        // A server with an older store is sent again what it had once stored: that is not in `unsent`.
        let faced = self.conversations.iter().filter(|(_, it)| it.faced);
        let quiet = { faced }.all(|(peer, conversation)| {
            let (has_caught_up, is_held) = (conversation.has_caught_up(), self.held.has(peer));
            let has_come = self.unopened.is_settled(peer, has_caught_up, is_held);
            let is_shown = has_come && conversation.unshown_above.is_none();
            let is_stopped = self.held.stops(peer) || self.lacks_signature(conversation);
            (is_shown || !self.shows) && (conversation.has_sent_all() || is_stopped)
        });
        let answered =
            self.asked_online == 0 && self.asked_keys.is_empty() && self.blocks.is_settled();
        let all_shown = self.unshown == 0 || !self.shows;
        if !(self.finishing && quiet && answered && all_shown) {
            return Ok(false);
        }
        if self.awaits_files().await? {
            return Ok(false);
        }
        let unsent = self.unsent().await?;
        let held: Vec<_> = unsent.keys().filter_map(|peer| self.holds_all(peer)).collect();
        match held.len() == unsent.len() {
            true => held.into_iter().next().map_or(Ok(true), |why| Err(Exit::Failed(why))),
            false => Ok(false),
        }
    }

    /// Why nothing of what is left for somebody is sent until they, or the person who uses this client, do something.
    fn holds_all(&self, peer: &Name) -> Option<Failure> {
        let conversation = self.conversations.get(peer);
        // Then files are left.
        let has_sent_all = conversation.is_some_and(Conversation::has_sent_all);
        let is_unsigned = conversation.is_some_and(|it| self.lacks_signature(it));
        let unsigned = || is_unsigned.then(|| Failure::Unsignable(peer.clone()));
        let files = || self.holds_files(peer).filter(|_| has_sent_all);
        self.held.failure(peer).or_else(unsigned).or_else(files)
    }

    /// Whether what is to be sent has to be sealed, and the key has refused to sign for that.
    fn lacks_signature(&self, conversation: &Conversation) -> bool {
        let is_sealed = conversation.list.known() > 0;
        self.standing.has_refused() && is_sealed && conversation.may_send().is_some()
    }

    /// How long until the next timer.
    pub(super) fn time_left(&self) -> Duration {
        let now = Instant::now();
        let due = self.conversations.values().filter_map(|it| it.due_at(now));
        let due = due.chain(self.files.due_at()).chain(self.turn_at()).chain(self.giving.due_at());
        // Nothing is done about any of it before there is a connection.
        let due = due.min().filter(|_| self.is_online);
        let due = due.map(|at| at.saturating_duration_since(now));
        let patience = self.config.patience.map(|it| it.saturating_sub(self.progress.elapsed()));
        due.into_iter().chain(patience).min().unwrap_or(Duration::from_secs(3600))
    }
}
