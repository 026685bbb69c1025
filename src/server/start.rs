//! How a server starts: it opens its data folder, and listens.
//!
//! Invariant: what is refused at the start is refused before anybody is told that the server listens.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use governor::clock::DefaultClock;
use thiserror::Error;

use super::accept::Reception;
use super::announcement::Announcement;
use super::config::{Config, Tls};
use super::control::{self, Door};
use super::files::Tickets;
use super::host::Host;
use super::limits::{Claims, Confirming, PersonRates};
use super::listening::{self, Endpoint, Inherited, ListenError, Listener, MetricsError};
use super::people::{
    BookError, Contacts, Directory, Guests, Lists, Names, Registration, Seen, ServerKey,
    UnknownContacts, Watched,
};
use super::sessions::Registry;
use super::tuning::Tuning;
use crate::blobs::Blobs;
use crate::folder::{self, Folder, FolderError};
use crate::live::Live;
use crate::mailbox::{EmbeddedMailbox, OpenError};
use crate::message::Name;
use crate::trust::tls::Certificates;
use crate::trust::{CertificateError, CertificateFiles, PublicKey};

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
    #[error("{0}")]
    Contacts(#[from] UnknownContacts),
    #[error("{0}")]
    Listen(#[from] ListenError),
    #[error("{0}")]
    Metrics(#[from] MetricsError),
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
    pub(super) listeners: Vec<Listener>,
    /// Where metrics are answered for, if they are.
    pub(super) metrics: Option<Listener>,
    pub(super) host: Arc<Host>,
    pub(super) reception: Arc<Reception>,
    pub(super) max_connections: usize,
    pub(super) stop: Sender<Infallible>,
    pub(super) drain: Duration,
    pub(super) mailbox: Arc<EmbeddedMailbox>,
    pub(super) control: Door,
    pub(super) data: PathBuf,
    /// Locks the data folder as long as the server runs.
    pub(super) _folder: Folder,
}

impl Server {
    /// Opens the data folder and listens. Nobody is served before [`run`](Self::run).
    pub async fn bind(config: Config) -> Result<Self, StartError> {
        Self::bind_with(config, Vec::new()).await
    }

    /// The same, also on sockets that somebody else has bound. These may be in the configuration, but need not.
    pub async fn bind_with(config: Config, passed: Vec<Inherited>) -> Result<Self, StartError> {
        if let Some(tightened) = folder::tighten(&config.data)? {
            log::warn!("{tightened}");
        }
        let folder = Folder::open(&config.data)?;
        let books = Books::open(&folder, config.registration)?;
        let certificates = certificates(config.tls.clone(), &folder)?.map(Arc::new);
        // Before anybody can know that the server listens, for from then on operators may ask. They wait until it runs.
        let control = control::bind(&config.data).await?;
        let listeners = listening::listen(config.listen.clone(), passed).await?;
        refuse_open(&listeners, certificates.is_some())?;
        let metrics = listen_for_metrics(&config).await?;
        let mailbox = Arc::new(EmbeddedMailbox::open_by(config.times.clone(), &config.data)?);
        if books.is_emptied && !mailbox.is_empty() {
            return Err(StartError::NamesLost { path: names_file(&folder) });
        }
        let contacts = Contacts::open(mailbox.clone(), &config.data).await?;
        let blobs = Blobs::open(&config.data, config.files, mailbox.clock());
        let blobs = Arc::new(blobs.map_err(StartError::Files)?);
        let (stop, stopping) = async_channel::bounded(1);
        let endpoints = listeners.iter().map(|it| it.endpoint().clone()).collect();
        let parts = Parts {
            endpoints,
            books,
            contacts,
            certificates,
            mailbox: mailbox.clone(),
            blobs,
            stopping,
        };
        let host = Arc::new(parts.into_host(&config));
        let reception = Reception::new(host.clone(), config.proxies, &config.rates).into();
        Ok(Self {
            listeners,
            metrics,
            host,
            reception,
            max_connections: config.max_connections,
            stop,
            drain: config.timing.drain,
            mailbox,
            control,
            data: config.data,
            _folder: folder,
        })
    }

    /// Where the server listens, with the ports that it got.
    pub fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.listeners.iter().map(Listener::endpoint)
    }

    /// Where metrics are answered for, if they are.
    pub fn metrics(&self) -> Option<&Endpoint> {
        self.metrics.as_ref().map(Listener::endpoint)
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

    /// What may change while the server runs.
    pub fn tuning(&self) -> Tuning {
        Tuning { host: self.host.clone(), reception: self.reception.clone() }
    }
}

/// The books of the data folder, and who is told when names change.
struct Books {
    directory: Arc<Directory>,
    watched: Arc<Watched>,
    names: Names,
    guests: Guests,
    seen: Seen,
    /// There is a book of names, and it is empty.
    is_emptied: bool,
}

impl Books {
    fn open(folder: &Folder, registration: Registration) -> Result<Self, BookError> {
        let directory = Arc::new(Directory::default());
        let watched = Arc::<Watched>::default();
        let (told, counted) = (directory.clone(), watched.clone());
        let changed = move |name: &Name, owner: Option<PublicKey>| {
            counted.set_owner(name, owner);
            told.announce_owner(name);
        };
        let book = names_file(folder);
        let is_emptied = book.metadata().is_ok_and(|it| it.len() == 0);
        Ok(Self {
            directory,
            watched,
            names: Names::open(&book, registration, changed)?,
            guests: Guests::open(&folder.file("addresses"))?,
            seen: Seen::open(&folder.file("seen"))?,
            is_emptied,
        })
    }
}

fn names_file(folder: &Folder) -> PathBuf {
    folder.file("names")
}

/// The opened parts that a host is made of.
struct Parts {
    endpoints: Vec<Endpoint>,
    books: Books,
    contacts: Contacts,
    certificates: Option<Arc<Certificates>>,
    mailbox: Arc<EmbeddedMailbox>,
    blobs: Arc<Blobs>,
    stopping: Receiver<Infallible>,
}

impl Parts {
    fn into_host(self, config: &Config) -> Host {
        let Self { endpoints, books, contacts, certificates, mailbox, blobs, stopping } = self;
        let Books { directory, watched, names, guests, seen, .. } = books;
        let (clock, circle) = (mailbox.clock(), contacts.circle().clone());
        let names = Arc::new(names);
        Host {
            endpoints,
            lists: Lists::new(names.clone(), mailbox.clone(), watched, key(&certificates)).into(),
            registry: Registry::new(mailbox, circle, config.memory).into(),
            directory,
            names,
            contacts: contacts.into(),
            certificates,
            quota: Live::new(config.quota),
            blobs,
            tickets: Tickets::new(config.max_carriers, Instant::now()).into(),
            person_rates: PersonRates::new(&config.rates, DefaultClock::default()).into(),
            claims: Claims::new(config.rates.names, DefaultClock::default()),
            confirming: Confirming::default(),
            guests,
            seen: seen.into(),
            announcement: Announcement::open(&config.data).into(),
            keep: Live::new(config.keep),
            started: clock.wall(),
            clock,
            timing: config.timing,
            last_connection: AtomicU64::new(0),
            counters: Arc::default(),
            stopping,
        }
    }
}

/// Says which key the server has now.
fn key(certificates: &Option<Arc<Certificates>>) -> Box<ServerKey> {
    let certificates = certificates.clone();
    Box::new(move || certificates.as_ref().map(|it| it.current().fingerprint))
}

async fn listen_for_metrics(config: &Config) -> Result<Option<Listener>, MetricsError> {
    match &config.metrics {
        Some(address) => address.listen().await.map(Some),
        None => Ok(None),
    }
}

/// Without TLS a server listens only where nobody can eavesdrop.
fn refuse_open(listeners: &[Listener], is_protected: bool) -> Result<(), StartError> {
    let mut endpoints = listeners.iter().map(Listener::endpoint);
    match endpoints.find(|endpoint| !is_protected && !endpoint.is_local()) {
        Some(open) => Err(StartError::Unprotected(open.clone())),
        None => Ok(()),
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
