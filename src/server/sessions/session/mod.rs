//! One direction of one conversation on the server: its ledger, and the channel in which its
//! messages wait for the receiver's write task.
//!
//! Owned by the [`registry`](super::registry); connections hold handles. Everything inside is under
//! one lock that is held for a few plain lines and never across an await; while it is held a batch
//! gets its positions, goes to the mailbox and into the channel, so that all three agree on the
//! order.
//!
//! The channel is the quick way and not the truth: whatever is in it is in the mailbox too, and what
//! exceeds its [`window`](super::window) is there alone. So a reader that lost a batch, or comes back
//! to messages that an earlier connection took out, sees a gap in the positions and fills it from the
//! mailbox; and behind a full window stands a mark that says that there is more.
//!
//! # Rooms, from the top
//!
//! ```text
//! draining, held_back  what a write task asks; blocks, what expires, names that change hands
//! handle               what connections, and the registry, do with a session
//! state                what it is, under its lock
//! channel              what travels through it
//! ```

mod channel;
mod draining;
mod handle;
mod held_back;
mod state;

pub(crate) use channel::{Drain, Lease, NotNow, Queued};
pub(crate) use handle::{Accepted, Retired};
pub(crate) use state::{Session, Status};
