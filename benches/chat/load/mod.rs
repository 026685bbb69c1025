//! The load: what talks through what is measured, and checks what comes.
//!
//! One thread, so that it has no runtime and no wake-ups of its own to measure. Everything that waits
//! ends after [`PATIENCE`] with an error.

mod absent;
mod frames;
mod pairs;
pub(super) mod person;
mod redis;
pub(super) mod socket;

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub(super) use absent::{Backlog, Bystanders, wait_for_stored, write_to_nobody};
pub(super) use pairs::{Pairs, Receiving};
pub(super) use redis::push_to_list;

use super::Result;
use super::subject::Kind;
use tinychat::trust::Identity;

/// How many messages of a sender are under way, at most.
pub(super) const WINDOW: u64 = 512;

/// How long nothing may come that should come.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that do nothing more.
pub(super) struct Crowd {
    address: SocketAddr,
    kind: Kind,
    streams: Vec<TcpStream>,
}

impl Crowd {
    /// So many of them, an even number.
    pub(super) fn gather(kind: Kind, address: SocketAddr, count: usize) -> Result<Self> {
        let streams = match kind {
            _ if kind.is_tinychat() => person::crowd(kind, address, count)?,
            _ => {
                let pairs = (0..count / 2).map(|number| pairs::connect(kind, address, number));
                let pairs = pairs.collect::<Result<Vec<_>>>()?;
                let streams = pairs.into_iter().flatten().map(socket::Socket::into_stream);
                streams.collect::<Result<_>>()?
            }
        };
        Ok(Self { address, kind, streams })
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    /// Makes sure that all of them are still there.
    pub(super) fn check(&self) -> Result<()> {
        if !self.kind.is_tinychat() {
            return Ok(());
        }
        let socket = socket::Socket::connect_to(self.kind, self.address)?;
        let mut clerk = person::Person::sign_in_on(socket, &Identity::generate()?, "clerk")?;
        let online = clerk.count_online()?;
        let right = online == self.streams.len() as u64 + 1;
        if right { Ok(()) } else { Err(format!("{online} are signed in").into()) }
    }
}
