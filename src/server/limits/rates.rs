//! How fast: what there are rates for, and how often each address may come. What each person may do is counted
//! [beside](super::person_rates).
//!
//! Owned by the server; asked by accept tasks. A rate is a token bucket (GCRA, as `governor`
//! has it): so much a second on average, and a burst at once. Nobody is remembered who has been quiet
//! long enough to have all of it again.

use std::fmt;
use std::hash::Hash;
use std::net::{AddrParseError, IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use dashmap::DashMap;
use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Bucket, RateLimiter};

/// How much may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second, on average; 0 is no limit.
    pub each_second: u32,
    /// At once.
    pub burst: u32,
}

/// What bounds how fast things come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rates {
    /// Messages that one person writes.
    pub messages: Rate,
    /// Bytes of their bodies.
    pub bytes: Rate,
    /// Bytes of files that one person sends and fetches.
    pub files: Rate,
    /// Files that one person begins to send.
    pub uploads: Rate,
    /// How often one person blocks somebody, or ends a block.
    pub blocks: Rate,
    /// How often one person signs in.
    pub sign_ins: Rate,
    /// Connections at once from one address; 0 is no limit.
    pub connections: u32,
    /// New connections a minute from one address; 0 is no limit.
    pub handshakes: u32,
    /// New names a day from one address, without an invitation; 0 is no limit.
    pub names: u32,
    /// New connections from all addresses together.
    pub arrivals: Rate,
}

impl Rates {
    /// None at all.
    pub const UNLIMITED: Self = Self {
        messages: Rate::UNLIMITED,
        bytes: Rate::UNLIMITED,
        files: Rate::UNLIMITED,
        uploads: Rate::UNLIMITED,
        blocks: Rate::UNLIMITED,
        sign_ins: Rate::UNLIMITED,
        connections: 0,
        handshakes: 0,
        names: 0,
        arrivals: Rate::UNLIMITED,
    };
}

/// What no person meets: files may be piped in, and a lab may sit behind one address.
impl Default for Rates {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            messages: Rate { each_second: 100, burst: 20_000 },
            bytes: Rate { each_second: MIB, burst: 64 * MIB },
            // As much at once as the largest file has, and then less than a disk takes.
            files: Rate { each_second: 16 * MIB, burst: 3 * 1024 * MIB },
            // Each of these has the disk synced, or everybody told.
            uploads: Rate { each_second: 5, burst: 1_000 },
            blocks: Rate { each_second: 1, burst: 100 },
            sign_ins: Rate { each_second: 5, burst: 25 },
            connections: 500,
            handshakes: 600,
            names: 50,
            // TLS and signing in cost about half a millisecond each: half of a core for all of them, and a few
            // of them in a row for whoever chats meanwhile.
            arrivals: Rate { each_second: 1_000, burst: 4 },
        }
    }
}

type Limiter<K, C> = RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Buckets of one kind, one for each `K`; none where there is no limit.
pub(crate) struct Buckets<K: Hash + Eq + Clone, C: Clock> {
    limiter: Option<Limiter<K, C>>,
    burst: u32,
    clock: C,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    pub(crate) fn new(bucket: Option<Bucket>, clock: C) -> Self {
        Self {
            limiter: bucket.map(|bucket| RateLimiter::dashmap_with_clock(bucket, clock.clone())),
            burst: bucket.map_or(0, |bucket| bucket.burst_size().get()),
            clock,
        }
    }

    /// Takes so many out of a bucket; if it has too few, says when it will have them. More than a
    /// bucket holds are as many as it holds.
    pub(crate) fn take(&self, key: &K, count: u64) -> Result<(), Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(self.burst);
        let (Some(limiter), Some(count)) = (&self.limiter, NonZeroU32::new(count)) else {
            return Ok(());
        };
        match limiter.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now())),
            // Not met: it is no more than the burst.
            Err(_) => Ok(()),
        }
    }

    /// How much may be taken at once, where there is a limit.
    pub(crate) fn burst(&self) -> Option<u32> {
        self.limiter.is_some().then_some(self.burst)
    }

    pub(crate) fn forget_the_quiet(&self) {
        if let Some(limiter) = &self.limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

impl Rate {
    const UNLIMITED: Self = Self { each_second: 0, burst: 0 };

    pub(crate) fn bucket(self) -> Option<Bucket> {
        let each_second = NonZeroU32::new(self.each_second)?;
        Some(Bucket::per_second(each_second).allow_burst(NonZeroU32::new(self.burst)?))
    }
}

/// How fast connections from all addresses together are begun. See [`Rates::arrivals`].
pub(crate) struct Pace<C: Clock = DefaultClock> {
    /// None where there is no limit.
    limiter: Option<RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<C::Instant>>>,
    clock: C,
}

impl<C: Clock + Clone> Pace<C> {
    pub(crate) fn new(rate: Rate, clock: C) -> Self {
        let limiter = rate.bucket().map(|it| RateLimiter::direct_with_clock(it, clock.clone()));
        Self { limiter, clock }
    }

    /// Whether one more may begin now; else how long to wait for it.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let taken = self.limiter.as_ref().map_or(Ok(()), RateLimiter::check);
        taken.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

/// Of IPv6 one customer may have more than one /64: all addresses of a [`Site`] together may have as much as so
/// many of them.
const SITE: u32 = 8;

/// What comes from an address. See [`Rates`].
pub(crate) struct Coming<C: Clock = DefaultClock> {
    addresses: Counted<Origin, C>,
    sites: Counted<Site, C>,
}

/// What comes from addresses of one size.
struct Counted<K: Hash + Eq + Clone, C: Clock> {
    most: u32,
    connected: DashMap<K, u32>,
    handshakes: Buckets<K, C>,
}

/// An address as limits see it: of IPv6 the first half, which is what one customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Origin(IpAddr);

/// What one customer may have at most: of IPv6 a /48. None of IPv4, where that is the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Site(u128);

impl Origin {
    /// None for this machine's own address: behind a proxy everybody comes from there.
    pub(crate) fn of(address: IpAddr) -> Option<Self> {
        match address.to_canonical() {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST) | IpAddr::V6(Ipv6Addr::LOCALHOST) => None,
            IpAddr::V6(address) => {
                let prefix = address.to_bits() >> 64 << 64;
                Some(Self(Ipv6Addr::from_bits(prefix).into()))
            }
            address => Some(Self(address)),
        }
    }

    pub(crate) fn site(self) -> Option<Site> {
        match self.0 {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(Site(address.to_bits() >> 80)),
        }
    }

    /// The same for all who count as one when many wait: of IPv6 a /48.
    pub(crate) fn party(self) -> Self {
        self.site().map_or(self, |Site(prefix)| Self(Ipv6Addr::from_bits(prefix << 80).into()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Origin {
    type Err = AddrParseError;

    /// Of this machine's own address there is none: it counts as the address that it is.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address: IpAddr = text.parse()?;
        Ok(Self::of(address).unwrap_or(Self(address)))
    }
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

    pub(crate) fn forget_the_quiet(&self) {
        self.addresses.handshakes.forget_the_quiet();
        self.sites.handshakes.forget_the_quiet();
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Counted<K, C> {
    fn new(most: u32, handshakes: u32, clock: C) -> Self {
        let bucket = NonZeroU32::new(handshakes).map(Bucket::per_minute);
        Self { most, connected: DashMap::new(), handshakes: Buckets::new(bucket, clock) }
    }

    fn enter(&self, key: K) -> Result<(), TooMany> {
        self.handshakes.take(&key, 1).map_err(|_| TooMany::Handshakes)?;
        let mut connected = self.connected.entry(key).or_default();
        if self.most > 0 && *connected >= self.most {
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

#[cfg(test)]
mod tests {
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
        assert!(coming.addresses.handshakes.limiter.unwrap().is_empty());
    }

    #[test]
    fn addresses_are_counted_as_customers_have_them() {
        assert_eq!(origin("127.0.0.1"), None);
        assert_eq!(origin("::1"), None);
        assert_eq!(origin("::ffff:127.0.0.1"), None);
        assert!(origin("127.0.0.2").is_some());
        assert_eq!(origin("::ffff:192.0.2.1"), origin("192.0.2.1"));
        assert_eq!(origin("2001:db8::1"), origin("2001:db8::ffff:1"));
        assert_ne!(origin("2001:db8::1"), origin("2001:db8:0:1::1"));
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
        assert!(coming.sites.handshakes.limiter.unwrap().is_empty());
    }

    #[test]
    fn all_together_begin_at_their_pace() {
        let clock = FakeRelativeClock::default();
        let pace = Pace::new(Rate { each_second: 1_000, burst: 8 }, clock.clone());
        assert!((0..8).all(|_| pace.take().is_ok()));
        let wait = pace.take().unwrap_err();
        assert!(wait <= Duration::from_millis(1), "{wait:?}");
        clock.advance(wait);
        assert_eq!((pace.take(), pace.take().is_err()), (Ok(()), true));
        let unlimited = Pace::new(Rates::UNLIMITED.arrivals, clock);
        assert!((0..10_000).all(|_| unlimited.take().is_ok()));
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in ["192.0.2.1", "2001:db8::", "127.0.0.1"] {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert!("2001:db8::/64".parse::<Origin>().is_err());
    }
}
