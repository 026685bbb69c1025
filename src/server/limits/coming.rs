//! How often each address may connect, and how many connections it may have at once.
//!
//! Owned by the [reception](crate::server::accept). Invariant: an address that has no connection, and has been quiet
//! long enough, is forgotten.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};

use dashmap::DashMap;
use governor::Quota as Bucket;
use governor::clock::{Clock, DefaultClock};

use super::origin::{Origin, Site};
use super::rates::{Buckets, Rates};

/// With IPv6, one customer may have more than one /64: all addresses of a [`Site`] together may have as much as this
/// many of them.
const SITE: u32 = 8;

/// The connections from each address. See [`Rates`].
pub(crate) struct Coming<C: Clock = DefaultClock> {
    addresses: Counted<Origin, C>,
    sites: Counted<Site, C>,
}

/// The connections from addresses of one size.
struct Counted<K: Hash + Eq + Clone, C: Clock> {
    most: AtomicU32,
    connected: DashMap<K, u32>,
    handshakes: Buckets<K, C>,
}

/// Why a connection is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TooMany {
    Connections,
    Handshakes,
}

impl TooMany {
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Connections => "too many connections from your address; close some first",
            Self::Handshakes => "too many new connections from your address; try again in a minute",
        }
    }
}

impl<C: Clock + Clone> Coming<C> {
    pub(crate) fn new(rates: &Rates, clock: C) -> Self {
        let Rates { connections, handshakes, .. } = *rates;
        let of_a_site = |limit: u32| limit.saturating_mul(SITE);
        Self {
            addresses: Counted::new(connections, handshakes, clock.clone()),
            sites: Counted::new(of_a_site(connections), of_a_site(handshakes), clock),
        }
    }

    /// Counts a connection, or turns it away. What is counted has to [leave](Self::leave).
    pub(crate) fn enter(&self, origin: Origin) -> Result<(), TooMany> {
        self.addresses.enter(origin)?;
        let entered = origin.site().map_or(Ok(()), |site| self.sites.enter(site));
        entered.inspect_err(|_| self.addresses.leave(&origin))
    }

    pub(crate) fn leave(&self, origin: Origin) {
        self.addresses.leave(&origin);
        if let Some(site) = origin.site() {
            self.sites.leave(&site);
        }
    }

    /// Has these rates count from now on. Who is connected stays.
    pub(crate) fn set(&self, rates: &Rates) {
        let Rates { connections, handshakes, .. } = *rates;
        self.addresses.set(connections, handshakes);
        self.sites.set(connections.saturating_mul(SITE), handshakes.saturating_mul(SITE));
    }

    pub(crate) fn forget_the_quiet(&self) {
        self.addresses.handshakes.forget_the_quiet();
        self.sites.handshakes.forget_the_quiet();
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Counted<K, C> {
    fn new(most: u32, handshakes: u32, clock: C) -> Self {
        let handshakes = Buckets::new(bucket(handshakes), clock);
        Self { most: most.into(), connected: DashMap::new(), handshakes }
    }

    fn set(&self, most: u32, handshakes: u32) {
        self.most.store(most, Ordering::Relaxed);
        self.handshakes.set(bucket(handshakes));
    }

    fn enter(&self, key: K) -> Result<(), TooMany> {
        self.handshakes.take(&key, 1).map_err(|_| TooMany::Handshakes)?;
        let mut connected = self.connected.entry(key).or_default();
        let most = self.most.load(Ordering::Relaxed);
        if most > 0 && *connected >= most {
            return Err(TooMany::Connections);
        }
        *connected += 1;
        Ok(())
    }

    fn leave(&self, key: &K) {
        self.connected.remove_if_mut(key, |_, connected| {
            *connected = connected.saturating_sub(1);
            *connected == 0
        });
    }
}

fn bucket(a_minute: u32) -> Option<Bucket> {
    NonZeroU32::new(a_minute).map(Bucket::per_minute)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn origin(text: &str) -> Option<Origin> {
        Origin::of(text.parse().unwrap())
    }

    #[test]
    fn an_address_has_so_many_connections_and_gets_them_back() {
        let rates = Rates { connections: 2, ..Rates::UNLIMITED };
        let coming = Coming::new(&rates, FakeRelativeClock::default());
        let (here, there) = (origin("127.0.0.2").unwrap(), origin("127.0.0.3").unwrap());
        assert_eq!([coming.enter(here), coming.enter(here)], [Ok(()); 2]);
        assert_eq!(coming.enter(here), Err(TooMany::Connections));
        assert_eq!(coming.enter(there), Ok(()));
        coming.leave(here);
        assert_eq!(coming.enter(here), Ok(()));
        for at in [here, here, there] {
            coming.leave(at);
        }
        assert!(coming.addresses.connected.is_empty(), "nobody is remembered");
    }

    #[test]
    fn an_address_may_come_so_often_a_minute() {
        let clock = FakeRelativeClock::default();
        let coming = Coming::new(&Rates { handshakes: 3, ..Rates::UNLIMITED }, clock.clone());
        let here = origin("192.0.2.1").unwrap();
        assert_eq!([coming.enter(here), coming.enter(here), coming.enter(here)], [Ok(()); 3]);
        assert_eq!(coming.enter(here), Err(TooMany::Handshakes));
        clock.advance(20 * SECOND);
        assert_eq!(coming.enter(here), Ok(()));
        clock.advance(3_600 * SECOND);
        coming.forget_the_quiet();
        assert!(coming.addresses.handshakes.is_empty());
    }

    /// `number` of the /64s in 2001:db8:`site`::/48.
    fn network(site: u16, number: u16) -> Origin {
        origin(&format!("2001:db8:{site:x}:{number:x}::1")).unwrap()
    }

    #[test]
    fn who_has_many_networks_has_no_more_than_eight_of_them() {
        let rates = Rates { connections: 2, ..Rates::UNLIMITED };
        let coming = Coming::new(&rates, FakeRelativeClock::default());
        let first: Vec<_> = (0..16).map(|number| network(1, number)).collect();
        assert!(first.iter().all(|it| coming.enter(*it).is_ok()));
        assert_eq!(coming.enter(network(1, 16)), Err(TooMany::Connections));
        assert_eq!(coming.enter(network(2, 16)), Ok(()), "the neighbours have their own");
        coming.leave(first[0]);
        assert_eq!(coming.enter(network(1, 16)), Ok(()));
        for at in first[1..].iter().chain(&[network(1, 16), network(2, 16)]) {
            coming.leave(*at);
        }
        assert!(coming.addresses.connected.is_empty() && coming.sites.connected.is_empty());
    }

    #[test]
    fn who_has_many_networks_comes_no_more_often_than_eight_of_them() {
        let clock = FakeRelativeClock::default();
        let coming = Coming::new(&Rates { handshakes: 3, ..Rates::UNLIMITED }, clock.clone());
        assert!((0..24).all(|number| coming.enter(network(1, number)).is_ok()));
        assert_eq!(coming.enter(network(1, 24)), Err(TooMany::Handshakes));
        assert_eq!(coming.enter(network(2, 24)), Ok(()));
        clock.advance(3_600 * SECOND);
        coming.forget_the_quiet();
        assert!(coming.sites.handshakes.is_empty());
    }
}
