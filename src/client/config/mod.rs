//! A client's configuration: who talks, through which server, how that is reached, and where data is kept.
//!
//! # Rooms, from the top
//!
//! ```text
//! proxy                 the proxy on the way to a server, if any
//! address               a server's address
//! query, unasked, seal  what an address says of people; how many bytes of files are downloaded unasked; what goes unsealed
//! ```

pub(crate) mod address;
pub(crate) mod proxy;
mod query;
mod seal;
mod unasked;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub use address::{Address, AddressError, DEFAULT_PORT, Target};
pub use proxy::{Proxies, Proxy, ProxyError, Source};
pub use query::{MAX_PEOPLE, QueryError};
pub use seal::{Seal, SealError};
pub use unasked::Unasked;

use crate::clock::{SystemTimes, Times};
use crate::message::Name;
use crate::trust::{Fingerprint, Invite};
use crate::wire::HANDSHAKE_SECONDS;
use crate::wire::frame::Presence;

/// How long signing in may take once the server is connected, TLS included: several times what it takes with a round
/// trip of 2.5 s, as over a satellite or through Tor.
pub const HANDSHAKE: Duration = Duration::from_secs(HANDSHAKE_SECONDS);

/// The longest that it may be set to. A longer wait for one try would hide that the line is gone.
pub const MAX_HANDSHAKE: Duration = Duration::from_secs(60 * 60);

/// Looks up the addresses of a name, for a port. It may block.
pub type Lookup = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Who talks, through which server, and where data is kept.
#[derive(Clone, Debug)]
pub struct Config {
    /// The server.
    pub server: Address,
    /// The key that the server has to show, if that is known already.
    pub fingerprint: Option<Fingerprint>,
    /// The invitation of a newcomer.
    pub invite: Option<Invite>,
    /// The keys that people have to show, if they are known already.
    pub people: BTreeMap<Name, Fingerprint>,
    /// Whether to speak TLS with it. Without, it has to be on this machine.
    pub tls: bool,
    /// The proxy on the way to it, if it is not on this machine.
    pub proxy: Option<Proxy>,
    /// How the server's name is looked up.
    pub lookup: Lookup,
    /// The timeout of the handshake; those of all other steps on the way to the server are in proportion to it.
    pub handshake: Duration,
    /// The clocks by which they are measured.
    pub times: Arc<dyn Times>,
    /// The name to sign in with.
    pub user: Name,
    /// Whether the person is there, for others to know. Away, a client does all that it does else.
    pub presence: Presence,
    /// The person's data folder.
    pub data: PathBuf,
    /// The person's own key, if it is not the one in the data folder.
    pub identity: Option<PathBuf>,
    /// The socket of the person's SSH agent.
    pub agent: Option<PathBuf>,
    /// How long to wait for anything without progress; `None` for ever.
    pub patience: Option<Duration>,
    /// How many bytes of others' files are downloaded unasked.
    pub unasked: Unasked,
    /// What becomes of words for somebody who has no keys yet.
    pub seal: Seal,
    /// Whether people are told that what they wrote was shown.
    pub read_receipts: bool,
    /// Whether the data folder is handed over to a face that wants it.
    pub yields: bool,
    /// Whether what a first start made in the data folder is removed again if the server let nobody in and nothing
    /// was written.
    pub tentative: bool,
}

impl Config {
    /// The defaults: under TLS, with the key in the data folder, and without a timeout.
    pub fn new(server: Address, user: Name, data: PathBuf) -> Self {
        Self {
            server,
            fingerprint: None,
            invite: None,
            people: BTreeMap::new(),
            tls: true,
            proxy: None,
            lookup: system_lookup,
            handshake: HANDSHAKE,
            times: Arc::new(SystemTimes),
            user,
            presence: Presence::Online,
            data,
            identity: None,
            agent: None,
            patience: None,
            unasked: Unasked::DEFAULT,
            seal: Seal::default(),
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
