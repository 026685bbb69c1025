//! The heartbeat: it sends `PING` on silent connections, and closes those that are silent or read nothing for too long.
//!
//! Owned by the server: one task for all, so that an idle connection has no timer of its own.

use std::sync::Arc;
use std::time::Duration;

use crate::server::config::Timing;
use crate::server::host::Host;
use crate::server::link::{End, Link, Stillness};
use crate::task;
use crate::wire::frame::ByeReason;

/// Looks after silent connections, for ever.
pub(crate) async fn keep_in_touch(host: Arc<Host>) {
    let Timing { ping_after, idle_after, .. } = host.timing;
    let tick = (ping_after.min(idle_after) / 8).max(Duration::from_millis(5));
    loop {
        task::sleep(tick).await;
        for link in host.directory.links() {
            check_pulse(&link, tick, ping_after, idle_after);
        }
    }
}

fn check_pulse(link: &Link, tick: Duration, ping_after: Duration, idle_after: Duration) {
    let Stillness { silent, stalled } = link.pulse().look();
    if tick.saturating_mul(silent.max(stalled)) >= idle_after {
        link.end(End::Bye(ByeReason::Idle));
    } else if tick.saturating_mul(silent) >= ping_after && link.pulse().take_ping() {
        link.mark_ping();
    }
}
