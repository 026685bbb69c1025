//! The rate limits of each person: for messages, files, signing in and blocking.
//!
//! Owned by the server; asked by read tasks, by write tasks for what is sent again, and by those that carry files.
//! Whoever has been quiet long enough is forgotten.

use std::time::Duration;

use governor::clock::{Clock, DefaultClock};

use super::rates::{Buckets, Rate, Rates};
use crate::mailbox::Usage;
use crate::message::Name;
use crate::task;

/// How long somebody who is too fast is delayed at a time. What would take longer is refused.
pub(crate) const SLOWED: Duration = Duration::from_secs(1);

/// See the [module](self) and [`Rates`].
pub(crate) struct PersonRates<C: Clock = DefaultClock> {
    messages: Buckets<Name, C>,
    bytes: Buckets<Name, C>,
    files: Buckets<Name, C>,
    uploads: Buckets<Name, C>,
    blocks: Buckets<Name, C>,
    sign_ins: Buckets<Name, C>,
}

impl<C: Clock + Clone> PersonRates<C> {
    pub(crate) fn new(rates: &Rates, clock: C) -> Self {
        let buckets = |rate: Rate| Buckets::new(rate.bucket(), clock.clone());
        Self {
            messages: buckets(rates.messages),
            bytes: buckets(rates.bytes),
            files: buckets(rates.files),
            uploads: buckets(rates.uploads),
            blocks: buckets(rates.blocks),
            sign_ins: buckets(rates.sign_ins),
        }
    }

    /// Has these rates count from now on.
    pub(crate) fn set(&self, rates: &Rates) {
        let Self { messages, bytes, files, uploads, blocks, sign_ins } = self;
        for (buckets, rate) in [
            (messages, rates.messages),
            (bytes, rates.bytes),
            (files, rates.files),
            (uploads, rates.uploads),
            (blocks, rates.blocks),
            (sign_ins, rates.sign_ins),
        ] {
            buckets.set(rate.bucket());
        }
    }

    /// Whether somebody may write this much now, which is no more than [`at_once`](Self::at_once); else how long to
    /// wait for it. One message with more bytes than a burst counts as a burst.
    pub(crate) fn admit(&self, name: &Name, written: Usage) -> Result<(), Duration> {
        self.messages.take(name, written.messages)?;
        self.bytes.take(name, written.bytes)
    }

    /// Waits until somebody may receive this much, which counts as if they wrote it: all of it, however often that is
    /// more than may come at once.
    pub(crate) async fn wait_for(&self, name: &Name, read: Usage) {
        until_taken(&self.messages, name, read.messages).await;
        until_taken(&self.bytes, name, read.bytes).await;
    }

    /// Waits until somebody may send or fetch this many bytes of a file: one chunk.
    pub(crate) async fn wait_for_file(&self, name: &Name, bytes: u64) {
        until_taken(&self.files, name, bytes).await;
    }

    /// Waits until somebody may begin to send a file.
    pub(crate) async fn wait_for_upload(&self, name: &Name) {
        until_taken(&self.uploads, name, 1).await;
    }

    /// Whether somebody may change whom they block.
    pub(crate) fn admit_block(&self, name: &Name) -> Result<(), Duration> {
        self.blocks.take(name, 1)
    }

    /// Whether somebody may sign in.
    pub(crate) fn admit_sign_in(&self, name: &Name) -> Result<(), Duration> {
        self.admit_signatures(name, 1)
    }

    /// Whether so many signatures may be verified of what somebody says: as if they signed in as often.
    pub(crate) fn admit_signatures(&self, name: &Name, count: usize) -> Result<(), Duration> {
        self.sign_ins.take(name, count as u64)
    }

    /// How many messages may be written at once.
    pub(crate) fn at_once(&self) -> usize {
        self.messages.burst().map_or(usize::MAX, |burst| burst as usize)
    }

    pub(crate) fn forget_the_quiet(&self) {
        let Self { messages, bytes, files, uploads, blocks, sign_ins } = self;
        for buckets in [messages, bytes, files, uploads, blocks, sign_ins] {
            buckets.forget_the_quiet();
        }
    }
}

async fn until_taken<C: Clock + Clone>(buckets: &Buckets<Name, C>, name: &Name, mut count: u64) {
    let at_once = buckets.burst().map_or(u64::MAX, u64::from);
    while count > 0 {
        let piece = count.min(at_once);
        match buckets.take(name, piece) {
            Ok(()) => count -= piece,
            Err(wait) => task::sleep(wait).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn usage(messages: u64, bytes: u64) -> Usage {
        Usage { messages, bytes }
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_free_and_what_follows_waits_for_its_share() {
        let clock = FakeRelativeClock::default();
        let messages = Rate { each_second: 10, burst: 100 };
        let rates = PersonRates::new(&Rates { messages, ..Rates::UNLIMITED }, clock.clone());
        let alice = name("alice");
        assert_eq!(rates.admit(&alice, usage(100, 1 << 40)), Ok(()));
        let wait = rates.admit(&alice, usage(20, 0)).unwrap_err();
        assert!(wait > SECOND && wait <= 2 * SECOND, "{wait:?}");
        assert_eq!(rates.admit(&name("bob"), usage(100, 0)), Ok(()), "others have their own");
        clock.advance(2 * SECOND);
        assert_eq!(rates.admit(&alice, usage(20, 0)), Ok(()));
        assert!(rates.admit(&alice, usage(1, 0)).is_err());
        // More than fits at once is as much as fits.
        clock.advance(100 * SECOND);
        assert_eq!(rates.admit(&alice, usage(1_000_000, 0)), Ok(()));
    }

    #[test]
    fn another_rate_counts_from_then_on_and_the_same_one_goes_on() {
        let clock = FakeRelativeClock::default();
        let rates_of = |burst| {
            let messages = Rate { each_second: 1, burst };
            Rates { messages, ..Rates::UNLIMITED }
        };
        let rates = PersonRates::new(&rates_of(2), clock);
        let alice = name("alice");
        assert_eq!(rates.admit(&alice, usage(2, 0)), Ok(()));
        rates.set(&rates_of(2));
        assert!(rates.admit(&alice, usage(1, 0)).is_err(), "nobody is forgiven by that");
        rates.set(&rates_of(3));
        assert_eq!((rates.admit(&alice, usage(3, 0)), rates.at_once()), (Ok(()), 3));
        assert!(rates.admit(&alice, usage(1, 0)).is_err());
        rates.set(&Rates::UNLIMITED);
        assert_eq!((rates.admit(&alice, usage(9, 0)), rates.at_once()), (Ok(()), usize::MAX));
    }

    #[test]
    fn bytes_are_counted_too_and_zero_is_no_limit() {
        let clock = FakeRelativeClock::default();
        let bytes = Rate { each_second: 1_000, burst: 5_000 };
        let rates = PersonRates::new(&Rates { bytes, ..Rates::UNLIMITED }, clock.clone());
        let alice = name("alice");
        assert_eq!(rates.admit(&alice, usage(1_000_000, 5_000)), Ok(()));
        assert!(rates.admit(&alice, usage(1, 1)).is_err());
        assert_eq!(rates.admit(&alice, usage(1, 0)), Ok(()));
        let rates = PersonRates::new(&Rates::UNLIMITED, clock);
        for _ in 0..10 {
            assert_eq!(rates.admit(&alice, usage(1 << 40, 1 << 50)), Ok(()));
        }
    }
}
