//! One direction of one conversation on the server: its ledger, and the channel in which its
//! messages wait for the receiver's write task.
//!
//! Owned by the [`registry`](super::registry); connections hold handles. Everything inside is under
//! one lock that is held for a few plain lines and never across an await; while it is held a batch
//! gets its positions, goes to the mailbox and into the channel, so that all three agree on the
//! order.
//!
//! The channel is a fast path and not the truth: whatever is in it is in the mailbox too, and what
//! exceeds its [`window`](super::window) is in the mailbox alone. So a reader that lost a batch, or comes
//! back to messages that an earlier connection took out, sees a gap in the positions and fills it from
//! the mailbox; when the window is full, a mark in the channel says that there is more.
//!
//! # Rooms, from the top
//!
//! ```text
//! draining, held_back  taking messages out, for write tasks; blocks, expiry, names that change hands
//! handle               what connections, and the registry, do with a session
//! state                its state, under its lock
//! channel              the items in its channel
//! ```

mod channel;
mod draining;
mod handle;
mod held_back;
mod state;

pub(crate) use channel::{Drain, Lease, NotNow, Queued};
pub(crate) use handle::{Accepted, Offer, Retired};
pub(crate) use state::{Session, Status};
