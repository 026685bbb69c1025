//! The handle of a running client: starting it, giving it commands, and ending it.
//!
//! Owned by the face. A key that an agent has may also be in a file, locked. Whether the agent signs with it is only
//! known after asking it; until then whoever started the client may [wait](Client::refusal), to ask for a passphrase
//! instead.

use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_std::task::JoinHandle;
use thiserror::Error;

use super::beside::{Listener, SOCKET};
use super::command::Command;
use super::config::Config;
use super::core::{Core, Order};
use super::event::Event;
use super::fresh::{Fresh, STORE};
use super::line::sign_in::FirstTry;
use super::store::database::{self, StoreError};
use super::store::thread::Store;
use crate::folder::{Folder, FolderError};
use crate::task;
use crate::trust::devices::DeviceKey;
use crate::trust::known_servers::KnownServers;
use crate::trust::{Identity, IdentityError, KeyFile};
use crate::wire::frame::Presence;

/// How many commands may wait. A face that gives more waits.
const COMMANDS: usize = 256;

/// How long to wait for a server, before the agent is asked to sign, when one could ask for a passphrase.
const FIRST_TRY: Duration = Duration::from_secs(20);

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

/// A running client. Dropping it is like [`Command::Leave`].
#[derive(Debug)]
pub struct Client {
    orders: Sender<Order>,
    task: JoinHandle<Option<()>>,
    is_first: bool,
    /// The fate of the first try to sign in.
    first_try: Receiver<FirstTry>,
    /// A passphrase could be used instead of the agent.
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
        database::fits(&config.data)?;
        let before = Fresh::look(&config.data);
        let folder = Folder::open(&config.data)?;
        // Somebody else may have come in between.
        let fresh = before.filter(|_| !folder.file(STORE).exists());
        let identity = identity(&config, &folder, passphrase)?;
        let device = device_key(&config, &folder)?;
        let known_servers = KnownServers::new(folder.file("known_servers"));
        let (store, home) = Store::open(&folder.file(STORE), &config, &known_servers)?;
        let no_socket = |cause| FolderError::NoSocket { path: config.data.clone(), cause };
        let beside = Listener::open(folder.file(SOCKET)).map_err(no_socket)?;
        let (orders, queue) = async_channel::bounded(COMMANDS);
        // Unbounded by type; the core reads no more from the server while many wait.
        let (events, told) = async_channel::unbounded();
        let (yields, is_first) = (config.yields, fresh.is_some());
        let fresh = fresh.filter(|_| config.tentative);
        let known = known_servers;
        let weak = orders.downgrade();
        let can_be_unlocked = identity.can_be_unlocked();
        // The receiver reads the first at once.
        let (tell, first_try) = async_channel::bounded(2);
        let core = Core::new(config, identity, known, home, store, events, weak);
        let mut core = core.telling(tell);
        if let Some(key) = device {
            core = core.listing(key);
        }
        let beside = task::spawn("beside", beside.serve::<Order>(orders.downgrade(), yields));
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

    /// If a passphrase could be used instead of the agent: waits until the agent has signed, or refuses, and then
    /// returns the reason; the client ends by itself. `asked` is called when the agent is asked. If the server is away,
    /// or slow, there is nothing to wait for.
    pub async fn refusal(&self, asked: impl FnOnce()) -> Option<String> {
        if !self.can_be_unlocked {
            return None;
        }
        let first = task::within(FIRST_TRY, self.first_try.recv()).await;
        if !matches!(first, Some(Ok(FirstTry::Asked))) {
            // From now on only the client cares what the agent does.
            self.first_try.close();
            return None;
        }
        asked();
        while let Ok(it) = self.first_try.recv().await {
            if let FirstTry::Unsigned(because) = it {
                return Some(because);
            }
        }
        None
    }

    /// Gives a command. After [`Event::Ended`] only [`Command::Send`], which is kept, and [`Command::Shown`] do
    /// something.
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

/// The key of a data folder at which somebody sits; others do not receive what is written to the person.
fn device_key(config: &Config, folder: &Folder) -> Result<Option<DeviceKey>, IdentityError> {
    match config.presence {
        Presence::Online => DeviceKey::open_or_create(folder).map(Some),
        Presence::Away => Ok(None),
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
