//! How many rounds are played, with which seeds, and how a failing one is played again.
//!
//! A seed decides what the round does and how long it waits before each kill; what the processes
//! have done by then is theirs and the machine's, so that a failure may need some tries to come
//! again.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use fastrand::Rng;

/// How many moments of each kind there are to be. `just crash N` sets it.
const ASKED: &str = "TINYCHAT_CRASH_KILLS";

/// What rounds make at random moments.
pub(crate) enum Moments {
    /// Kills, of which a kind of rounds makes its share, in percent.
    Kills { share: u64 },
    /// Restored backups.
    Restores,
}

impl Moments {
    /// How many a kind of rounds makes: unless somebody asks for more, as many as all who run the tests have time for.
    fn count(self) -> u64 {
        let asked = number(ASKED);
        match self {
            Self::Kills { share } => (asked.unwrap_or(70) * share).div_ceil(100),
            Self::Restores => asked.unwrap_or(10),
        }
    }
}

/// The seed of the first round of each kind; chosen by chance unless it is set.
const SEED: &str = "TINYCHAT_CRASH_SEED";

/// How many rounds of a kind are played side by side: much of their time is waiting.
const SIDE_BY_SIDE: usize = 2;

/// Plays rounds of a kind until there were enough of these moments. A round is given its chance, and returns how many it
/// made.
pub(crate) fn play(kind: &str, moments: Moments, round: fn(&mut Rng) -> u64) {
    let enough = moments.count();
    let first = number(SEED).unwrap_or_else(|| fastrand::u64(0..1_000_000_000));
    let (made, next) = (AtomicU64::new(0), AtomicU64::new(first));
    let play_some = || {
        while made.load(Ordering::SeqCst) < enough {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            let playing = Playing { kind, seed, made: &made };
            let count = round(&mut Rng::with_seed(seed));
            println!("{kind}: the round with seed {seed} held, with {count} moments");
            playing.made.fetch_add(count, Ordering::SeqCst);
        }
    };
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(play_some);
        }
    });
}

fn number(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable} is a number, not {value:?}")))
}

/// Says how to play a round again that fails.
struct Playing<'a> {
    kind: &'a str,
    seed: u64,
    made: &'a AtomicU64,
}

impl Drop for Playing<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { kind, seed, .. } = self;
            println!(
                "{kind}: the round with seed {seed} failed; to play it again:\n  \
                 {SEED}={seed} {ASKED}=1 cargo test --test crash {kind} -- --nocapture"
            );
            // The others need not go on.
            self.made.store(u64::MAX / 2, Ordering::SeqCst);
        }
    }
}
