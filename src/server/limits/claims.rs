//! The rate limit for new names claimed from an address.
//!
//! Owned by the server; asked when somebody without an invitation claims a free name. Invariant: only addresses from
//! which a name was claimed within a day are remembered, so no more than there are names.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota as Bucket;
use governor::clock::{Clock, DefaultClock};

use super::origin::{Origin, Site};
use super::rates::Buckets;

/// The period of the limit.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// How many times as many names one IPv6 /48 may claim as one of its /64s: it may be a household, or a university.
const SITE: u32 = 4;

/// See the [module](self). A restart of the server forgets them.
pub(crate) struct Claims<C: Clock = DefaultClock> {
    by_origin: Buckets<Origin, C>,
    by_site: Buckets<Site, C>,
}

impl<C: Clock + Clone> Claims<C> {
    /// This many names from one address a day, on average and at once; 0 is no limit.
    pub(crate) fn new(a_day: u32, clock: C) -> Self {
        let by_origin = Buckets::new(bucket(a_day), clock.clone());
        Self { by_origin, by_site: Buckets::new(bucket(a_day.saturating_mul(SITE)), clock) }
    }

    /// Has this many count from now on.
    pub(crate) fn set(&self, a_day: u32) {
        self.by_origin.set(bucket(a_day));
        self.by_site.set(bucket(a_day.saturating_mul(SITE)));
    }

    /// Counts a name that is claimed from an address, or says when one can be. Nothing is counted without an address,
    /// or from this machine: there the operator or a proxy lets people in.
    pub(crate) fn count(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(origin) = address.and_then(Origin::of) else { return Ok(()) };
        self.by_origin.take(&origin, 1)?;
        origin.site().map_or(Ok(()), |site| self.by_site.take(&site, 1))
    }

    pub(crate) fn forget_the_quiet(&self) {
        self.by_origin.forget_the_quiet();
        self.by_site.forget_the_quiet();
    }
}

fn bucket(a_day: u32) -> Option<Bucket> {
    let a_day = NonZeroU32::new(a_day)?;
    Bucket::with_period(DAY / a_day.get()).map(|bucket| bucket.allow_burst(a_day))
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn at(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn an_address_claims_so_many_names_a_day() {
        let clock = FakeRelativeClock::default();
        let claims = Claims::new(2, clock.clone());
        let (here, there) = (at("192.0.2.1"), at("192.0.2.2"));
        assert_eq!([claims.count(here), claims.count(here)], [Ok(()); 2]);
        let wait = claims.count(here).unwrap_err();
        assert!(wait > DAY / 3 && wait <= DAY / 2, "{wait:?}");
        assert_eq!(claims.count(there), Ok(()), "others have their own");
        clock.advance(DAY / 2);
        assert_eq!(claims.count(here), Ok(()));
        assert!(claims.count(here).is_err());
        clock.advance(DAY);
        claims.forget_the_quiet();
        assert_eq!([claims.count(here), claims.count(here)], [Ok(()); 2]);
    }

    #[test]
    fn many_prefixes_of_one_site_claim_a_few_times_as_many() {
        let claims = Claims::new(2, FakeRelativeClock::default());
        let counted =
            (0..100).filter(|n| claims.count(at(&format!("2001:db8:1:{n:x}::1"))).is_ok());
        assert_eq!(counted.count(), 2 * SITE as usize);
        let same = [1, 2, 3].map(|n| claims.count(at(&format!("2001:db8:2:1::{n}"))).is_ok());
        assert_eq!(same, [true, true, false], "of one /64");
    }

    #[test]
    fn who_comes_from_this_machine_is_not_counted_and_zero_is_no_limit() {
        let claims = Claims::new(1, FakeRelativeClock::default());
        let unlimited = Claims::new(0, FakeRelativeClock::default());
        for _ in 0..10 {
            assert_eq!(claims.count(None), Ok(()));
            assert_eq!(claims.count(at("127.0.0.1")), Ok(()));
            assert_eq!(claims.count(at("::1")), Ok(()));
            assert_eq!(unlimited.count(at("192.0.2.1")), Ok(()));
        }
    }
}
