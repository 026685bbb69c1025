//! The one task that owns connection, conversations and store, and brings them together.
//!
//! It lives in turns of two phases: connecting, and being online. In both it obeys commands at once;
//! what cannot be sent yet waits in the store. Start reading at [`Core::run`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures::future::{Either, select};

use super::backoff::Backoff;
use super::connection::{Broken, Connection, Progress, dismissed, refused};
use super::conversation::Conversation;
use super::outbox::Scope;
use super::store::Store;
use super::{Command, Config, Ending, Event, Failure, Incoming, StoreError, history, outbox};
use crate::message::{Installation, Message, Name, Timestamp};
use crate::task;
use crate::trust::Identity;
use crate::wire::frame::{ClientFrame, ErrorCode, Refusal, ServerFrame};

/// When so many events wait for the face, the server is not read.
const EVENTS_HIGH: usize = 1_024;

/// How soon to look again whether the face has taken its events.
const EVENTS_PAUSE: Duration = Duration::from_millis(20);

/// How many commands are obeyed in one transaction.
const BATCH: usize = 256;

/// How many messages are read from the store at once.
const ROWS: u32 = 256;

/// When so many bytes are to be written, nothing is put to them but acknowledgements.
const UNWRITTEN_HIGH: usize = 256 * 1024;

/// How many conversations are opened only to empty the outbox.
const MAX_UNFACED: usize = 500;

/// When to try again to open a conversation, if the server has too many open.
const REOPEN: Duration = Duration::from_secs(60);

/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(super) struct Core {
    config: Config,
    identity: Arc<Identity>,
    installation: Installation,
    store: Store,
    events: Sender<Event>,
    conversations: BTreeMap<Name, Conversation>,
    backoff: Backoff,
    /// No more will be written; end once everything is settled.
    finishing: bool,
    /// `ONLINE` was asked for and not answered.
    asked_online: u64,
    /// Messages that the face was given and has not shown.
    unshown: u64,
    /// When something last moved, or nothing was waited for.
    progress: Instant,
}

/// Why a phase ends.
enum Exit {
    /// The connection broke, or did not come about: try again.
    Away(String),
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
            Broken::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::Store(error.to_string()))
    }
}

/// What one read brought that goes to disk in one transaction.
#[derive(Default)]
struct Intake {
    messages: Vec<(Name, u64, Message)>,
    /// By peer: the highest stored and delivered.
    receipts: BTreeMap<Name, (u64, u64)>,
}

impl Core {
    pub(super) fn new(
        config: Config,
        identity: Identity,
        installation: Installation,
        store: Store,
        events: Sender<Event>,
    ) -> Self {
        Self {
            config,
            identity: Arc::new(identity),
            installation,
            store,
            events,
            conversations: BTreeMap::new(),
            backoff: Backoff::default(),
            finishing: false,
            asked_online: 0,
            unshown: 0,
            progress: Instant::now(),
        }
    }

    /// Lives until told to end, or until there is no point in going on.
    pub(super) async fn run(mut self, commands: Receiver<Command>) {
        let failure = match self.live(&commands).await {
            Exit::Failed(failure) => Some(failure),
            Exit::Away(_) | Exit::Finished | Exit::Left => None,
        };
        let unsent = self.unsent().await.unwrap_or_default();
        self.tell(Event::Ended(Ending { failure, unsent }));
    }

    async fn live(&mut self, commands: &Receiver<Command>) -> Exit {
        if let Err(error) = self.announce_unshown().await {
            return error;
        }
        loop {
            let exit = match self.connect(commands).await {
                Ok(connection) => self.online(connection, commands).await,
                Err(exit) => exit,
            };
            let Exit::Away(because) = exit else { return exit };
            if let Err(exit) = self.pause(because, commands).await {
                return exit;
            }
        }
    }

    // Connecting.

    async fn connect(&mut self, commands: &Receiver<Command>) -> Result<Connection, Exit> {
        let (config, identity) = (self.config.clone(), self.identity.clone());
        let installation = self.installation;
        let opening = async move {
            Connection::open(config.server, config.user, installation, &identity).await
        };
        let mut opening = Box::pin(opening);
        loop {
            self.check_patience(false)?;
            let limit = self.time_left();
            let command = Box::pin(task::within(limit, commands.recv()));
            match select(opening, command).await {
                Either::Left((connection, _)) => return Ok(connection?),
                Either::Right((command, rest)) => {
                    opening = rest;
                    self.obey_next(command, commands, None).await?;
                }
            }
        }
    }

    /// Waits before connecting again.
    async fn pause(&mut self, because: String, commands: &Receiver<Command>) -> Result<(), Exit> {
        let retry_in = self.backoff.next(fastrand::f64());
        self.conversations.values_mut().for_each(Conversation::disconnected);
        // The answer went with the connection; it is asked for again on the next.
        self.tell(Event::Disconnected { because, retry_in });
        let until = Instant::now() + retry_in;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            self.check_patience(false)?;
            let limit = left.min(self.time_left());
            let command = task::within(limit, commands.recv()).await;
            self.obey_next(command, commands, None).await?;
        }
        Ok(())
    }

    // Being online.

    async fn online(&mut self, mut connection: Connection, commands: &Receiver<Command>) -> Exit {
        self.tell(Event::Connected);
        self.progress = Instant::now();
        for _ in 0..self.asked_online {
            connection.say(&ClientFrame::Online);
        }
        let exit = self.converse(&mut connection, commands).await;
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

    async fn converse(
        &mut self,
        connection: &mut Connection,
        commands: &Receiver<Command>,
    ) -> Result<std::convert::Infallible, Exit> {
        self.face_outbox().await?;
        loop {
            self.talk_where_due(connection).await?;
            self.send_outbox(connection).await?;
            self.give_unshown().await?;
            self.check_patience(true)?;
            if self.is_settled().await? {
                return Err(Exit::Finished);
            }
            let reading = self.events.len() < EVENTS_HIGH;
            let wake = if reading { self.time_left() } else { EVENTS_PAUSE };
            let command = Box::pin(task::within(wake, commands.recv()));
            let progress = match select(command, Box::pin(connection.progress(reading))).await {
                Either::Left((command, _)) => Either::Left(command),
                Either::Right((progress, _)) => Either::Right(progress?),
            };
            match progress {
                Either::Left(command) => {
                    self.obey_next(command, commands, Some(&mut *connection)).await?;
                }
                Either::Right(Progress::Read) => self.take_frames(connection).await?,
                Either::Right(Progress::Wrote) => {}
                Either::Right(Progress::Silence) => connection.break_silence()?,
            }
        }
    }

    /// What an earlier run, or an earlier connection, left in the outbox is to be sent.
    async fn face_outbox(&mut self) -> Result<(), Exit> {
        let server = self.config.server.clone();
        let peers = self.store.run(move |tx| outbox::unsettled_peers(tx, &server)).await?;
        for peer in peers.into_iter().take(MAX_UNFACED) {
            self.conversations.entry(peer).or_default();
        }
        Ok(())
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
            let settled = self.store.run(move |tx| outbox::settled(tx, &scope)).await?;
            connection.say(&ClientFrame::Talk { peer: peer.clone(), settled });
            self.with(&peer, Conversation::opening);
        }
        Ok(())
    }

    /// Sends what is above the last number that was sent: new or again, it is the same.
    async fn send_outbox(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let peers: Vec<Name> = self.conversations.keys().cloned().collect();
        for peer in peers {
            if connection.unwritten() >= UNWRITTEN_HIGH {
                break;
            }
            let may_send = self.conversations.get(&peer).and_then(Conversation::may_send);
            let Some((above, room)) = may_send else { continue };
            let (scope, limit) = (self.scope(&peer), room.min(ROWS));
            let messages =
                self.store.run(move |tx| outbox::unsettled(tx, &scope, above, limit)).await?;
            let last = messages.last().map(|message| message.n);
            let all = messages.len() < limit as usize;
            self.with(&peer, |it| it.sent(last, all));
            for outbox::Outgoing { n, kind, body } in messages {
                connection.say(&ClientFrame::Message { peer: peer.clone(), n, kind, body });
            }
        }
        Ok(())
    }

    /// Gives the face what the history has for it.
    async fn give_unshown(&mut self) -> Result<(), Exit> {
        let waiting = self.conversations.iter().find_map(|(peer, conversation)| {
            let above = conversation.unshown_above.filter(|_| conversation.faced)?;
            Some((peer.clone(), above))
        });
        let Some((peer, above)) = waiting.filter(|_| self.events.len() < EVENTS_HIGH) else {
            return Ok(());
        };
        let (server, of) = (self.config.server.clone(), peer.clone());
        let messages =
            self.store.run(move |tx| history::unshown(tx, &server, &of, above, ROWS)).await?;
        let more = messages.len() == ROWS as usize;
        messages.into_iter().for_each(|message| self.give(message));
        self.with(&peer, |it| it.unshown_above = more.then_some(it.given));
        Ok(())
    }

    // What the server says.

    async fn take_frames(&mut self, connection: &mut Connection) -> Result<(), Exit> {
        let mut intake = Intake::default();
        loop {
            let frame = connection.next_ready();
            match frame.map_err(|error| Exit::Away(format!("the server said nonsense: {error}")))? {
                Some(ServerFrame::Message { peer, seq, message }) => {
                    intake.messages.push((peer, seq, message));
                }
                Some(ServerFrame::Stored { peer, n }) => {
                    let (stored, _) = intake.receipts.entry(peer).or_default();
                    *stored = n.max(*stored);
                }
                Some(ServerFrame::Delivered { peer, n }) => {
                    let (_, delivered) = intake.receipts.entry(peer).or_default();
                    *delivered = n.max(*delivered);
                }
                Some(frame) => {
                    self.take_in(std::mem::take(&mut intake), connection).await?;
                    self.take_frame(frame, connection).await?;
                }
                None => return self.take_in(intake, connection).await,
            }
        }
    }

    /// Writes messages and receipts to disk, and only then acknowledges and tells of them.
    async fn take_in(&mut self, intake: Intake, connection: &mut Connection) -> Result<(), Exit> {
        let Intake { messages, receipts } = intake;
        if messages.is_empty() && receipts.is_empty() {
            return Ok(());
        }
        let mut acknowledged = BTreeMap::new();
        for (peer, seq, _) in &messages {
            self.with(peer, Conversation::came);
            acknowledged.insert(peer.clone(), *seq);
        }
        let receipts: Vec<_> = receipts
            .into_iter()
            .map(|(peer, (stored, delivered))| (self.scope(&peer), stored, delivered))
            .collect();
        let server = self.config.server.clone();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let mut fresh = Vec::new();
            for (peer, _, message) in messages {
                fresh.extend(history::receive(tx, &server, peer, message)?);
            }
            let mut moved = Vec::new();
            for (scope, stored, delivered) in receipts {
                let change = outbox::receive_receipt(tx, &scope, stored, delivered)?;
                moved.push((scope.peer, stored, delivered, change));
            }
            Ok((fresh, moved))
        };
        let (fresh, moved) = self.store.run(work).await?;
        for (peer, seq) in acknowledged {
            connection.say(&ClientFrame::Ack { peer, seq });
        }
        for (peer, stored, delivered, change) in moved {
            self.tell_receipts(peer, stored, delivered, change);
        }
        self.progress = Instant::now();
        self.receive(fresh).await
    }

    fn tell_receipts(&mut self, peer: Name, stored: u64, delivered: u64, moved: outbox::Moved) {
        self.with(&peer, |it| it.stored(stored.max(delivered)));
        if moved.stored > 0 {
            let (peer, count) = (peer.clone(), moved.stored);
            self.tell(Event::Stored { peer, n: stored, count });
        }
        if moved.delivered > 0 {
            self.tell(Event::Delivered { peer, n: delivered, count: moved.delivered });
        }
    }

    /// Gives the face what it wants to see at once, and counts the rest for it.
    async fn receive(&mut self, fresh: Vec<Incoming>) -> Result<(), Exit> {
        let mut announce = false;
        for message in fresh {
            match self.conversations.get(&message.peer) {
                Some(conversation) if conversation.faced => {
                    // Otherwise it is given when those before it are.
                    if conversation.unshown_above.is_none() {
                        self.give(message);
                    }
                }
                _ => announce = true,
            }
        }
        if announce { self.announce_unshown().await } else { Ok(()) }
    }

    async fn take_frame(
        &mut self,
        frame: ServerFrame,
        connection: &mut Connection,
    ) -> Result<(), Exit> {
        match frame {
            ServerFrame::Talking { peer, presence, own, waiting } => {
                self.check_counter(&peer, own.have).await?;
                let receipts = BTreeMap::from([(peer.clone(), (own.stored, own.delivered))]);
                self.with(&peer, |it| it.opened(own.have, own.stored, waiting));
                if self.is_faced(&peer) {
                    self.tell(Event::Opened { peer, presence, waiting });
                }
                self.take_in(Intake { receipts, ..Intake::default() }, connection).await
            }
            ServerFrame::Expired { peer, n } => self.expire(peer, n).await,
            ServerFrame::Refused { peer, refusal, text, .. } => {
                self.take_refusal(peer, refusal, text);
                Ok(())
            }
            ServerFrame::Room { peer } => {
                self.with(&peer, |it| it.room(Instant::now()));
                Ok(())
            }
            ServerFrame::Waiting { peer, count } => {
                // About to be opened: the count comes with TALKING.
                if !self.is_faced(&peer) {
                    self.tell(Event::Waiting { peer, count });
                }
                Ok(())
            }
            ServerFrame::Presence { peer, presence } => {
                if self.is_faced(&peer) {
                    self.tell(Event::Presence { peer, presence });
                }
                Ok(())
            }
            ServerFrame::Online { count, names } => {
                self.asked_online = self.asked_online.saturating_sub(1);
                self.tell(Event::Online { count, names });
                Ok(())
            }
            ServerFrame::Ping => {
                connection.say(&ClientFrame::Pong);
                Ok(())
            }
            ServerFrame::Error { code, peer, text } => self.take_error(code, peer, text),
            ServerFrame::Bye { reason, text } => Err(dismissed(reason, text).into()),
            _ => Ok(()),
        }
    }

    /// A server that has more than was ever numbered here has it from the original of this copy.
    async fn check_counter(&mut self, peer: &Name, have: u64) -> Result<(), Exit> {
        let scope = self.scope(peer);
        if have <= self.store.run(move |tx| outbox::last_number(tx, &scope)).await? {
            return Ok(());
        }
        let old = self.installation;
        self.installation = self.store.run(move |tx| outbox::renumber(tx, old)).await?;
        Err(Exit::Away("this data folder is a copy of another; it now counts on its own".into()))
    }

    async fn expire(&mut self, peer: Name, n: u64) -> Result<(), Exit> {
        let scope = self.scope(&peer);
        if self.store.run(move |tx| outbox::expire(tx, &scope, n)).await? {
            self.tell(Event::Expired { peer, n });
        }
        Ok(())
    }

    fn take_refusal(&mut self, peer: Name, refusal: Refusal, because: String) {
        let after = match refusal {
            Refusal::Slow { seconds } => Some(Duration::from_secs(seconds)),
            Refusal::Full | Refusal::Store => None,
        };
        let conversation = self.conversations.get_mut(&peer);
        if conversation.is_some_and(|it| it.refused(Instant::now(), after)) {
            self.tell(Event::Refused { peer, because });
        }
    }

    fn take_error(
        &mut self,
        code: ErrorCode,
        peer: Option<Name>,
        text: String,
    ) -> Result<(), Exit> {
        let because = match &peer {
            Some(peer) => format!("{peer}: {text}"),
            None => text,
        };
        match (code, peer) {
            (ErrorCode::Conversations, Some(peer)) => {
                self.with(&peer, |it| it.refused_to_open(Instant::now(), REOPEN));
                self.tell(Event::Objection { because });
                Ok(())
            }
            (ErrorCode::Name | ErrorCode::ToSelf | ErrorCode::Closed, _) => {
                self.tell(Event::Objection { because });
                Ok(())
            }
            _ => Err(refused(code, because).into()),
        }
    }

    // What the face wants.

    /// Obeys what came out of the queue: a command, nothing in time, or that nobody commands any more.
    async fn obey_next(
        &mut self,
        command: Option<Result<Command, async_channel::RecvError>>,
        commands: &Receiver<Command>,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        match command {
            Some(Ok(command)) => self.obey(command, commands, connection).await,
            Some(Err(_)) => Err(Exit::Left),
            None => Ok(()),
        }
    }

    /// Obeys a command and those right behind it, with one transaction for all that they write.
    async fn obey(
        &mut self,
        first: Command,
        commands: &Receiver<Command>,
        mut connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        let (mut written, mut shown, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(command) = next {
            match command {
                Command::Send { peer, text } => written.push((peer, text)),
                Command::Shown(message) => shown.push(message.id),
                other => rest.push(other),
            }
            let more = written.len() + shown.len() + rest.len() < BATCH;
            next = if more { commands.try_recv().ok() } else { None };
        }
        self.write(written, shown).await?;
        for command in rest {
            self.obey_one(command, connection.as_deref_mut()).await?;
        }
        if connection.is_none() && self.is_settled().await? { Err(Exit::Finished) } else { Ok(()) }
    }

    async fn write(&mut self, written: Vec<(Name, String)>, shown: Vec<i64>) -> Result<(), Exit> {
        if written.is_empty() && shown.is_empty() {
            return Ok(());
        }
        self.unshown = self.unshown.saturating_sub(shown.len() as u64);
        let peers: Vec<Name> = written.iter().map(|(peer, _)| peer.clone()).collect();
        let written: Vec<_> =
            written.into_iter().map(|(peer, text)| (self.scope(&peer), text)).collect();
        let work = move |tx: &rusqlite::Transaction<'_>| {
            let now = Timestamp::now();
            for (scope, text) in &written {
                outbox::add(tx, scope, text, now)?;
            }
            history::mark_shown(tx, &shown)
        };
        self.store.run(work).await?;
        for peer in peers {
            self.conversations.entry(peer).or_default().more();
        }
        Ok(())
    }

    async fn obey_one(
        &mut self,
        command: Command,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        match command {
            Command::Talk(peer) => {
                let conversation = self.conversations.entry(peer).or_default();
                if !std::mem::replace(&mut conversation.faced, true) {
                    conversation.unshown_above = Some(conversation.given);
                    conversation.ask_anew();
                }
                Ok(())
            }
            Command::Close(peer) => self.close(&peer, connection).await,
            Command::Online => {
                self.asked_online += 1;
                if let Some(connection) = connection {
                    connection.say(&ClientFrame::Online);
                }
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

    /// Closes a conversation, once its outbox is empty.
    async fn close(
        &mut self,
        peer: &Name,
        connection: Option<&mut Connection>,
    ) -> Result<(), Exit> {
        let Some(conversation) = self.conversations.get_mut(peer) else { return Ok(()) };
        conversation.faced = false;
        let scope = self.scope(peer);
        let unsent = self.store.run(move |tx| outbox::unsent(tx, &scope.server)).await?;
        if !unsent.contains_key(peer) {
            self.conversations.remove(peer);
            if let Some(connection) = connection {
                connection.say(&ClientFrame::Close { peer: peer.clone() });
            }
        }
        Ok(())
    }

    // Small things.

    /// Does something with a conversation, unless it was closed meanwhile.
    fn with(&mut self, peer: &Name, work: impl FnOnce(&mut Conversation)) {
        if let Some(conversation) = self.conversations.get_mut(peer) {
            work(conversation);
        }
    }

    fn is_faced(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(|conversation| conversation.faced)
    }

    fn scope(&self, peer: &Name) -> Scope {
        Scope {
            server: self.config.server.clone(),
            peer: peer.clone(),
            installation: self.installation,
        }
    }

    fn tell(&self, event: Event) {
        // The face may have ended first; then there is nobody to tell.
        let _ = self.events.try_send(event);
    }

    fn give(&mut self, message: Incoming) {
        self.with(&message.peer, |it| it.given = message.id);
        self.unshown += 1;
        self.tell(Event::Message(message));
    }

    /// Tells of messages that came for conversations which the face does not have open.
    async fn announce_unshown(&mut self) -> Result<(), Exit> {
        let server = self.config.server.clone();
        let counts = self.store.run(move |tx| history::unshown_counts(tx, &server)).await?;
        for (peer, count) in counts {
            if !self.is_faced(&peer) {
                self.tell(Event::Waiting { peer, count });
            }
        }
        Ok(())
    }

    /// How many messages the server has not stored yet.
    async fn unsent(&self) -> Result<u64, StoreError> {
        let server = self.config.server.clone();
        Ok(self.store.run(move |tx| outbox::unsent(tx, &server)).await?.values().sum())
    }

    /// Whether the face wants to end and nothing is left to wait for.
    async fn is_settled(&self) -> Result<bool, Exit> {
        let quiet = self.conversations.values().filter(|it| it.faced).all(|conversation| {
            conversation.has_caught_up() && conversation.unshown_above.is_none()
        });
        let shown = self.unshown == 0 && self.asked_online == 0;
        Ok(self.finishing && quiet && shown && self.unsent().await? == 0)
    }

    /// Fails if something has been waited for without progress for longer than wanted.
    fn check_patience(&mut self, online: bool) -> Result<(), Exit> {
        let refused = self.conversations.values().any(Conversation::is_refused);
        if online && !self.finishing && !refused {
            self.progress = Instant::now();
        }
        let Some(after) = self.config.patience.filter(|it| self.progress.elapsed() >= *it) else {
            return Ok(());
        };
        let because = match (online, refused) {
            (false, _) => format!("the server {} is away", self.config.server),
            (true, true) => "the server takes no more messages for now".into(),
            (true, false) => "the server does not go on".into(),
        };
        Err(Exit::Failed(Failure::TimedOut { after, because }))
    }

    /// How long nothing has to be looked at, unless something happens.
    fn time_left(&self) -> Duration {
        let due = self.conversations.values().filter_map(Conversation::due_at).min();
        let due = due.map(|at| at.saturating_duration_since(Instant::now()));
        let patience = self.config.patience.map(|it| it.saturating_sub(self.progress.elapsed()));
        due.into_iter().chain(patience).min().unwrap_or(Duration::from_secs(3600))
    }
}
