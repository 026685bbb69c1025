//! What may change while the server runs: who may have a new name, quotas, rates, and how long messages wait.
//!
//! Handed to whoever hears the operator. Invariant: nobody is disconnected, and nothing that was stored is lost, but what
//! has waited longer than it may now.

use std::sync::Arc;

use super::accept::Reception;
use super::config::Config;
use super::host::Host;

/// What may change of a server while it runs.
pub struct Tuning {
    pub(super) host: Arc<Host>,
    pub(super) reception: Arc<Reception>,
}

impl Tuning {
    /// Obeys `registration`, `quota`, `files`, `rates` and `keep` from now on. The rest is for another server.
    pub fn set(&self, config: &Config) {
        let Self { host, reception } = self;
        host.names.set_registration(config.registration);
        host.keep.set(config.keep);
        host.blobs.set_limits(config.files);
        host.person_rates.set(&config.rates);
        host.claims.set(config.rates.names);
        reception.set_rates(&config.rates);
        host.quota.set(config.quota);
        // Who was refused may have room now, and tries again.
        host.registry.announce_recovery();
    }
}
