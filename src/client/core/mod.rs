//! The one task that owns connection, conversations and store, and brings them together.
//!
//! It lives in turns of two phases: connecting, and being online. In both it obeys orders at once;
//! what cannot be sent yet waits in the store. Start reading at [`Core::run`]; `intake` has what the
//! server says, `obey` what the face wants.

mod answer;
mod blocks;
mod cancel;
mod connect;
mod files;
mod inquiry;
mod intake;
mod likeness;
mod obey;
mod objections;
mod patience;
mod places;
mod stock;
mod under_way;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender, WeakSender};
use futures::future::{self, Either, select};

use super::Order;
use super::absence::FirstTry;
use super::line::backoff::Backoff;
use super::line::connection::{Broken, Connection, Progress};
use super::line::conversation::Conversation;
use super::line::dial::Dialer;
use super::line::door::Door;
use super::line::waits::Waits;
use super::store::outbox::Scope;
use super::store::servers::{Home, Met, Server};
use super::store::thread::Store;
use super::store::{contacts, files as ledger, history, outbox};
use super::{Absence, Command, Config, Ending, Event, Failure, Incoming, StoreError};
use crate::message::{Installation, Name};
use crate::task;
use crate::trust::agent::AgentError;
use crate::trust::known_servers::KnownServers;
use crate::trust::{Identity, PublicKey};
use crate::wire::frame::ClientFrame;
use blocks::Blocks;
use likeness::Likeness;
use objections::Objections;
use places::Queue;
use under_way::Files;

pub(super) use under_way::Said;

/// When so many events wait for the face, the server is not read.
const EVENTS_HIGH: usize = 1_024;

/// How soon to look again whether the face has taken its events.
const EVENTS_PAUSE: Duration = Duration::from_millis(20);

/// How many messages are read from the store at once.
const ROWS: u32 = 256;

/// When so many bytes are to be written, nothing is put to them but acknowledgements.
const UNWRITTEN_HIGH: usize = 256 * 1024;

/// Of how many people whom one never talked to it is remembered that they have written. Of others the
/// face alone is told.
const REQUESTS: usize = 1_000;

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct Core {
    config: Config,
    identity: Arc<Identity>,
    known_servers: KnownServers,
    dialer: Dialer,
    /// The servers that were met, by their addresses.
    met: Vec<Met>,
    /// What everything belongs to that is said now.
    server: Server,
    /// What new messages are numbered in.
    installation: Installation,
    store: Store,
    events: Sender<Event>,
    conversations: BTreeMap<Name, Conversation>,
    /// Who waits for a conversation without a face.
    queue: Queue,
    /// When places were last given to those.
    last_turn: Instant,
    backoff: Backoff,
    /// No more will be written; end once everything is settled.
    finishing: bool,
    /// `ONLINE` was asked for and not answered.
    asked_online: u64,
    /// Who is to be blocked, or no more, and is not yet.
    blocks: Blocks,
    /// Whose keys were asked for and not told.
    asked_keys: BTreeSet<Name>,
    /// Who has another key than the one that is trusted, or none any more. Nothing is sent to them.
    held: BTreeMap<Name, Option<PublicKey>>,
    /// Names that nobody has, and nobody is known to have had.
    nobody: BTreeSet<Name>,
    /// Of those, which the face was told of.
    told_nobody: BTreeSet<Name>,
    objections: Objections,
    /// Who looks like somebody whom one knows.
    likeness: Likeness,
    /// Messages that the face was given and has not shown.
    unshown: u64,
    /// The face can show messages.
    shows: bool,
    /// By peer, the newest message that the face was given. It outlives the conversation, for what
    /// was given may be shown after a conversation was closed and opened again.
    given: BTreeMap<Name, i64>,
    /// Those beside the face who want to know when something happens.
    watchers: Vec<Sender<()>>,
    /// By peer whom one never talked to, how many messages wait on the server.
    requests: BTreeMap<Name, u64>,
    /// What is carried of files.
    files: Files,
    /// Signed in.
    is_online: bool,
    /// The server may have given the name to the key.
    proved: Arc<AtomicBool>,
    /// Until the first try to sign in is over: who wants to know of it.
    first_try: Option<Sender<FirstTry>>,
    /// Why one was last not signed in.
    absence: Option<Absence>,
    /// When to ask again what became of what was sent under a former installation.
    inquire_at: Option<Instant>,
    /// When something last moved, or nothing was waited for.
    progress: Instant,
}

/// Why a phase ends.
enum Exit {
    /// The connection broke, or did not come about: try again.
    Away(String),
    /// The same, and many want to connect.
    Busy(String),
    /// The same: the agent that has the key has not signed.
    Unsigned(AgentError),
    /// It is time to sign in as a former installation.
    Inquire,
    /// Everything is settled.
    Finished,
    /// It was told to.
    Left,
    Failed(Failure),
}

impl From<Broken> for Exit {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Away(because) => Self::Away(because),
            Broken::Busy(because) => Self::Busy(because),
            Broken::Unsigned(error) => Self::Unsigned(error),
            Broken::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::Store(error.to_string()))
    }
}

impl Core {
    pub(super) fn new(
        config: Config,
        identity: Identity,
        known_servers: KnownServers,
        home: Home,
        store: Store,
        events: Sender<Event>,
        orders: WeakSender<Order>,
    ) -> Self {
        let dialer = Dialer::new(config.lookup, Waits::of(config.handshake));
        Self {
            config,
            identity: Arc::new(identity),
            known_servers,
            dialer,
            met: Vec::new(),
            server: home.server,
            installation: home.installation,
            store,
            events,
            conversations: BTreeMap::new(),
            queue: Queue::default(),
            last_turn: Instant::now(),
            backoff: Backoff::default(),
            finishing: false,
            asked_online: 0,
            blocks: Blocks::default(),
            asked_keys: BTreeSet::new(),
            held: BTreeMap::new(),
            nobody: BTreeSet::new(),
            told_nobody: BTreeSet::new(),
            objections: Objections::new(Instant::now()),
            likeness: Likeness::default(),
            unshown: 0,
            shows: true,
            given: BTreeMap::new(),
            watchers: Vec::new(),
            requests: BTreeMap::new(),
            files: Files::new(orders),
            is_online: false,
            proved: Arc::default(),
            first_try: None,
            absence: None,
            inquire_at: None,
            progress: Instant::now(),
        }
    }

    /// Tells what becomes of the first try to sign in.
    pub(super) fn telling(self, first_try: Sender<FirstTry>) -> Self {
        Self { first_try: Some(first_try), ..self }
    }

    /// Lives until told to end, or until there is no point in going on. Whether the name may belong to the key now.
    pub(super) async fn run(mut self, orders: Receiver<Order>) -> bool {
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
                    // Whoever asks beside the face finds another owner.
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
            let pause = match self.next_wait(exit) {
                Ok(pause) => pause,
                Err(exit) => return exit,
            };
            self.disconnected();
            if let Some((because, retry_in)) = pause
                && let Err(exit) = self.pause(because, retry_in, orders).await
            {
                return exit;
            }
        }
    }

    // Away.

    fn disconnected(&mut self) {
        self.conversations.values_mut().for_each(Conversation::disconnected);
        self.files.disconnected();
        self.blocks.disconnected();
        self.nobody.clear();
        (self.is_online, self.inquire_at) = (false, None);
    }

    // Being online.

    async fn online(&mut self, mut connection: Connection, orders: &Receiver<Order>) -> Exit {
        self.is_online = true;
        // They are told anew.
        self.requests.clear();
        self.tell(Event::Connected);
        self.ask_again(&mut connection);
        let exit = self.converse(&mut connection, orders).await;
        self.backoff.lived(connection.lived());
        match exit {
            Err(exit @ (Exit::Finished | Exit::Left | Exit::Inquire)) => {
                connection.quit(GOODBYE).await;
                exit
            }
            Err(exit) => exit,
            Ok(never) => match never {},
        }
    }

    /// The answers went with the earlier connection, if there was one.
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
        // Some may have come with the answer to signing in; no other need follow.
        self.take_frames(connection).await?;
        loop {
            self.give_places(connection).await?;
            self.talk_where_due(connection).await?;
            self.send_outbox(connection).await?;
            self.grant_wanted().await?;
            self.carry_where_due(connection).await?;
            self.give_unshown().await?;
            self.check_patience(true)?;
            if self.is_settled().await? {
                return Err(Exit::Finished);
            }
            if self.inquire_at.is_some_and(|at| at <= Instant::now()) {
                return Err(Exit::Inquire);
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

    async fn talk_where_due(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let now = Instant::now();
        let due: Vec<Name> = self
            .conversations
            .iter()
            .filter(|(_, conversation)| conversation.is_talk_due(now))
            .map(|(peer, _)| peer.clone())
            .collect();
        for peer in due {
            let scope = self.scope(&peer);
            let look = move |tx: &rusqlite::Transaction<'_>| {
                Ok((outbox::settled(tx, &scope)?, outbox::last_sent(tx, &scope)?))
            };
            let (settled, sent) = self.store.run(look).await?;
            // Ahead of all that is said in it.
            connection.answer(&ClientFrame::Key { peer: peer.clone() });
            connection.answer(&ClientFrame::Talk { peer: peer.clone(), settled });
            self.with(&peer, |it| it.opening(sent));
            self.requests.remove(&peer);
        }
        Ok(())
    }

    /// Sends what is above the last number that was sent: new or again, it is the same.
    async fn send_outbox(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let peers = self.conversations.keys().filter(|peer| !self.held.contains_key(*peer));
        for peer in peers.cloned().collect::<Vec<Name>>() {
            if connection.unwritten() >= UNWRITTEN_HIGH {
                break;
            }
            let may_send = self.conversations.get(&peer).and_then(Conversation::may_send);
            let Some((above, room)) = may_send else { continue };
            let (scope, limit) = (self.scope(&peer), room.min(ROWS));
            let messages =
                self.store.run(move |tx| outbox::take_unsettled(tx, &scope, above, limit)).await?;
            let last = messages.last().map(|message| message.n);
            let all = messages.len() < limit as usize;
            self.with(&peer, |it| it.sent(last, all));
            for outbox::Outgoing { n, kind, body } in messages {
                connection.say(&ClientFrame::Message { peer: peer.clone(), n, kind, body });
            }
        }
        Ok(())
    }

    /// Gives the face what the history has for it, as much as it takes for now.
    async fn give_unshown(&mut self) -> Result<(), Exit> {
        while self.shows && self.events.len() < EVENTS_HIGH {
            let mut conversations = self.conversations.iter().filter(|(_, it)| it.faced);
            let next = conversations.find_map(|(peer, it)| Some((peer.clone(), it.unshown_above?)));
            let Some((peer, above)) = next else { break };
            let (server, of) = (self.server.clone(), peer.clone());
            let messages =
                self.store.run(move |tx| history::unshown(tx, &server, &of, above, ROWS)).await?;
            let more = messages.len() == ROWS as usize;
            messages.into_iter().for_each(|message| self.give(message));
            let above = more.then(|| self.last_given(&peer));
            self.with(&peer, |it| it.unshown_above = above);
        }
        Ok(())
    }

    /// Does something with a conversation, unless it was closed meanwhile.
    fn with(&mut self, peer: &Name, work: impl FnOnce(&mut Conversation)) {
        if let Some(conversation) = self.conversations.get_mut(peer) {
            work(conversation);
        }
    }

    fn is_open(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(Conversation::is_open)
    }

    /// Whether `TALK` was not answered yet.
    fn is_opening(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(Conversation::is_opening)
    }

    /// Whether what is written to somebody now is sent at once.
    fn sends_at_once(&self, peer: &Name) -> bool {
        let conversation = self.conversations.get(peer);
        conversation.is_some_and(Conversation::sends_at_once) && !self.held.contains_key(peer)
    }

    fn is_faced(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(|conversation| conversation.faced)
    }

    fn door(&self) -> Door {
        Door {
            config: self.config.clone(),
            known_servers: self.known_servers.clone(),
            met: self.met.clone(),
            dialer: self.dialer.clone(),
            events: self.events.clone(),
        }
    }

    fn scope(&self, peer: &Name) -> Scope {
        Scope { server: self.server.clone(), peer: peer.clone(), installation: self.installation }
    }

    fn tell(&self, event: Event) {
        self.stir();
        // The face may have ended first; then there is nobody to tell.
        let _ = self.events.try_send(event);
    }

    /// Has those beside the face look again.
    fn stir(&self) {
        for watcher in &self.watchers {
            // One that was not taken yet is as good as two.
            let _ = watcher.try_send(());
        }
    }

    fn give(&mut self, message: Incoming) {
        self.given.insert(message.peer.clone(), message.id);
        self.unshown += 1;
        self.tell(Event::Message(message));
    }

    fn last_given(&self, peer: &Name) -> i64 {
        self.given.get(peer).copied().unwrap_or_default()
    }

    /// Tells of messages that came for conversations which the face does not have open: from some, or
    /// from all.
    async fn announce_unshown(&mut self, from: Option<BTreeSet<Name>>) -> Result<(), Exit> {
        let server = self.server.clone();
        let counts = self.store.run(move |tx| history::unshown_counts(tx, &server)).await?;
        for (peer, count) in counts {
            let meant = from.as_ref().is_none_or(|from| from.contains(&peer));
            if meant && !self.is_faced(&peer) {
                self.tell_waiting(peer, count).await?;
            }
        }
        Ok(())
    }

    /// Tells that somebody has written with whom no conversation is open.
    async fn tell_waiting(&mut self, peer: Name, count: u64) -> Result<(), Exit> {
        let known = self.is_known(&peer).await?;
        self.tell(Event::Waiting { peer: peer.clone(), count, known });
        if known { Ok(()) } else { self.meet(&peer).await }
    }

    async fn is_known(&self, peer: &Name) -> Result<bool, StoreError> {
        let (server, of) = (self.server.clone(), peer.clone());
        self.store.run(move |tx| history::is_known(tx, &server, &of)).await
    }

    /// Tells what the server last said of the keys that were asked for.
    async fn tell_known_keys(&mut self) -> Result<(), Exit> {
        for name in std::mem::take(&mut self.asked_keys) {
            let (server, peer) = (self.server.clone(), name.clone());
            let key = self.store.run(move |tx| contacts::trusted(tx, &server, &peer)).await?;
            let key = key.map(|key| key.fingerprint());
            self.tell(Event::Key { name, key, current: false });
        }
        Ok(())
    }

    /// How many messages and files the server has not stored yet, by peer.
    async fn unsent(&self) -> Result<BTreeMap<Name, u64>, StoreError> {
        let server = self.server.clone();
        let look = move |tx: &rusqlite::Transaction<'_>| {
            let mut unsent = outbox::unsent(tx, &server)?;
            for (peer, files) in ledger::unsent(tx, &server)? {
                *unsent.entry(peer).or_default() += files;
            }
            Ok(unsent)
        };
        self.store.run(look).await
    }

    /// Whether the face wants to end and nothing is left to wait for. Fails if that waits for the face.
    async fn is_settled(&mut self) -> Result<bool, Exit> {
        // A server with an older store is sent again what it had once stored: that is not in `unsent`.
        let faced = self.conversations.iter().filter(|(_, it)| it.faced);
        let quiet = { faced }.all(|(peer, conversation)| {
            let is_shown = conversation.has_caught_up() && conversation.unshown_above.is_none();
            (is_shown || !self.shows)
                && (conversation.has_sent_all() || self.held.contains_key(peer))
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
        match unsent.keys().find(|peer| self.held.contains_key(*peer)) {
            Some(peer) if unsent.keys().all(|peer| self.held.contains_key(peer)) => {
                Err(Exit::Failed(Failure::KeyChanged(peer.clone())))
            }
            _ => Ok(unsent.is_empty()),
        }
    }

    /// How long nothing has to be looked at, unless something happens.
    fn time_left(&self) -> Duration {
        let due = self.conversations.values().filter_map(Conversation::due_at);
        let due = due.chain(self.files.due_at()).chain(self.turn_at()).chain(self.inquire_at).min();
        let due = due.map(|at| at.saturating_duration_since(Instant::now()));
        let patience = self.config.patience.map(|it| it.saturating_sub(self.progress.elapsed()));
        due.into_iter().chain(patience).min().unwrap_or(Duration::from_secs(3600))
    }
}
