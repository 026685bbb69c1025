//! The server: accepts connections, serves each with a read task and a write task, drains at the
//! end. Start reading at [`Server::run`], then `connection`, `session`, `writer`.
//!
//! ```text
//! john's socket -> read task -> Session "john:marie" -> write task -> marie's socket
//!                                 |  ledger, channel        awaits "john:marie", because marie
//!                                 v                         has "marie:john" open
//!                              Mailbox
//! ```
//!
//! Owned by whoever runs it; the binary, or a test. Invariant: no task outlives
//! [`Server::run`], but those that did not end within its deadline.

mod accept;
mod blocking;
mod config;
mod connection;
pub mod control;
mod files;
mod host;
mod limits;
mod linger;
mod link;
mod listening;
mod people;
mod sessions;
mod upkeep;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use async_channel::Sender;
use async_std::os::unix::net::UnixListener;
use governor::clock::DefaultClock;
use thiserror::Error;

pub use crate::blobs::FileLimits;
pub use config::{Config, Handshake, Timing, Tls};
pub use limits::{Rate, Rates};
pub use listening::{Endpoint, Inherited, NoProxy, Proxies};
pub use people::{BookError, ChangeError, MAX_NAMES, Registration};
pub use sessions::Quota;

use crate::blobs::Blobs;
use crate::folder::{self, Folder, FolderError};
use crate::mailbox::{EmbeddedMailbox, Mailbox, OpenError};
use crate::message::Name;
use crate::task;
use crate::trust::tls::Certificates;
use crate::trust::{CertificateError, CertificateFiles};
use crate::wire::frame::ByeReason;
use accept::Reception;
use files::Tickets;
use host::Host;
use limits::{Claims, Coming, Confirming, Pace, PersonRates};
use link::End;
use listening::Listener;
use people::{Contacts, Directory, Guests, Names};
use sessions::Registry;

/// How long the last commit may take, and what goes to the books with it.
const FLUSH: Duration = Duration::from_secs(1);

/// Why a server does not start. Made to be read by its operator.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum StartError {
    #[error("{0}")]
    Folder(#[from] FolderError),
    #[error("{0}")]
    Book(#[from] BookError),
    #[error(
        "the book of names {} is empty, but messages wait: it was damaged, and anybody could claim the names that they are for; bring it back from a backup, or delete it to have everybody claim their name anew",
        path.display()
    )]
    NamesLost { path: PathBuf },
    #[error("{0}")]
    Mailbox(#[from] OpenError),
    #[error(
        "cannot listen on {address}: another process does; stop that one or choose another address with --listen"
    )]
    AddressInUse { address: String },
    #[error(
        "cannot listen on {address}: {cause}; give --listen as host:port, like 127.0.0.1:7878, or as unix:PATH"
    )]
    Listen { address: String, cause: io::Error },
    #[error("cannot listen on a socket that was passed to the server: {0}")]
    Inherited(io::Error),
    #[error("cannot use the files that wait in the data folder: {0}")]
    Files(io::Error),
    #[error("{0}")]
    Certificate(#[from] CertificateError),
    #[error(
        "--tls off is for Unix sockets and loopback addresses like 127.0.0.1; what goes over {0} could be read on its way"
    )]
    Unprotected(Endpoint),
}

/// A server that listens.
pub struct Server {
    listeners: Vec<Listener>,
    host: Arc<Host>,
    stop: Sender<Infallible>,
    drain: Duration,
    mailbox: Arc<EmbeddedMailbox>,
    control: UnixListener,
    data: PathBuf,
    /// Locks the data folder as long as the server runs.
    _folder: Folder,
}

impl Server {
    /// Opens the data folder and listens. Nobody is served before [`run`](Self::run).
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, Vec::new()).await
    }

    /// The same, on sockets too that somebody else has bound. One of them need not be in the configuration, and may.
    pub async fn bind_with(config: Config, passed: Vec<Inherited>) -> Result<Self, StartError> {
        if let Some(tightened) = folder::tighten(&config.data)? {
            log::warn!("{tightened}");
        }
        let folder = Folder::open(&config.data)?;
        let directory = Arc::new(Directory::default());
        let watched = directory.clone();
        let changed = move |name: &Name| watched.announce_owner(name);
        let book = folder.file("names");
        let is_emptied = book.metadata().is_ok_and(|it| it.len() == 0);
        let names = Names::open(&book, config.registration, changed)?;
        let contacts = Arc::new(Contacts::open(&folder.file("contacts"))?);
        let guests = Guests::open(&folder.file("addresses"))?;
        let certificates = certificates(config.tls, &folder)?.map(Arc::new);
        let listeners = listening::listen(config.listen, passed).await?;
        let mut endpoints = listeners.iter().map(Listener::endpoint);
        if certificates.is_none()
            && let Some(open) = endpoints.find(|endpoint| !endpoint.is_local())
        {
            return Err(StartError::Unprotected(open.clone()));
        }
        let mailbox = Arc::new(EmbeddedMailbox::open_by(config.times, &config.data)?);
        if is_emptied && !mailbox.is_empty() {
            return Err(StartError::NamesLost { path: book });
        }
        let clock = mailbox.clock();
        let blobs = Blobs::open(&config.data, config.files, clock.clone());
        let blobs = Arc::new(blobs.map_err(StartError::Files)?);
        let (stop, stopping) = async_channel::bounded(1);
        let host = Arc::new(Host {
            endpoints: listeners.iter().map(|it| it.endpoint().clone()).collect(),
            registry: Arc::new(Registry::new(
                mailbox.clone(),
                contacts.circle().clone(),
                config.memory,
            )),
            directory,
            names: Arc::new(names),
            contacts,
            certificates,
            proxies: config.proxies,
            quota: config.quota,
            blobs,
            file_limit: config.files.file,
            tickets: Arc::new(Tickets::new(config.max_carriers, Instant::now())),
            person_rates: PersonRates::new(&config.rates, DefaultClock::default()).into(),
            coming: Coming::new(&config.rates, DefaultClock::default()),
            claims: Claims::new(config.rates.names, DefaultClock::default()),
            confirming: Confirming::default(),
            guests,
            reception: Reception::new(Pace::new(config.rates.arrivals, DefaultClock::default())),
            keep: config.keep,
            clock,
            timing: config.timing,
            max_connections: config.max_connections,
            last_connection: AtomicU64::new(0),
            stopping,
        });
        let (drain, data) = (config.timing.drain, config.data);
        // Before anybody is told that the server listens: then operators may ask.
        let control = control::bind(&data).await?;
        let _folder = folder;
        Ok(Self { listeners, host, stop, drain, mailbox, control, data, _folder })
    }

    /// Where the server listens, with the ports that it got.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.listeners.iter().map(Listener::endpoint)
    }

    /// The TCP addresses among these.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let tcp = |endpoint: &Endpoint| match endpoint {
            Endpoint::Tcp(address) => Some(*address),
            Endpoint::Unix(_) => None,
        };
        self.endpoints().filter_map(tcp).collect()
    }

    /// What connections are protected with; none without TLS.
    pub fn certificates(&self) -> Option<Arc<Certificates>> {
        self.host.certificates.clone()
    }

    /// Serves until `stop` is done; then stops accepting, tells everybody, and waits for their tasks
    /// as long as [`Timing::drain`].
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (live, all_done) = async_channel::bounded::<Infallible>(1);
        let host = self.host;
        let mut tasks = vec![
            task::spawn(
                "commits",
                upkeep::watch_commits(host.registry.clone(), Some(host.clone())),
            ),
            task::spawn("heartbeat", upkeep::keep_in_touch(host.clone())),
            task::spawn("clock", upkeep::watch_the_clocks(host.clone(), self.mailbox.clone())),
            task::spawn("rates", upkeep::forget_the_quiet(host.clone())),
            task::spawn("arrivals", accept::begin_in_turn(host.clone())),
            task::spawn("blocks", blocking::withhold_unwanted(host.registry.clone())),
        ];
        let serve = control::serve(host.clone(), self.control, self.mailbox.clone(), self.data);
        tasks.push(task::spawn("control", serve));
        tasks.extend(host.keep.map(|keep| task::spawn("sweep", upkeep::sweep(host.clone(), keep))));
        tasks.push(task::spawn("files", upkeep::sweep_files(host.clone())));
        // Each accept task holds one, and each connection.
        let lives = vec![live; self.listeners.len()];
        let full = host.max_connections + lives.len();
        let accepting = self.listeners.into_iter().zip(lives).map(|(listener, live)| {
            task::spawn("accept", accept::accept(host.clone(), listener, live, full))
        });
        tasks.extend(accepting);
        stop.await;
        drop(self.stop);
        for link in host.directory.links() {
            link.end(End::Bye(ByeReason::Shutdown));
        }
        // Every task that serves somebody holds a clone of `live`.
        if task::within(self.drain, all_done.recv()).await.is_none() {
            log::warn!("some connections did not end in time and are cut");
        }
        for task in tasks {
            task.cancel().await;
        }
        let _ = task::within(FLUSH, host.contacts.flush()).await;
        let _ = task::within(FLUSH, host.guests.write(host.clock.uptime())).await;
        if task::within(FLUSH, self.mailbox.close()).await.is_none() {
            log::error!("the disk takes too long; what was not stored is with its senders");
        }
    }
}

fn certificates(tls: Tls, folder: &Folder) -> Result<Option<Certificates>, CertificateError> {
    let own = || CertificateFiles {
        certificate: folder.file("certificate.pem"),
        key: folder.file("key.pem"),
    };
    match tls {
        Tls::Own => Certificates::open_or_make(own()).map(Some),
        Tls::Files(files) => Certificates::open(files).map(Some),
        Tls::Off => Ok(None),
    }
}
