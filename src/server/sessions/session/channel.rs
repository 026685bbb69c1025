//! What travels from a session to its receiver's write task.
//!
//! Plain types.

use async_channel::{Receiver, Sender};

use crate::server::sessions::window::Held;

pub(super) type Channel = (Sender<Queued>, Receiver<Queued>);

/// What travels through a session's channel.
#[derive(Debug)]
pub(crate) enum Queued {
    /// Messages.
    Batch(Held),
    /// What follows is in the mailbox alone; see [`Session::resume`](super::Session::resume).
    More,
}

/// Why a session cannot be drained now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNow {
    /// Get it from the registry again.
    Retired,
    /// Messages expire, and nothing may pass them until that is committed; or the receiver does not
    /// want any.
    HeldBack,
}

/// The right to drain a session, until somebody takes it over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease(pub(super) u64);

/// What a write task needs to send a session's messages from the oldest one that waits.
pub(crate) struct Drain {
    pub(crate) lease: Lease,
    pub(crate) batches: Receiver<Queued>,
    /// Everything up to here is acknowledged.
    pub(crate) cursor: u64,
    /// Up to here messages have to come from the mailbox, for the channel does not have them.
    pub(crate) refill_to: u64,
}
