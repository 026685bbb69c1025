//! Who has been quiet is forgotten.
//!
//! Owned by the server: one task.

use std::sync::Arc;
use std::time::Duration;

use crate::server::accept::Reception;
use crate::server::host::Host;
use crate::task;

/// How often those are forgotten who have been quiet.
const QUIET: Duration = Duration::from_secs(60);

/// Keeps what is remembered of rates to those who have been busy lately, and writes down who came from where.
pub(crate) async fn forget_the_quiet(host: Arc<Host>, reception: Arc<Reception>) {
    loop {
        task::sleep(QUIET).await;
        host.person_rates.forget_the_quiet();
        reception.forget_the_quiet();
        host.claims.forget_the_quiet();
        reception.report();
        host.guests.write(host.clock.uptime()).await;
    }
}
