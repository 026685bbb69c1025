//! All the others: a process of its own, so that what they cost holds up neither alice nor bob.
//!
//! They sign in, tell so, and come back all at once for each line on standard input. Whoever is not let in waits as a
//! client does and tries again.

use std::io::stdin;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_std::task::{JoinHandle, block_on, spawn};
use tinychat::task;
use tinychat::trust::Identity;
use tinychat::wire::HANDSHAKE_SECONDS;

use super::Result;
use super::person::Person;

/// From how many addresses they come.
const ADDRESSES: usize = 64;

/// How many sign in at once the first time, when each costs the server a sync of its disk.
const AT_ONCE: usize = 64;

/// What is less important than the server, and than alice and bob.
const NICENESS: i32 = 5;

/// See the [module](self).
pub(super) fn run(server: SocketAddr, people: usize) -> Result<()> {
    rustix::process::nice(NICENESS)?;
    task::set_threads(NonZeroUsize::MIN);
    rlimit::increase_nofile_limit(u64::MAX)?;
    let identity = Arc::new(Identity::generate()?);
    let mut crowd = block_on(come(server, people, AT_ONCE, &identity))?;
    for line in stdin().lines() {
        line?;
        drop(crowd);
        crowd = block_on(come(server, people, people, &identity))?;
    }
    Ok(())
}

/// Has all sign in, so many at once, and tells how long it took.
async fn come(
    server: SocketAddr,
    people: usize,
    at_once: usize,
    identity: &Arc<Identity>,
) -> Result<Vec<Person>> {
    let (start, refused) = (Instant::now(), Arc::new(AtomicUsize::new(0)));
    let next = Arc::new(AtomicUsize::new(0));
    let share = || {
        let (next, refused, identity) = (next.clone(), refused.clone(), identity.clone());
        spawn(async move {
            let mut come = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= people {
                    return come;
                }
                let person = insist(server, number, &identity, &refused).await;
                come.push((person, start.elapsed()));
            }
        })
    };
    let shares: Vec<JoinHandle<_>> = (0..at_once).map(|_| share()).collect();
    let (mut crowd, mut times) = (Vec::new(), Vec::new());
    for share in shares {
        for (person, time) in share.await {
            crowd.push(person);
            times.push(time);
        }
    }
    times.sort_unstable();
    let (half, all) = (times[people / 2], times[people - 1]);
    let refused = refused.load(Ordering::Relaxed);
    println!(
        "half of {people} are there after {half:.1?}, all after {all:.1?}; {refused} tries failed"
    );
    Ok(crowd)
}

/// Tries until it is let in.
async fn insist(
    server: SocketAddr,
    number: usize,
    identity: &Identity,
    refused: &AtomicUsize,
) -> Person {
    let last = u8::try_from(2 + number % ADDRESSES).unwrap_or(u8::MAX);
    let (from, name) = (IpAddr::from([127, 0, 1, last]), format!("person{number}"));
    let limit = Duration::from_secs(HANDSHAKE_SECONDS);
    loop {
        let signing_in = Person::sign_in(server, from, identity, &name);
        if let Some(Ok(person)) = task::within(limit, signing_in).await {
            return person;
        }
        refused.fetch_add(1, Ordering::Relaxed);
        task::sleep(Duration::from_millis(fastrand::u64(1_000..5_000))).await;
    }
}
