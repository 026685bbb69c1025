//! Rate limits, and the token buckets that count.
//!
//! Owned by whoever counts. A rate is a token bucket (GCRA, as in `governor`): so much a second on average, and a burst
//! at once. Whoever has been quiet long enough to have a full bucket is forgotten.

use std::hash::Hash;
use std::num::NonZeroU32;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::NoOpMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota as Bucket, RateLimiter};

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second, on average; 0 is no limit.
    pub each_second: u32,
    /// At once.
    pub burst: u32,
}

/// All rate limits.
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
    /// How often one person signs in, and signatures in device lists that one person says.
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

/// Limits that no person reaches: files may be piped in, and a lab may be behind one address.
impl Default for Rates {
    fn default() -> Self {
        const MIB: u32 = 1024 * 1024;
        Self {
            messages: Rate { each_second: 100, burst: 20_000 },
            bytes: Rate { each_second: MIB, burst: 32 * MIB },
            // At once as much as the largest file has, and then less than a disk can write.
            files: Rate { each_second: 16 * MIB, burst: 3 * 1024 * MIB },
            // Each of these causes an fsync, or a notice to everybody.
            uploads: Rate { each_second: 5, burst: 1_000 },
            blocks: Rate { each_second: 1, burst: 100 },
            sign_ins: Rate { each_second: 5, burst: 25 },
            connections: 500,
            handshakes: 600,
            names: 50,
            // TLS and signing in cost about half a millisecond each: half of a core for all of them, and a delay of a
            // few in a row for those who chat meanwhile.
            arrivals: Rate { each_second: 1_000, burst: 4 },
        }
    }
}

type Limiter<K, C> = RateLimiter<K, DashMapStateStore<K>, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// Token buckets of one kind, one for each `K`; none where there is no limit.
pub(super) struct Buckets<K: Hash + Eq + Clone, C: Clock> {
    counting: RwLock<Counting<K, C>>,
    clock: C,
}

/// What counts until there is another limit.
struct Counting<K: Hash + Eq + Clone, C: Clock> {
    bucket: Option<Bucket>,
    limiter: Option<Limiter<K, C>>,
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Counting<K, C> {
    fn new(bucket: Option<Bucket>, clock: &C) -> Self {
        let limiter = bucket.map(|bucket| RateLimiter::dashmap_with_clock(bucket, clock.clone()));
        Self { bucket, limiter }
    }

    /// How much may be taken at once, where there is a limit.
    fn burst(&self) -> Option<u32> {
        self.bucket.map(|bucket| bucket.burst_size().get())
    }
}

impl<K: Hash + Eq + Clone, C: Clock + Clone> Buckets<K, C> {
    pub(crate) fn new(bucket: Option<Bucket>, clock: C) -> Self {
        Self { counting: RwLock::new(Counting::new(bucket, &clock)), clock }
    }

    /// Has another limit count from now on, with full buckets for everybody. The same one goes on counting.
    pub(super) fn set(&self, bucket: Option<Bucket>) {
        let mut counting = self.counting.write().unwrap_or_else(PoisonError::into_inner);
        if counting.bucket != bucket {
            *counting = Counting::new(bucket, &self.clock);
        }
    }

    fn counting(&self) -> RwLockReadGuard<'_, Counting<K, C>> {
        // Each change is whole before anything can panic.
        self.counting.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes tokens out of a bucket; if it has too few, says when it will have enough. To take more than a bucket holds
    /// is to take as many as it holds.
    pub(crate) fn take(&self, key: &K, count: u64) -> Result<(), Duration> {
        let counting = self.counting();
        let count = u32::try_from(count).unwrap_or(u32::MAX).min(counting.burst().unwrap_or(0));
        let (Some(limiter), Some(count)) = (&counting.limiter, NonZeroU32::new(count)) else {
            return Ok(());
        };
        match limiter.check_key_n(key, count) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(until)) => Err(until.wait_time_from(self.clock.now())),
            // Cannot happen: it is no more than the burst.
            Err(_) => Ok(()),
        }
    }

    /// How much may be taken at once, where there is a limit.
    pub(super) fn burst(&self) -> Option<u32> {
        self.counting().burst()
    }

    pub(crate) fn forget_the_quiet(&self) {
        if let Some(limiter) = &self.counting().limiter {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }

    /// Whether nobody is remembered.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.counting().limiter.as_ref().is_none_or(|it| it.is_empty())
    }
}

impl Rate {
    const UNLIMITED: Self = Self { each_second: 0, burst: 0 };

    pub(super) fn bucket(self) -> Option<Bucket> {
        let each_second = NonZeroU32::new(self.each_second)?;
        Some(Bucket::per_second(each_second).allow_burst(NonZeroU32::new(self.burst)?))
    }
}

/// How fast connections from all addresses together are served. See [`Rates::arrivals`].
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

    /// Whether one more may be served now; else how long to wait for it.
    pub(crate) fn take(&self) -> Result<(), Duration> {
        let taken = self.limiter.as_ref().map_or(Ok(()), RateLimiter::check);
        taken.map_err(|until| until.wait_time_from(self.clock.now()))
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

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
}
