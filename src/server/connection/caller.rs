//! An accepted connection, before anything is read from it.
//!
//! Made by the accept task; owned by the task that serves the connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::server::limits::Origin;
use crate::server::link::ConnectionId;
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

/// A connection, for the log. On a Unix socket there is no address.
pub(crate) struct Whence(pub(crate) Option<SocketAddr>);

impl fmt::Display for Whence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "a connection from {}", address.ip().to_canonical()),
            None => f.write_str("a connection over a Unix socket"),
        }
    }
}
