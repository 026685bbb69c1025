//! The client without a face: connects and reconnects, keeps outbox and history on disk, and knows
//! nothing of terminals. A face gives it [`Command`]s and is given [`Event`]s.
//!
//! One task (`core`) owns the connection, the conversations and the store; `store` is the thread
//! that owns the database, `outbox` and `history` are what is done in it. Invariant: a message is on
//! disk before it is sent, and on disk before it is acknowledged; every receipt is on disk before it
//! is told.

mod absence;
mod address;
pub mod archive;
mod aside;
mod backoff;
pub mod beside;
mod command;
mod connection;
mod contacts;
mod conversation;
mod core;
mod dial;
mod door;
mod eyeballs;
pub mod files;
mod formers;
mod fresh;
mod history;
mod layout;
mod merge;
mod outbox;
mod outcome;
mod proxy;
pub mod search;
mod servers;
mod sign_in;
mod socks;
mod store;
pub mod transcript;
mod waits;

use std::path::PathBuf;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_std::task::JoinHandle;
use thiserror::Error;

pub use absence::Absence;
pub use address::{Address, AddressError, DEFAULT_PORT, Target};
pub use archive::{Place, Record, State, Summary};
pub use command::{Command, Unwanted};
pub use dial::{Lookup, system_lookup};
pub use files::{FileInfo, FileState, Freed, Lying, MAX_CAPTION, Received, Transfer, Unasked, Way};
pub use fresh::is_new;
pub use history::Incoming;
pub use outbox::Pending;
pub use outcome::{Change, Trust};
pub use proxy::{Proxies, Proxy, ProxyError, Source};
pub use search::{Hit, Query};
pub use store::StoreError;
pub use waits::{HANDSHAKE, MAX_HANDSHAKE};

use self::absence::FirstTry;
use crate::folder::{Folder, FolderError};
use crate::message::Name;
use crate::task;
use crate::trust::known_servers::KnownServers;
use crate::trust::{Fingerprint, Identity, IdentityError, Invite, KeyFile};
use crate::wire::frame::{Presence, Refusal};
use fresh::{Fresh, STORE};

/// How many commands wait. A face that gives more waits.
const COMMANDS: usize = 256;

/// Who talks through which server, and where it is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: Address,
    /// Whose key the server has to show, if that is known already.
    pub fingerprint: Option<Fingerprint>,
    /// What lets a newcomer in.
    pub invite: Option<Invite>,
    /// Whether to speak TLS with it. Without, it has to be on this machine.
    pub tls: bool,
    /// The proxy on the way to it, if it is not on this machine.
    pub proxy: Option<Proxy>,
    /// How its name is looked up.
    pub lookup: Lookup,
    /// How long a handshake may take; all on the way to the server is in proportion to it.
    pub handshake: Duration,
    /// The name to sign in with.
    pub user: Name,
    /// The person's data folder.
    pub data: PathBuf,
    /// The person's own key, if it is not the one in the data folder.
    pub identity: Option<PathBuf>,
    /// The socket of the person's SSH agent.
    pub agent: Option<PathBuf>,
    /// How long anything may be waited for without progress; `None` for ever.
    pub patience: Option<Duration>,
    /// How much of others' files comes by itself.
    pub unasked: Unasked,
    /// Whether people are told that what they wrote was shown.
    pub read_receipts: bool,
    /// Whether the data folder is given to a face that wants it.
    pub yields: bool,
    /// Whether what a first start has made in the data folder goes again where the server let nobody in and nothing
    /// was written.
    pub tentative: bool,
}

impl Config {
    /// The defaults: under TLS, with the key in the data folder, and all the patience in the world.
    pub fn new(server: Address, user: Name, data: PathBuf) -> Self {
        Self {
            server,
            fingerprint: None,
            invite: None,
            tls: true,
            proxy: None,
            lookup: system_lookup,
            handshake: HANDSHAKE,
            user,
            data,
            identity: None,
            agent: None,
            patience: None,
            unasked: Unasked::DEFAULT,
            read_receipts: false,
            yields: false,
            tentative: false,
        }
    }
}

/// What a face is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the variants name")]
pub enum Event {
    /// A server that was never met shows this key. From now on it has to be the same one.
    FirstMeeting { fingerprint: Fingerprint },
    /// What was said with this server at another of its addresses is here, too: what was shown may be numbered
    /// otherwise now, and there is more.
    Joined,
    /// Signed in.
    Connected,
    /// One is not signed in. What is written meanwhile is kept and sent later.
    Disconnected { because: Absence, retry_in: Duration },
    /// The conversation is open; so many messages will now come.
    Opened { peer: Name, presence: Presence, waiting: u64 },
    /// Somebody with whom a conversation is open came or went.
    Presence { peer: Name, presence: Presence },
    /// Somebody with whom no conversation is open has written; `known` is who has written or was written
    /// to before.
    Waiting { peer: Name, count: u64, known: bool },
    /// Somebody who is new looks like somebody whom one knows, and may want to. Told once, of whoever has written and of
    /// whom one talks to.
    Alike { peer: Name, known: Name },
    /// The answer to [`Command::Block`], or that it comes later.
    Blocked { peer: Name, blocked: bool, change: Change },
    /// The answer to [`Command::Blocks`].
    Blocks { names: Vec<Name> },
    /// The answer to [`Command::Key`]. None if nobody has the name, or if nothing is known of it; if not
    /// `current`, then the server is away, and this is what it said last.
    Key { name: Name, key: Option<Fingerprint>, current: bool },
    /// Somebody's name belongs to another key than the one that is trusted, or to none any more. What is
    /// written to them stays here until [`Command::Trust`].
    KeyChanged { peer: Name, was: Fingerprint, now: Option<Fingerprint> },
    /// Nobody has the name, and nobody is known to have had it, with whom a conversation is open. Told once.
    Nobody { peer: Name },
    /// The answer to [`Command::Trust`].
    Trusted { peer: Name, trust: Trust },
    /// Who is there: how many, and their names as far as they fitted.
    Online { count: u64, names: Vec<Name> },
    /// Somebody wrote. Tell [`Command::Shown`] once it is shown.
    Message(Incoming),
    /// The answer to [`Command::Overview`], the latest first.
    Overview(Vec<Summary>),
    /// The answer to [`Command::Page`], oldest first. There are fewer than asked for only at the
    /// conversation's beginning or end.
    Page { peer: Name, place: Place, records: Vec<Record> },
    /// The answer to [`Command::Search`]: what fits best, of equals the newest first.
    Found { query: Query, hits: Vec<Hit> },
    /// What one wrote is on disk.
    Written { peer: Name, record: Record },
    /// Own messages with these numbers reached the server's disk, or the peer's; some may be in both
    /// lists. Each number is told once.
    Receipts { peer: Name, stored: Vec<u64>, delivered: Vec<u64> },
    /// The peer says to have seen everything up to `n`.
    Read { peer: Name, n: u64 },
    /// An own message was given up by the server.
    Expired { peer: Name, n: u64 },
    /// Own messages from `n` on are refused for now. They are kept and sent again.
    Refused { peer: Name, n: u64, refusal: Refusal, because: String },
    /// A file moved on, or it is otherwise with it.
    Transfer(Transfer),
    /// The answer to [`Command::Files`]: the last that went and that others told of, then what goes; and what lies here.
    Files(Vec<Transfer>, Vec<Lying>),
    /// The answer to [`Command::Free`].
    Freed(Freed),
    /// What one wants with a file cannot be, and why.
    NoFile { because: String },
    /// A file is where one wants it.
    Saved { peer: Name, number: u64, path: PathBuf },
    /// The answer to [`Command::Status`]: what has not arrived, by peer.
    Status(Vec<Pending>),
    /// The server objected to something; nothing else changed.
    Objection { because: String },
    /// The last event, unless more is sent: that is [`Written`](Self::Written), or objected to.
    Ended(Ending),
}

/// How a client ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why, if not as wanted.
    pub failure: Option<Failure>,
    /// How many messages are in the outbox, and go out next time.
    pub unsent: u64,
}

/// Why a client ended by itself. Made to be read by the person who uses it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Failure {
    #[error("{0}")]
    Refused(String),
    /// Under another name there may be a way in.
    #[error("{0}")]
    Name(String),
    /// With an invitation there may be a way in.
    #[error("{0}")]
    Uninvited(String),
    #[error("{0}")]
    Unsigned(String),
    #[error("{server} does not speak TinyChat's protocol: {because}")]
    NotAServer { server: Address, because: String },
    #[error(
        "{server} does not speak TLS as a TinyChat server does: {because}; one that was started with --tls off is reached with --tls off, on its own machine"
    )]
    NoTls { server: Address, because: String },
    #[error(
        "{0} is not on this machine: what is said to it without TLS could be read on its way; leave --tls off away"
    )]
    Unprotected(Address),
    #[error(
        "{server} is not the server that you named: it shows another key.\n  named: {named}\n  shown: {shown}\nAsk its operator which one is right. Nothing was said to it."
    )]
    WrongServer { server: Address, named: Fingerprint, shown: Fingerprint },
    #[error(
        "THE KEY OF {server} HAS CHANGED. Somebody may stand between you and your server, or it was set up anew.\n  known: {known}\n  shown: {shown}\nAsk its operator, not through this server, which one is right. If it is the new one, delete line {line} of\n  {}\nand start again. Nothing was said to the server.", file.display()
    )]
    ServerChanged {
        server: Address,
        known: Fingerprint,
        shown: Fingerprint,
        file: PathBuf,
        line: usize,
    },
    #[error(
        "{server} SHOWS THE KEY OF ANOTHER SERVER THAT YOU KNOW, which is at {other}.\n  shown: {shown}\nAsk its operator. If {server} leads to that one from now on, put this line for it into\n  {}\nand start again:\n  {server} {shown}\nWhat you wrote for the server that was there stays with that one, unless its line stays there, too. Nothing was said to the server.", file.display()
    )]
    AnotherServer { server: Address, other: String, shown: Fingerprint, file: PathBuf },
    #[error(
        "what you wrote to {0} was not sent, for the key of {0} has changed or is gone; it goes out once /TRUST {0} accepts that"
    )]
    KeyChanged(Name),
    #[error("signed in elsewhere with the same key, which took over")]
    Replaced,
    #[error("gave up after {} s without progress: {because}", after.as_secs())]
    TimedOut { after: Duration, because: String },
    #[error("the message store failed: {0}; nothing that was stored is lost")]
    Store(String),
}

/// Why a client does not start. Made to be read by the person who uses it.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages are those of the causes")]
pub enum StartError {
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the core is told: by the face, or for those beside it.
#[derive(Debug)]
enum Order {
    Command(Command),
    Ask(beside::Ask),
    /// What a thread of the core's own says.
    Said(core::Said),
}

/// A running client. Dropping it is like [`Command::Leave`].
#[derive(Debug)]
pub struct Client {
    orders: Sender<Order>,
    task: JoinHandle<Option<()>>,
    is_first: bool,
    /// What becomes of the first try to sign in.
    first_try: Receiver<FirstTry>,
    /// A passphrase could do what an agent is to do.
    can_be_unlocked: bool,
}

impl Client {
    /// Opens the data folder, makes a key if there is none, and begins to connect. Fails with
    /// [`IdentityError::Locked`] or [`IdentityError::Passphrase`] if the key needs a passphrase, or
    /// another one.
    pub fn start(
        config: Config,
        passphrase: Option<&str>,
    ) -> Result<(Self, Receiver<Event>), StartError> {
        store::fits(&config.data)?;
        let before = Fresh::look(&config.data);
        let folder = Folder::open(&config.data)?;
        // Somebody else may have come in between.
        let fresh = before.filter(|_| !folder.file(STORE).exists());
        let identity = identity(&config, &folder, passphrase)?;
        let known_servers = KnownServers::new(folder.file("known_servers"));
        let (store, home) = store::Store::open(&folder.file(STORE), &config, &known_servers)?;
        let no_socket = |cause| FolderError::NoSocket { path: config.data.clone(), cause };
        let beside = beside::Listener::open(folder.file(beside::SOCKET)).map_err(no_socket)?;
        let (orders, queue) = async_channel::bounded(COMMANDS);
        // Unbounded by type; the core reads no more from the server while many wait.
        let (events, told) = async_channel::unbounded();
        let (yields, is_first) = (config.yields, fresh.is_some());
        let fresh = fresh.filter(|_| config.tentative);
        let known = known_servers;
        let weak = orders.downgrade();
        let can_be_unlocked = identity.can_be_unlocked();
        // Whoever wants to know reads the first at once.
        let (tell, first_try) = async_channel::bounded(2);
        let core = core::Core::new(config, identity, known, home, store, events, weak);
        let core = core.telling(tell);
        let beside = task::spawn("beside", beside.serve(orders.downgrade(), yields));
        let task = task::spawn("client", async move {
            let may_own_the_name = core.run(queue).await;
            beside.cancel().await;
            if let Some(fresh) = fresh.filter(|_| !may_own_the_name) {
                fresh.restore(&folder);
            }
            drop(folder);
        });
        Ok((Self { orders, task, is_first, first_try, can_be_unlocked }, told))
    }

    /// Whether there was no client in the data folder before.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Gives a command. After [`Event::Ended`] only [`Command::Send`], which is kept, and [`Command::Shown`] do something.
    pub async fn give(&self, command: Command) {
        let _ = self.orders.send(Order::Command(command)).await;
    }

    /// Waits until the client has ended and its data folder is free.
    pub async fn join(mut self) {
        self.end().await;
    }

    /// The same, once: it takes no more commands, and its last events can be read then.
    pub async fn end(&mut self) {
        self.orders.close();
        (&mut self.task).await;
    }
}

/// The person's own key, or the one in the data folder, which is made the first time.
fn identity(
    config: &Config,
    folder: &Folder,
    passphrase: Option<&str>,
) -> Result<Identity, IdentityError> {
    let agent = config.agent.as_deref();
    match &config.identity {
        Some(path) => Identity::open(KeyFile { path, agent, passphrase }),
        None => {
            let path = &folder.file("id_ed25519");
            Identity::open_or_create(KeyFile { path, agent, passphrase })
        }
    }
}
