//! How often something happens, and how long it takes, for whoever watches a server.
//!
//! Owned by whoever counts. Invariant: to count waits for nobody, and no count ever falls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Up to how many seconds each bucket goes.
pub(crate) const BOUNDS: [f64; 15] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often something happened.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How long something took.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// One for each of the bounds, and one for what took longer.
    buckets: [Counter; BOUNDS.len() + 1],
    nanos: Counter,
}

/// What a [`Histogram`] has at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Times {
    /// For each of the [`BOUNDS`]: how often it took so long at most.
    pub(crate) up_to: Vec<u64>,
    /// How often, however long it took.
    pub(crate) count: u64,
    /// How long in all, in seconds.
    pub(crate) seconds: f64,
}

impl Histogram {
    /// It took so long once more.
    pub(crate) fn observe(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].add(1);
        self.nanos.add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// All that was observed so far.
    pub(crate) fn times(&self) -> Times {
        let mut count = 0;
        let sums = self.buckets.iter().map(|bucket| {
            count += bucket.get();
            count
        });
        let up_to = sums.collect::<Vec<_>>()[..BOUNDS.len()].to_vec();
        let seconds = Duration::from_nanos(self.nanos.get()).as_secs_f64();
        Times { up_to, count, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_its_bucket_and_in_all_larger_ones() {
        let histogram = Histogram::default();
        for micros in [100, 101, 10_000_000, 10_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let times = histogram.times();
        assert_eq!((times.up_to[0], times.up_to[1], times.up_to[13]), (1, 2, 2));
        assert_eq!((times.up_to[14], times.count), (3, 4));
        assert_eq!(times.seconds, 20.000_202);
    }

    #[test]
    fn bounds_ascend() {
        assert!(BOUNDS.is_sorted_by(|one, next| one < next));
    }
}
