//! What a client is told before it starts: who talks through which server, which way leads there, and where it is kept.
//!
//! # Rooms, from the top
//!
//! ```text
//! proxy               which proxy is on the way to a server, if any
//! address, unasked    where a server is; how much of others' files comes by itself
//! ```

pub(crate) mod address;
pub(crate) mod proxy;
mod unasked;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

pub use address::{Address, AddressError, DEFAULT_PORT, Target};
pub use proxy::{Proxies, Proxy, ProxyError, Source};
pub use unasked::Unasked;

use crate::message::Name;
use crate::trust::{Fingerprint, Invite};
use crate::wire::HANDSHAKE_SECONDS;

/// How long a server that is connected to may take until one is signed in, TLS included: for a round trip of 2.5 s, as
/// over a satellite or through Tor, several times as long as that takes.
pub const HANDSHAKE: Duration = Duration::from_secs(HANDSHAKE_SECONDS);

/// The longest that it may be set to. Whoever waits longer for one try does not notice that the line is gone.
pub const MAX_HANDSHAKE: Duration = Duration::from_secs(60 * 60);

/// Looks up the addresses of a name, for a port. It may block.
pub type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

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

/// How this system looks names up.
pub fn system_lookup(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((name, port).to_socket_addrs()?.collect())
}
