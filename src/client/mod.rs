//! The client without a face: connects and reconnects, keeps outbox and history on disk, and knows
//! nothing of terminals. A face gives it [`Command`]s and is given [`Event`]s.
//!
//! One task (`core`) owns the connection, the conversations and the store; `store` is the thread
//! that owns the database, `outbox` and `history` are what is done in it. Invariant: a message is on
//! disk before it is sent, and on disk before it is acknowledged; every receipt is on disk before it
//! is told.

mod absence;
pub mod beside;
mod command;
mod config;
mod core;
mod event;
pub mod files;
mod fresh;
mod line;
mod outcome;
mod store;

use async_channel::{Receiver, Sender};
use async_std::task::JoinHandle;
use thiserror::Error;

pub use absence::Absence;
pub use command::{Command, Unwanted};
pub use config::{
    Address, AddressError, Config, DEFAULT_PORT, Proxies, Proxy, ProxyError, Source, Target,
};
pub use event::{Ending, Event, Failure};
pub use files::{FileState, Received, Transfer, Way};
pub use fresh::is_new;
pub use line::dial::{Lookup, system_lookup};
pub use line::waits::{HANDSHAKE, MAX_HANDSHAKE};
pub use outcome::{Change, Trust};
pub use store::archive::{Place, Record, State, Summary};
pub use store::history::Incoming;
pub use store::info::{FileInfo, MAX_CAPTION};
pub use store::outbox::Pending;
pub use store::search::{Hit, Query};
pub use store::stock::{Freed, Lying, Unasked};
pub use store::thread::StoreError;
pub use store::transcript;

use self::absence::FirstTry;
use crate::folder::{Folder, FolderError};
use crate::task;
use crate::trust::known_servers::KnownServers;
use crate::trust::{Identity, IdentityError, KeyFile};
use fresh::{Fresh, STORE};

/// How many commands wait. A face that gives more waits.
const COMMANDS: usize = 256;

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
        store::thread::fits(&config.data)?;
        let before = Fresh::look(&config.data);
        let folder = Folder::open(&config.data)?;
        // Somebody else may have come in between.
        let fresh = before.filter(|_| !folder.file(STORE).exists());
        let identity = identity(&config, &folder, passphrase)?;
        let known_servers = KnownServers::new(folder.file("known_servers"));
        let (store, home) =
            store::thread::Store::open(&folder.file(STORE), &config, &known_servers)?;
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
