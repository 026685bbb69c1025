//! What keeps a session's messages until the receiver's client says that it has them.
//!
//! Owned by the server. Invariant: see the [`Mailbox`] trait. [`EmbeddedMailbox`] is a store in the server's data folder;
//! beside it stands one that forgets everything with its process, the simplest that can be right, for tests.
//!
//! # Rooms, from the top
//!
//! ```text
//! embedded         a mailbox in a folder on this machine
//! interface        what a mailbox promises
//! shelf            what it keeps of one session
//! accounts, usage  what is known of a sender's installations; how much waits
//! ```

mod accounts;
mod embedded;
mod interface;
#[cfg(test)]
mod memory;
mod shelf;
mod usage;

#[cfg(test)]
mod contract;

pub use accounts::{Account, Accounts};
pub use embedded::{
    Counts, EmbeddedMailbox, Image, Inspection, OpenError, Salvage, SessionContent, backup,
};
pub use interface::{Commit, Event, Mailbox, MailboxError};
#[cfg(test)]
pub use memory::MemoryMailbox;
pub use shelf::{Outline, Run, Shelf};
pub use usage::Usage;
