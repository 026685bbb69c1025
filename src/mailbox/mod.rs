//! Keeps a session's messages until the receiver's client says that it has them; and what decides whether messages are
//! accepted: everybody's device list, and whom people accept and block.
//!
//! Owned by the server. Invariant: see the [`Mailbox`] trait. [`EmbeddedMailbox`] is a store in the server's data
//! folder; for tests there is also the simplest one that can be right, in memory alone.
//!
//! # Rooms, from the top
//!
//! ```text
//! embedded               a mailbox in a folder on this machine
//! interface              what a mailbox promises
//! shelf                  what is kept of one session
//! accounts, usage        the state of a sender's installations; how much waits
//! device_list, standing  the device list of a name; what somebody thinks of somebody else
//! ```

mod accounts;
mod device_list;
mod embedded;
mod interface;
#[cfg(test)]
mod memory;
mod shelf;
mod standing;
mod usage;

#[cfg(test)]
mod agreement;
#[cfg(test)]
mod contract;

pub use accounts::{Account, Accounts, Fate, Records};
pub use device_list::{KeptList, ListId};
pub use embedded::{
    Counts, EmbeddedMailbox, Image, Inspection, OpenError, Salvage, SessionContent, Tally, backup,
};
pub use interface::{Commit, Event, Mailbox, MailboxError};
#[cfg(test)]
pub use memory::MemoryMailbox;
pub use shelf::{Outline, Run, Shelf};
pub use standing::Standing;
pub use usage::Usage;
