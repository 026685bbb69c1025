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

mod age;
mod arrival;
mod blocking;
mod book;
mod carrier;
mod claims;
mod collected;
mod config;
mod confirming;
mod connection;
mod contacts;
pub mod control;
mod delivery;
mod due;
mod guests;
mod handshake;
mod heartbeat;
mod late;
mod ledger;
mod likeness;
mod link;
mod listener;
mod listing;
mod names;
mod pace;
mod person_rates;
mod presence;
mod proxies;
mod queue;
mod quota;
mod rates;
mod reception;
mod registry;
mod roll;
mod session;
mod strangers;
mod tickets;
mod told;
mod turn;
mod window;
mod writer;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use async_std::os::unix::net::UnixListener;
use governor::clock::DefaultClock;
use thiserror::Error;

pub use crate::blobs::FileLimits;
pub use book::BookError;
pub use config::{Config, Timing, Tls};
pub use late::Handshake;
pub use listener::{Endpoint, Inherited};
pub use proxies::{NoProxy, Proxies};
pub use quota::Quota;
pub use rates::{Rate, Rates};
pub use roll::{ChangeError, MAX_NAMES, Registration};

use crate::blobs::Blobs;
use crate::clock::Clock;
use crate::folder::{self, Folder, FolderError};
use crate::mailbox::{EmbeddedMailbox, Event, Mailbox, OpenError};
use crate::message::{Name, SessionKey};
use crate::task;
use crate::trust::tls::Certificates;
use crate::trust::{CertificateError, CertificateFiles, Invite};
use crate::wire::frame::{ByeReason, Limits};
use claims::Claims;
use confirming::Confirming;
use contacts::Contacts;
use guests::Guests;
use link::{ConnectionId, End};
use listener::Listener;
use names::Names;
use person_rates::PersonRates;
use presence::Directory;
use rates::{Coming, Pace};
use reception::Reception;
use registry::Registry;
use tickets::Tickets;

/// How often those are forgotten who have been quiet.
const QUIET: Duration = Duration::from_secs(60);

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

/// What all connections share.
struct Host {
    /// Where it listens.
    endpoints: Vec<Endpoint>,
    registry: Arc<Registry>,
    directory: Arc<Directory>,
    names: Arc<Names>,
    contacts: Arc<Contacts>,
    /// None without TLS.
    certificates: Option<Arc<Certificates>>,
    proxies: Proxies,
    quota: Quota,
    blobs: Arc<Blobs>,
    file_limit: u64,
    tickets: Arc<Tickets>,
    person_rates: Arc<PersonRates>,
    coming: Coming,
    claims: Claims,
    confirming: Confirming,
    guests: Guests,
    reception: Reception,
    keep: Option<Duration>,
    clock: Arc<Clock>,
    timing: Timing,
    max_connections: usize,
    last_connection: AtomicU64,
    /// Closed when the server stops.
    stopping: Receiver<Infallible>,
}

impl Host {
    fn next_connection(&self) -> ConnectionId {
        ConnectionId(self.last_connection.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Tells a receiver who is there that more or less waits from a sender. Only their write task knows
    /// whether the conversation is open: a reader may still hold the session when it is about to be
    /// closed.
    fn announce_waiting(&self, sender: &Name, receiver: &Name) {
        if let Some(receiver) = self.directory.find(receiver) {
            receiver.mark(sender, |marks| marks.waiting = true);
        }
    }

    /// Ends the connections of those who may no longer be here.
    fn dismiss_the_unwelcome(&self) {
        for link in self.directory.links() {
            if let Err(unwelcome) = self.names.standing(&link.name) {
                unwelcome.end(&link);
            }
        }
    }

    /// An address that lets somebody in: `place`, or where this server listens.
    fn invitation(&self, place: Option<&str>, invite: &Invite) -> String {
        let own = || self.endpoints.first().map(Endpoint::public);
        let place = place.map(ToOwned::to_owned).or_else(own).unwrap_or_default();
        let key = self.certificates.as_ref().map(|it| it.current().fingerprint);
        let key = key.map(|key| format!("#{key}")).unwrap_or_default();
        format!("{place}?invite={invite}{key}")
    }

    /// What `WELCOME` announces.
    fn limits(&self) -> Limits {
        Limits {
            handshake: self.timing.handshake.all.as_secs(),
            ping: self.timing.ping_after.as_secs(),
            idle: self.timing.idle_after.as_secs(),
            backlog: self.quota.session.messages,
            backlog_bytes: self.quota.session.bytes,
            recipient: self.quota.receiver.messages,
            recipient_bytes: self.quota.receiver.bytes,
            keep: self.keep.map_or(0, |keep| keep.as_secs()),
            file: self.file_limit,
            ..Limits::default()
        }
    }
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
        let listeners = listener::listen(config.listen, passed).await?;
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
            task::spawn("commits", watch_commits(host.registry.clone(), Some(host.clone()))),
            task::spawn("heartbeat", heartbeat::run(host.clone())),
            task::spawn("clock", age::watch_the_clocks(host.clone(), self.mailbox.clone())),
            task::spawn("rates", forget_the_quiet(host.clone())),
            task::spawn("arrivals", reception::begin_in_turn(host.clone())),
            task::spawn("blocks", blocking::withhold_unwanted(host.registry.clone())),
        ];
        let serve = control::serve(host.clone(), self.control, self.mailbox.clone(), self.data);
        tasks.push(task::spawn("control", serve));
        tasks.extend(host.keep.map(|keep| task::spawn("sweep", age::sweep(host.clone(), keep))));
        tasks.push(task::spawn("files", age::sweep_files(host.clone())));
        // Each accept task holds one, and each connection.
        let lives = vec![live; self.listeners.len()];
        let full = host.max_connections + lives.len();
        let accepting = self.listeners.into_iter().zip(lives).map(|(listener, live)| {
            task::spawn("accept", reception::accept(host.clone(), listener, live, full))
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

/// Passes what happened in the mailbox to the sessions, and tells receivers, where people may be, what waits no more.
async fn watch_commits(registry: Arc<Registry>, host: Option<Arc<Host>>) {
    let events = registry.mailbox().watch();
    let expiring = |key: &SessionKey| {
        if let Some(host) = &host {
            host.announce_waiting(key.sender(), key.receiver());
        }
    };
    while let Ok(event) = events.recv().await {
        match event {
            Event::Committed(commits) => {
                for it in &commits {
                    registry.commit(it, expiring);
                }
            }
            Event::Recovered => registry.announce_recovery(),
        }
    }
}

/// Keeps what is remembered of rates to those who have been busy lately, and writes down who came from where.
async fn forget_the_quiet(host: Arc<Host>) {
    loop {
        task::sleep(QUIET).await;
        host.person_rates.forget_the_quiet();
        host.coming.forget_the_quiet();
        host.claims.forget_the_quiet();
        host.reception.report();
        host.guests.write(host.clock.uptime()).await;
    }
}
