//! Forgets those who have been quiet.
//!
//! Owned by the server: one task.

use std::sync::Arc;
use std::time::Duration;

use crate::server::accept::Reception;
use crate::server::host::Host;
use crate::task;

/// How often they are forgotten.
const QUIET: Duration = Duration::from_secs(60);

/// After how many times those are written down who were here. That is the whole book, and somebody always is.
const SEEN: u32 = 60;

/// Forgets the rates of those who have been quiet, and writes down who signed in, and from which addresses.
pub(crate) async fn forget_the_quiet(host: Arc<Host>, reception: Arc<Reception>) {
    loop {
        for _ in 0..SEEN {
            task::sleep(QUIET).await;
            host.person_rates.forget_the_quiet();
            reception.forget_the_quiet();
            host.claims.forget_the_quiet();
            reception.report();
            host.guests.write(host.clock.uptime()).await;
        }
        host.write_seen().await;
    }
}
