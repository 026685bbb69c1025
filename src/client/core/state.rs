//! The core's state, and what several of its files do with it.
//!
//! Owned by the one task. Everything that is known of the server, of conversations and of the face is here, so that all
//! decisions are made in one place, one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_channel::{Sender, WeakSender};

use super::blocks::Blocks;
use super::giving::Giving;
use super::held::Held;
use super::likeness::Likeness;
use super::objections::{MOST_OBJECTIONS, MOST_STRANGERS, Objections};
use super::order::Order;
use super::own_list::OwnList;
use super::queue::Queue;
use super::renewal::Renewal;
use super::standing::Standing;
use super::under_way::Files;
use super::unopened::Unopened;
use crate::client::config::{Config, Seal};
use crate::client::event::{Absence, Event};
use crate::client::line::backoff::Backoff;
use crate::client::line::conversation::Conversation;
use crate::client::line::dial::Dialer;
use crate::client::line::door::Door;
use crate::client::line::sign_in::FirstTry;
use crate::client::line::waits::Waits;
use crate::client::store::database::StoreError;
use crate::client::store::scope::{Scope, Server};
use crate::client::store::sealed::keyring::Keyring;
use crate::client::store::servers::{Home, Met};
use crate::client::store::thread::Store;
use crate::client::store::{files, outbox};
use crate::message::{Installation, Name};
use crate::trust::Identity;
use crate::trust::devices::DeviceKey;
use crate::trust::known_servers::KnownServers;
use crate::wire::MAX_BODY;

/// Backpressure: when this many events wait for the face, the server is not read.
pub(super) const EVENTS_HIGH: usize = 1_024;

/// How many messages are read from the store at once.
pub(super) const ROWS: u32 = 256;

/// How long saying goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);

/// See the [module](self).
pub(crate) struct Core {
    pub(super) config: Config,
    pub(super) identity: Arc<Identity>,
    pub(super) known_servers: KnownServers,
    pub(super) dialer: Dialer,
    /// The servers that were met, by their addresses.
    pub(super) met: Vec<Met>,
    /// The server that everything said now belongs to.
    pub(super) server: Server,
    /// The installation in which new messages are numbered.
    pub(super) installation: Installation,
    /// It was made since the start: no number in it is another message's.
    pub(super) is_fresh: bool,
    /// When that was done last.
    pub(super) began_anew: Option<Instant>,
    pub(super) store: Store,
    pub(super) events: Sender<Event>,
    pub(super) conversations: BTreeMap<Name, Conversation>,
    /// Conversations that wait to be opened without the face.
    pub(super) queue: Queue,
    /// When places were last given to them in turn.
    pub(super) last_turn: Instant,
    pub(super) backoff: Backoff,
    /// No more will be written; end once everything is settled.
    pub(super) finishing: bool,
    /// How many `ONLINE` requests are unanswered.
    pub(super) asked_online: u64,
    /// Blocks to set or end that the server has not confirmed.
    pub(super) blocks: Blocks,
    /// Names whose keys the face asked for and was not told.
    pub(super) asked_keys: BTreeSet<Name>,
    /// People to whom nothing is sent.
    pub(super) held: Held,
    /// Names that nobody has, and nobody is known to have had.
    pub(super) nobody: BTreeSet<Name>,
    /// Those of them that the face was told of.
    pub(super) told_nobody: BTreeSet<Name>,
    /// Names that nobody has, and of whose next owners it is known which keys they have.
    pub(super) awaited: BTreeSet<Name>,
    /// The server to which applies what the address says of people.
    pub(super) pinned: Option<Server>,
    /// Names without a device list, so that what is written to them is not sealed, of which the face was told.
    pub(super) told_unsealed: BTreeSet<Name>,
    /// Those for whom a file waits until they have one, of which the face was told.
    pub(super) told_file_waits: BTreeSet<Name>,
    /// As whose messages something came that was refused, for they would have sealed it.
    pub(super) told_refused: BTreeSet<Name>,
    /// What the face was told last of whether what is written to somebody is sealed.
    pub(super) told_sealing: BTreeMap<Name, bool>,
    /// What the server's operator said to everybody, as the face was told it.
    pub(super) announced: Option<String>,
    pub(super) objections: Objections,
    pub(super) strangers: Objections,
    /// People whose names look like known ones.
    pub(super) likeness: Likeness,
    /// Messages that the face was given and has not shown.
    pub(super) unshown: u64,
    /// The face can show messages.
    pub(super) shows: bool,
    /// By peer, the newest message that the face was given. It outlives the conversation, for what
    /// was given may be shown after a conversation was closed and opened again.
    pub(super) given: BTreeMap<Name, i64>,
    /// Processes beside the face that want to know when something happens.
    pub(super) watchers: Vec<Sender<()>>,
    /// How many messages wait on the server, by peer whom one never talked to.
    pub(super) requests: BTreeMap<Name, u64>,
    /// Whether these are all.
    pub(super) told: Told,
    /// One's own list of devices.
    pub(super) own_list: OwnList,
    /// When others are to begin with another key of this folder.
    pub(super) renewal: Renewal,
    /// How messages show that this folder is its person's.
    pub(super) standing: Standing,
    /// The keys for sealing that are known, also by the store's thread.
    pub(super) keyring: Arc<Mutex<Keyring>>,
    /// What cannot be opened yet.
    pub(super) unopened: Unopened,
    /// How many messages on this connection could not be opened.
    pub(super) unreadable: usize,
    /// Whose list is being given to the server.
    pub(super) giving: Giving,
    /// Files in flight.
    pub(super) files: Files,
    /// Signed in.
    pub(super) is_online: bool,
    /// The longest message that the server takes, in bytes, as it said last.
    pub(super) longest_body: usize,
    /// The server may have registered the name for the key.
    pub(super) proved: Arc<AtomicBool>,
    /// Whoever waits for the first try to sign in, until it is over.
    pub(super) first_try: Option<Sender<FirstTry>>,
    /// Why one was last not signed in.
    pub(super) absence: Option<Absence>,
    /// When something last moved, or nothing was waited for.
    pub(super) progress: Instant,
}

/// How much of the list of waiting messages the server has sent since one signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// There may be more.
    Some,
    /// The same; a `PING` was sent, whose answer comes after all of them.
    Asked,
    All,
}

impl Core {
    pub(crate) fn new(
        config: Config,
        identity: Identity,
        known_servers: KnownServers,
        home: Home,
        store: Store,
        events: Sender<Event>,
        orders: WeakSender<Order>,
    ) -> Self {
        let waits = Waits::of(config.handshake);
        let dialer = Dialer::new(config.lookup, waits, config.times.clone());
        Self {
            config,
            identity: Arc::new(identity),
            known_servers,
            dialer,
            met: Vec::new(),
            server: home.server,
            installation: home.installation,
            is_fresh: false,
            began_anew: None,
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
            held: Held::default(),
            nobody: BTreeSet::new(),
            told_nobody: BTreeSet::new(),
            awaited: BTreeSet::new(),
            pinned: None,
            told_unsealed: BTreeSet::new(),
            told_file_waits: BTreeSet::new(),
            told_refused: BTreeSet::new(),
            told_sealing: BTreeMap::new(),
            announced: None,
            objections: Objections::new(MOST_OBJECTIONS),
            strangers: Objections::new(MOST_STRANGERS),
            likeness: Likeness::default(),
            unshown: 0,
            shows: true,
            given: BTreeMap::new(),
            watchers: Vec::new(),
            requests: BTreeMap::new(),
            told: Told::Some,
            own_list: OwnList::default(),
            renewal: Renewal::default(),
            standing: Standing::default(),
            keyring: Arc::default(),
            unopened: Unopened::default(),
            unreadable: 0,
            giving: Giving::default(),
            files: Files::new(orders),
            is_online: false,
            longest_body: MAX_BODY,
            proved: Arc::default(),
            first_try: None,
            absence: None,
            progress: Instant::now(),
        }
    }

    /// Tells what becomes of the first try to sign in.
    pub(crate) fn telling(self, first_try: Sender<FirstTry>) -> Self {
        Self { first_try: Some(first_try), ..self }
    }

    /// Has this folder, whose own key this is, be in the person's list of devices.
    pub(crate) fn listing(self, key: DeviceKey) -> Self {
        Self { own_list: OwnList::of(key), ..self }
    }

    /// Calls `work` with a conversation, unless it was closed meanwhile.
    pub(super) fn with(&mut self, peer: &Name, work: impl FnOnce(&mut Conversation)) {
        if let Some(conversation) = self.conversations.get_mut(peer) {
            work(conversation);
        }
    }

    pub(super) fn is_open(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(Conversation::is_open)
    }

    /// The version of somebody's device list, if the server tells no other; 0 if there is none.
    pub(super) fn list_of(&self, peer: &Name) -> Option<u64> {
        let conversation = self.conversations.get(peer).filter(|it| it.is_open())?;
        conversation.list.is_settled().then(|| conversation.list.known())
    }

    /// Whether `TALK` was not answered yet.
    pub(super) fn is_opening(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(Conversation::is_opening)
    }

    /// Whether what is written to somebody now is sent at once.
    pub(super) fn sends_at_once(&self, peer: &Name) -> bool {
        let conversation = self.conversations.get(peer);
        // What is to be sealed waits until that can be shown to be its person's.
        let may_go = |it: &Conversation| match it.list.known() {
            0 => it.sends_at_once() && self.config.seal == Seal::Auto,
            _ => it.sends_at_once() && self.standing.statement().is_some(),
        };
        conversation.is_some_and(may_go) && !self.held.stops(peer)
    }

    pub(super) fn is_faced(&self, peer: &Name) -> bool {
        self.conversations.get(peer).is_some_and(|conversation| conversation.faced)
    }

    pub(super) fn door(&self) -> Door {
        Door {
            config: self.config.clone(),
            known_servers: self.known_servers.clone(),
            met: self.met.clone(),
            dialer: self.dialer.clone(),
            events: self.events.clone(),
        }
    }

    pub(super) fn scope(&self, peer: &Name) -> Scope {
        Scope { server: self.server.clone(), peer: peer.clone(), installation: self.installation }
    }

    pub(super) fn tell(&self, event: Event) {
        self.stir();
        // The face may have ended first; then there is nobody to tell.
        let _ = self.events.try_send(event);
    }

    /// Tells something that the server may cause without end.
    pub(super) fn tell_if_few(&mut self, event: Event) {
        if let Some(event) = self.objections.take(event, Instant::now()) {
            self.tell(event);
        }
    }

    /// Wakes the processes beside the face.
    pub(super) fn stir(&self) {
        for watcher in &self.watchers {
            // One unread wake-up is as good as two.
            let _ = watcher.try_send(());
        }
    }

    /// How many messages and files the server has not stored yet, by peer.
    pub(super) async fn unsent(&self) -> Result<BTreeMap<Name, u64>, StoreError> {
        let server = self.server.clone();
        let look = move |tx: &rusqlite::Transaction<'_>| {
            let mut unsent = outbox::unsent(tx, &server)?;
            for (peer, files) in files::unsent(tx, &server)? {
                *unsent.entry(peer).or_default() += files;
            }
            Ok(unsent)
        };
        self.store.run(look).await
    }
}
