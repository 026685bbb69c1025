//! A mailbox in the server's data folder: an LSM store with a write-ahead journal.
//!
//! Owned by the server. Two threads wait for the disk, so that nobody else has to: one commits,
//! the other reads. Changes collect in a [`journal`] in memory; the writer takes all of them, writes
//! them as one commit with one fsync, and takes what came meanwhile. So a lone message is synced at
//! once, and under load a commit has thousands.
//!
//! Bodies that are [withheld](withholding) are removed from the disk bit by bit, so that no commit takes long.
//!
//! Invariant: disk and journal together are the mailbox. What is reported as committed is on the
//! synced disk; what was removed before its commit began is never written.
//!
//! When a commit fails (the disk is full, or failing) the engine refuses all others: the writer
//! waits until there is room, opens the store again and retries the same changes. Meanwhile
//! [`ready`](super::Mailbox::ready) fails and reading goes on. A commit that failed may have reached the disk
//! nevertheless; the number of the last commit in the store tells.
//!
//! # Rooms, from the top
//!
//! ```text
//! handle                      the mailbox as the server holds it
//! writer, reader              the thread that commits, and the one that answers questions
//! shared                      what both threads and the handle share
//! backup, salvage             a store in an archive; what is left of a damaged one
//! opening                     opens a store, or refuses a damaged one
//! sizes                       how much the content of a store takes
//! loads, upgrade, inspection  how much waits for whom; older layouts; whether a store is sound, and what is in it
//! store                       commits
//! image, journal              a consistent view of the disk; changes that are not committed yet
//! error, scan                 why a store is not read; a check of the engine's journal before the engine opens it
//! layout                      what the bytes on disk mean
//! tally                       what a backup says is in it
//! withholding                 which bodies are to be removed
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
mod sizes;
mod store;
mod tally;
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
pub use tally::Tally;
