//! An accepted connection, before anything is read from it.
//!
//! Made by the accept task; owned by the task that serves the connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::message::Name;
use crate::server::limits::Origin;
use crate::server::link::ConnectionId;
use crate::trust::PublicKey;
use crate::trust::tls::Credentials;
use crate::wire::transport::Socket;

/// An accepted connection, from which nothing was read.
pub(crate) struct Caller {
    pub(crate) id: ConnectionId,
    pub(crate) socket: Socket,
    /// Where it comes from, through a proxy or not. A Unix socket has none.
    pub(crate) address: Option<SocketAddr>,
    /// None for this machine's own address, and on a Unix socket.
    pub(crate) origin: Option<Origin>,
    /// None without TLS.
    pub(crate) credentials: Option<Arc<Credentials>>,
    pub(crate) since: Instant,
}

/// Where a connection comes from, for the log. On a Unix socket there is no address.
#[derive(Clone, Copy)]
pub(crate) struct Whence(pub(crate) Option<SocketAddr>);

impl Whence {
    /// The address as a field, with its port.
    pub(crate) fn field(self) -> Option<SocketAddr> {
        self.0.map(|address| (address.ip().to_canonical(), address.port()).into())
    }
}

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "a connection from {}", address.ip().to_canonical()),
            None => f.write_str("a connection over a Unix socket"),
        }
    }
}

/// Who somebody says they are, and where they come from; for the log. Before `HELLO` they are nobody.
pub(super) struct Claim {
    pub(super) from: Whence,
    pub(super) who: Option<(Name, PublicKey)>,
}

impl Claim {
    /// The name as a field.
    pub(super) fn name(&self) -> Option<&str> {
        self.who.as_ref().map(|(name, _)| name.as_str())
    }

    /// The fingerprint of the key as a field.
    pub(super) fn key(&self) -> Option<String> {
        self.who.as_ref().map(|(_, key)| key.fingerprint().to_string())
    }
}
