//! Connecting to a host, whichever of its addresses answers.
//!
//! Owned by the core, which remembers for all of its connections which address worked. Invariant: looking a name up and
//! connecting each have a limit of their own, and a failure says what was tried.

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_io::Async;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::eyeballs::{Attempts, in_turns};
use super::waits::Waits;
use crate::client::config::Lookup;
use crate::client::config::address::is_localhost;
use crate::clock::Times;
use crate::{task, zone};

/// For how many addresses the reason of their failure is told.
const TOLD: usize = 4;

/// See the [module](self). A clone remembers the same.
#[derive(Clone, Debug)]
pub(crate) struct Dialer {
    lookup: Lookup,
    waits: Waits,
    times: Arc<dyn Times>,
    worked: Arc<Mutex<Option<SocketAddr>>>,
}

impl Dialer {
    pub(crate) fn new(lookup: Lookup, waits: Waits, times: Arc<dyn Times>) -> Self {
        Self { lookup, waits, times, worked: Arc::default() }
    }

    /// Connects, or says why not.
    pub(crate) async fn connect(&self, host: &str, port: u16) -> Result<Async<TcpStream>, String> {
        let found = self.find(host, port).await?;
        let worked = *self.worked();
        let mut tried = Vec::new();
        let racing = self.race(in_turns(found, worked), &mut tried);
        match self.times.within(self.waits.addresses, racing).await.flatten() {
            Some((address, stream)) => {
                *self.worked() = Some(address);
                Ok(stream)
            }
            None => Err(because(&tried)),
        }
    }

    fn worked(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.worked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The addresses of a host, as the system has them.
    async fn find(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
        if let Some(address) = literal(host, port) {
            return address.map(|it| vec![it]).map_err(|error| error.to_string());
        }
        if is_localhost(host) {
            return Ok(vec![
                (Ipv6Addr::LOCALHOST, port).into(),
                (Ipv4Addr::LOCALHOST, port).into(),
            ]);
        }
        let (lookup, name, limit) = (self.lookup, host.to_owned(), self.waits.lookup);
        let found = self.times.within(limit, task::blocking(move || lookup(&name, port))).await;
        let late = || format!("the name {host} was not found within {limit:?}");
        match found.ok_or_else(late)? {
            Ok(found) if found.is_empty() => Err(format!("the name {host} has no address")),
            found => found.map_err(|error| error.to_string()),
        }
    }

    /// Tries addresses concurrently. The first that connects wins, and the others are dropped.
    async fn race(
        &self,
        order: VecDeque<SocketAddr>,
        tried: &mut Vec<Tried>,
    ) -> Option<(SocketAddr, Async<TcpStream>)> {
        let times = &*self.times;
        let mut attempts = Attempts::new(order, times.now());
        let mut running = FuturesUnordered::new();
        loop {
            while let Some(address) = attempts.next(times.now()) {
                tried.push(Tried { address, error: None });
                running.push(attempt(address, self.waits.address, times));
            }
            let ended = match attempts.wait(times.now()) {
                Some(wait) => times.within(wait, running.next()).await,
                None => Some(running.next().await),
            };
            match ended {
                Some(Some((address, Ok(stream)))) => return Some((address, stream)),
                Some(Some((address, Err(error)))) => {
                    let failed = tried.iter_mut().filter(|it| it.address == address);
                    failed.for_each(|it| it.error = Some(error.clone()));
                    attempts.failed(times.now());
                }
                // All have failed: while no attempt is in flight the next one is due at once.
                Some(None) => return None,
                None => {}
            }
        }
    }
}

/// The result of an attempt at an address; none yet, if there is no error.
struct Tried {
    address: SocketAddr,
    error: Option<String>,
}

/// A host that needs no lookup.
fn literal(host: &str, port: u16) -> Option<io::Result<SocketAddr>> {
    if let Ok(ip) = host.parse::<Ipv4Addr>() {
        return Some(Ok((ip, port).into()));
    }
    zone::resolve(host, port).map(|address| address.map(SocketAddr::V6))
}

async fn attempt(
    address: SocketAddr,
    limit: Duration,
    times: &dyn Times,
) -> (SocketAddr, Result<Async<TcpStream>, String>) {
    let connected = times.within(limit, Async::<TcpStream>::connect(address)).await;
    let late = || Err(format!("no answer within {limit:?}"));
    (address, connected.map_or_else(late, |it| it.map_err(|error| error.to_string())))
}

/// Why nothing answered: once, where all failed alike; else by address.
fn because(tried: &[Tried]) -> String {
    let error = |it: &Tried| it.error.clone().unwrap_or_else(|| "no answer".into());
    let mut errors: Vec<String> = tried.iter().map(error).collect();
    errors.dedup();
    if let [only] = &errors[..] {
        return only.clone();
    }
    let each = tried.iter().take(TOLD).map(|it| format!("{}: {}", it.address, error(it)));
    let mut because = each.collect::<Vec<_>>().join("; ");
    if let Some(more @ 1..) = tried.len().checked_sub(TOLD) {
        because += &format!("; and {more} more");
    }
    because
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;

    use super::*;
    use crate::clock::SystemTimes;

    fn dialer(lookup: Lookup, handshake: Duration) -> Dialer {
        Dialer::new(lookup, Waits::of(handshake), Arc::new(SystemTimes))
    }

    fn tried(address: &str, error: Option<&str>) -> Tried {
        Tried { address: address.parse().unwrap(), error: error.map(Into::into) }
    }

    #[test]
    fn what_failed_alike_is_said_once_and_else_by_address() {
        let refused = |last: u8| tried(&format!("192.0.2.{last}:7"), Some("refused"));
        assert_eq!(because(&[refused(1)]), "refused");
        assert_eq!(because(&[refused(1), refused(2)]), "refused");
        let both = [refused(1), tried("[2001:db8::1]:7", None)];
        assert_eq!(because(&both), "192.0.2.1:7: refused; [2001:db8::1]:7: no answer");
        let many: Vec<_> = (1..=6).map(refused).chain([tried("[::1]:7", None)]).collect();
        let said = because(&many);
        assert!(said.starts_with("192.0.2.1:7: refused; "), "{said}");
        assert!(said.ends_with("192.0.2.4:7: refused; and 3 more"), "{said}");
    }

    #[test]
    fn this_machine_and_addresses_are_not_looked_up() {
        let never: Lookup = |name, _| panic!("{name} was looked up");
        let dialer = dialer(never, crate::client::config::HANDSHAKE);
        let found = |host: &str| block_on(dialer.find(host, 7)).unwrap();
        assert_eq!(found("192.0.2.1"), ["192.0.2.1:7".parse().unwrap()]);
        assert_eq!(found("2001:db8::1"), ["[2001:db8::1]:7".parse().unwrap()]);
        let local = ["[::1]:7".parse().unwrap(), "127.0.0.1:7".parse().unwrap()];
        assert_eq!(found("localhost"), local);
        assert_eq!(found("chat.localhost."), local);
    }

    #[test]
    fn a_name_that_cannot_be_looked_up_is_said() {
        let minute = Duration::from_secs(60);
        let none = dialer(|_, _| Ok(Vec::new()), minute);
        let error = block_on(none.connect("nobody.example", 7)).unwrap_err();
        assert_eq!(error, "the name nobody.example has no address");
        let failing = dialer(|_, _| Err(io::Error::other("the resolver is away")), minute);
        let error = block_on(failing.connect("nobody.example", 7)).unwrap_err();
        assert_eq!(error, "the resolver is away");
        let stuck: Lookup = |_, _| loop {
            std::thread::park();
        };
        let stuck = dialer(stuck, Duration::from_millis(600));
        let error = block_on(stuck.connect("nobody.example", 7)).unwrap_err();
        assert_eq!(error, "the name nobody.example was not found within 100ms");
    }

    #[test]
    fn the_address_that_worked_is_tried_first_the_next_time() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let both: Lookup = |_, port| {
            // Nobody listens at a port of this address.
            Ok(vec![([127, 0, 0, 1], 1).into(), ([127, 0, 0, 1], port).into()])
        };
        let dialer = dialer(both, Duration::from_secs(60));
        let stream = block_on(dialer.connect("chat.example", port)).unwrap();
        let peer = stream.get_ref().peer_addr().unwrap();
        assert_eq!((*dialer.worked(), peer.port()), (Some(peer), port));
        assert_eq!(in_turns(both("", port).unwrap(), *dialer.worked())[0], peer);
    }
}
