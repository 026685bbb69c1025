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

use std::path::PathBuf;
use std::time::Duration;

pub use address::{Address, AddressError, DEFAULT_PORT, Target};
pub use proxy::{Proxies, Proxy, ProxyError, Source};

use crate::client::line::dial::{Lookup, system_lookup};
use crate::client::line::waits::HANDSHAKE;
use crate::client::store::stock::Unasked;
use crate::message::Name;
use crate::trust::{Fingerprint, Invite};

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
