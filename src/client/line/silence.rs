//! How long a server may be silent.
//!
//! Owned by whoever talks to it: the core, and each carrier of a file. Pure.

use std::time::Duration;

use crate::wire::frame::Limits;

/// The longest silence, in seconds, that a server can ask for. More would not fit into every clock.
const MAX_SILENCE: u64 = 24 * 60 * 60;

/// What a server announces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    /// After how long to say `PING`.
    pub(crate) ping_after: Duration,
    /// After how long to give it up.
    pub(crate) idle_after: Duration,
}

impl Silence {
    pub(crate) fn of(limits: &Limits) -> Self {
        let after = |seconds: u64| Duration::from_secs(seconds.clamp(1, MAX_SILENCE));
        Self { ping_after: after(limits.ping), idle_after: after(limits.idle) }
    }
}
