//! A mailbox in the server's data folder: an LSM store with a write-ahead journal.
//!
//! Owned by the server. Two threads wait for the disk, so that nobody else has to: one commits,
//! the other reads. Everything that is asked for collects in a [`journal`] in memory; the writer
//! takes all of it, writes it as one commit with one fsync, and takes what came meanwhile. So a
//! lonely message is synced at once, and under load a commit has thousands.
//!
//! Bodies that are [withheld](withholding) go from the disk bit by bit, so that no commit takes long.
//!
//! Invariant: disk and journal together are the mailbox. What is reported as committed is on the
//! synced disk; what was removed before its commit began is never written.
//!
//! When a commit fails (the disk is full, or failing) the engine refuses all others: the writer
//! waits until there is room, opens the store again and commits the same changes again. Meanwhile
//! [`ready`](super::Mailbox::ready) fails and reading goes on. A commit that failed may have reached the disk
//! nevertheless; the number of the last one in the store tells.
//!
//! # Rooms, from the top
//!
//! ```text
//! handle                      the mailbox as the server holds it
//! writer, reader              the thread that commits, and the one that answers questions
//! shared                      what they have in common
//! backup, salvage             a store in an archive; what is left of one that is damaged
//! opening                     opens a store, or refuses one that is damaged
//! loads, upgrade, inspection  what waits for whom; older layouts; what is in a store, and whether it is sound
//! store                       commits
//! image, journal              what is on disk, to read from; what was asked for and is not committed yet
//! error, scan                 why a store is not read; what is in the engine's journal, before the engine sees it
//! layout                      what the bytes on disk mean
//! withholding                 which bodies are to go
//! files, watermark            copies of a store; how far it is known to be synced
//! ```

pub mod backup;
mod error;
mod files;
mod handle;
mod image;
mod inspection;
mod journal;
mod layout;
mod loads;
mod opening;
mod reader;
mod salvage;
mod scan;
mod shared;
mod store;
#[cfg(test)]
mod test_stores;
mod upgrade;
mod watermark;
mod withholding;
mod writer;

pub use handle::EmbeddedMailbox;
pub use image::Image;
pub use inspection::{Inspection, SessionContent};
pub use opening::OpenError;
pub use salvage::Salvage;
pub use shared::Counts;
