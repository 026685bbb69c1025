//! What waits ages: tasks that look after the clock, and let go of what is too old.
//!
//! Owned by the server. Invariant: nothing goes but by the server's [`Clock`](crate::clock::Clock).

use std::sync::Arc;
use std::time::Duration;

use crate::clock::Watch;
use crate::mailbox::EmbeddedMailbox;
use crate::message::SessionKey;
use crate::server::host::Host;
use crate::task;

/// How often it is looked for what is too old, at most.
const SHORTEST_SWEEP: Duration = Duration::from_millis(100);

/// Lets messages expire that have waited for so long.
pub(crate) async fn sweep(host: Arc<Host>, keep: Duration) {
    loop {
        let expiring = |key: &SessionKey| host.announce_waiting(key.sender(), key.receiver());
        if let Some(before) = host.clock.overdue(keep)
            && let Err(error) = host.registry.sweep(before, expiring).await
        {
            log::error!("looking for messages that are too old: {error}");
        }
        task::sleep(between_sweeps(&host)).await;
    }
}

/// Keeps no file for longer than a message, and no upload that nobody goes on with.
pub(crate) async fn sweep_files(host: Arc<Host>) {
    loop {
        let (keep, blobs) = (host.keep, host.blobs.clone());
        task::blocking(move || blobs.sweep(keep)).await;
        task::sleep(between_sweeps(&host)).await;
    }
}

/// Has the uptime stored, by which all this ages, and tells the operator when somebody sets the wall clock.
pub(crate) async fn watch_the_clocks(host: Arc<Host>, mailbox: Arc<EmbeddedMailbox>) {
    let mut watch = Watch::begin(&host.clock);
    loop {
        task::sleep(host.timing.look).await;
        mailbox.store_uptime();
        if let Some(leap) = watch.look(&host.clock) {
            log::warn!("{leap}");
        }
    }
}

/// How often it is looked for what is too old: so that nothing is kept for much longer than it is to be.
fn between_sweeps(host: &Host) -> Duration {
    let by_keep = host.keep.map(|keep| (keep / 10).max(SHORTEST_SWEEP));
    by_keep.map_or(host.timing.sweep, |by_keep| by_keep.min(host.timing.sweep))
}
