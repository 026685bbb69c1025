//! Times: by the wall clock, for display; and by how long a server has run, for expiry.
//!
//! Owned by nobody. Invariant: neither is ever computed from the other.

use std::ops::Add;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// When a server took a message, by its wall clock: milliseconds since the Unix epoch. For showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The wall clock's time. A clock before 1970 counts as 1970.
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// A time. One before 1970 counts as 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// As exactly as texts tell it that have no more than seconds, and four digits for the year.
    pub fn in_seconds(self) -> Self {
        let Self(millis) = Self::of(self.printable());
        Self(millis - millis % 1_000)
    }

    /// So long before; 1970 at the earliest.
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
    }

    /// So long behind.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The same as a time that can be printed, with four digits for the year. One that was damaged on
    /// disk must not stop whoever reads it.
    pub fn printable(self) -> SystemTime {
        const END_OF_9999: u64 = 253_402_300_799_999;
        UNIX_EPOCH + Duration::from_millis(self.0.min(END_OF_9999))
    }
}

/// How long a server has run in all, over all its starts, in milliseconds. Stamped on what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uptime(pub u64);

impl Uptime {
    /// How long ago an earlier one was. What is later, for a crash took back some time, was just now.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Uptime {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}
