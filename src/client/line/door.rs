//! Connecting to a server, up to where something may be said to it.
//!
//! Owned by whoever connects: the core, and each carrier of a file. Invariant: nothing is said to a server before
//! it is known to be the right one.

use std::io;
use std::time::Instant;

use async_channel::Sender;
use async_std::os::unix::net::UnixStream;

use super::broken::Broken;
use super::dial::Dialer;
use super::socks::Passage;
use super::waits::Waits;
use crate::client::config::Config;
use crate::client::event::{Event, Failure};
use crate::client::store::servers::{self, Arrival, Met};
use crate::clock::Times;
use crate::folder::socket::Way;
use crate::task;
use crate::trust::Fingerprint;
use crate::trust::known_servers::{KnownServers, KnownServersError, Meeting};
use crate::trust::tls::Channel;
use crate::wire::transport::{Socket, Transport};

/// Why a connection ended before the TLS handshake: this is how a server ends connections beyond its rate.
const BUSY: &str = "the server is busy";

/// The way to a server, and what has to be known of it.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) config: Config,
    pub(crate) known_servers: KnownServers,
    pub(crate) met: Vec<Met>,
    pub(crate) dialer: Dialer,
    pub(crate) events: Sender<Event>,
}

impl Door {
    /// Connects, and makes sure that it is the right server before anything is said to it.
    pub(crate) async fn reach(self) -> Result<Reached, Broken> {
        let (socket, waits) = (self.connect().await?, Waits::of(self.config.handshake));
        let times = &*self.config.times;
        let until = times.now() + waits.handshake;
        if !self.config.tls {
            return Ok(Reached { transport: Transport::plain(socket)?, arrival: None, until });
        }
        let tls_until = times.now() + waits.tls;
        let (transport, arrival) = in_time(times, tls_until, self.secure(socket)).await?;
        Ok(Reached { transport, arrival, until })
    }

    /// A socket on which nothing was said. The address decides whether TLS may be left out, not what answers: where a
    /// name or a proxy leads is up to others.
    async fn connect(&self) -> Result<Socket, Broken> {
        let Config { server, proxy, tls, times, .. } = &self.config;
        let times = &**times;
        let proxy = proxy.as_ref().filter(|_| !server.is_local());
        if !tls && !server.is_local() {
            return Err(Broken::Failed(Failure::Unprotected(server.clone())));
        }
        let waits = Waits::of(self.config.handshake);
        if let Some(path) = server.unix_path() {
            let way = Way::to(path)?;
            let connecting = async { Ok(UnixStream::connect(way.path()).await?.try_into()?) };
            let stream = in_time(times, times.now() + waits.address, connecting).await?;
            return Ok(Socket::Unix(stream));
        }
        if let Some(proxy) = proxy {
            let passage = Passage { proxy, server, limit: waits.proxy, times };
            return Ok(Socket::Tcp(passage.connect(&self.dialer).await?));
        }
        let (host, port) = server.host_and_port().unwrap_or_default();
        let stream = self.dialer.connect(host, port).await.map_err(Broken::Away)?;
        Ok(Socket::Tcp(stream.into_inner()?))
    }

    /// Does the TLS handshake, and checks the server's key.
    async fn secure(&self, socket: Socket) -> Result<(Transport, Option<Arrival>), Broken> {
        let name = self.config.server.server_name();
        let transport = match Transport::connect(socket, name).await {
            Ok(transport) => transport,
            Err(error) => return Err(self.no_tls(&error).await),
        };
        let arrival = match transport.channel {
            Channel::Tls { server: shown, .. } => Some(self.recognise(shown).await?),
            Channel::Plain => None,
        };
        Ok((transport, arrival))
    }

    /// What a failed TLS handshake means for the retry. Where the server was before, something else may answer for now:
    /// a proxy, or a captive portal.
    async fn no_tls(&self, error: &io::Error) -> Broken {
        let server = self.config.server.clone();
        let because = match error.kind() {
            io::ErrorKind::InvalidData => error.to_string(),
            kind if is_closed_unread(kind) => return Broken::Busy(self.busy()),
            _ => return Broken::Away(error.to_string()),
        };
        let (servers, address) = (self.known_servers.clone(), server.clone());
        match task::blocking(move || servers.keys(address.as_str())).await {
            Ok(keys) if !keys.is_empty() => {
                Broken::Away(format!("somebody else answers: {because}"))
            }
            _ => Broken::Failed(Failure::NoTls { server, because }),
        }
    }

    /// Some proxies report success before they have reached the server.
    fn busy(&self) -> String {
        let proxy = self.config.proxy.as_ref();
        proxy.map_or(BUSY.into(), |it| format!("{BUSY}, or the proxy {it} did not get to it"))
    }

    async fn recognise(&self, shown: Fingerprint) -> Result<Arrival, Broken> {
        let Config { server, fingerprint, .. } = &self.config;
        if let Some(named) = fingerprint.filter(|named| *named != shown) {
            let server = server.clone();
            return Err(Broken::Failed(Failure::WrongServer { server, named, shown }));
        }
        let door = self.clone();
        let recognised = task::blocking(move || door.look_up(shown)).await;
        recognised.map_err(|error| Broken::Failed(Failure::Refused(error.to_string())))?
    }

    /// What the files say of a key.
    fn look_up(&self, shown: Fingerprint) -> Result<Result<Arrival, Broken>, KnownServersError> {
        let (servers, address) = (&self.known_servers, &self.config.server);
        if self.met.len() > 1 {
            servers.refuse_emptied()?;
        }
        let keys = servers.keys(address.as_str())?;
        let before = servers::key_at(&self.met, address);
        let is_another = before.is_some_and(|before| before != shown);
        let others = servers::addresses(&self.met, shown);
        let other = others.iter().find(|_| is_another);
        if let Some(other) = other.filter(|_| !keys.contains(&shown)) {
            return Ok(Err(self.another_server(other, shown)));
        }
        // Two keys that one address may show are of one server.
        let moves = other.is_none() || before.is_some_and(|before| keys.contains(&before));
        if let Some(before) = before.filter(|_| is_another && keys.is_empty()) {
            servers.accept(address.as_str(), before, shown)?;
            self.tell_meeting(shown);
            return Ok(Ok(Arrival { shown, moves }));
        }
        match servers.meet(address.as_str(), shown)? {
            Meeting::Changed { known, line } => Ok(Err(self.changed(known, shown, line))),
            Meeting::First if others.iter().all(|it| it == address.as_str()) => {
                self.tell_meeting(shown);
                Ok(Ok(Arrival { shown, moves }))
            }
            Meeting::First | Meeting::Known => Ok(Ok(Arrival { shown, moves })),
        }
    }

    fn tell_meeting(&self, fingerprint: Fingerprint) {
        // The face may have ended first; then there is nobody to tell.
        let _ = self.events.try_send(Event::FirstMeeting { fingerprint });
    }

    fn changed(&self, known: Fingerprint, shown: Fingerprint, line: usize) -> Broken {
        let (server, file) = (self.config.server.clone(), self.known_servers.path().into());
        Broken::Failed(Failure::ServerChanged { server, known, shown, file, line })
    }

    fn another_server(&self, other: &str, shown: Fingerprint) -> Broken {
        let (server, file) = (self.config.server.clone(), self.known_servers.path().into());
        Broken::Failed(Failure::AnotherServer { server, other: other.into(), shown, file })
    }
}

/// The right server, connected; nothing was said to it yet.
pub(crate) struct Reached {
    pub(crate) transport: Transport,
    /// Under TLS: what its key means.
    pub(crate) arrival: Option<Arrival>,
    /// The deadline for signing in.
    pub(crate) until: Instant,
}

/// Runs something with that deadline.
pub(crate) async fn in_time<T>(
    times: &dyn Times,
    until: Instant,
    work: impl Future<Output = Result<T, Broken>>,
) -> Result<T, Broken> {
    let limit = until.saturating_duration_since(times.now());
    let late = || Err(Broken::Away("the server did not answer in time".into()));
    times.within(limit, work).await.unwrap_or_else(late)
}

/// Whether a connection ended because the other side closed it. If that had unread bytes, the system reports other
/// errors than if it had none.
fn is_closed_unread(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, UnexpectedEof,
    };
    matches!(kind, UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected)
}
