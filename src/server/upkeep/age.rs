//! Expiry: tasks that keep the clock, and remove what is too old.
//!
//! Owned by the server. Invariant: nothing expires by any clock but the server's [`Clock`](crate::clock::Clock).

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Watch;
use crate::log_output::{Event, Events};
use crate::mailbox::EmbeddedMailbox;
use crate::message::SessionKey;
use crate::server::host::Host;
use crate::task;

/// The shortest interval between sweeps.
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);

/// Expires messages that have waited for as long as they may.
pub(crate) async fn sweep(host: Arc<Host>) {
    loop {
        let expiring = |key: &SessionKey| host.announce_waiting(key.sender(), key.receiver());
        if let Some(before) = host.keep.get().and_then(|keep| host.clock.overdue(keep))
            && let Err(error) = host.registry.sweep(before, expiring).await
        {
            log::error!("looking for messages that are too old: {error}");
        }
        task::sleep(between_sweeps(&host)).await;
    }
}

/// Removes files that have waited longer than a message may, and uploads that nobody continues.
pub(crate) async fn sweep_files(host: Arc<Host>) {
    loop {
        let (keep, blobs) = (host.keep.get(), host.blobs.clone());
        task::blocking(move || blobs.sweep(keep)).await;
        task::sleep(between_sweeps(&host)).await;
    }
}

/// Stores the uptime, by which all this ages, and tells the operator when somebody sets the wall clock.
pub(crate) async fn watch_the_clocks(host: Arc<Host>, mailbox: Arc<EmbeddedMailbox>) {
    let mut watch = Watch::begin(&host.clock);
    loop {
        task::sleep(host.timing.look).await;
        mailbox.store_uptime();
        if let Some(leap) = watch.look(&host.clock) {
            log::warn!(logger: Events, event = Event::ClockSet; "{leap}");
        }
    }
}

/// The interval between sweeps: short enough that nothing is kept for much longer than it should be.
fn between_sweeps(host: &Host) -> Duration {
    let by_keep = host.keep.get().map(|keep| (keep / 10).max(SHORTEST_SWEEP));
    by_keep.map_or(host.timing.sweep, |by_keep| by_keep.min(host.timing.sweep))
}
