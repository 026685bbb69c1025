//! Files that wait: the server's folder of blobs, and how much of them there may be.
//!
//! Owned by the server; asked by connections that carry files, on threads where they may block. A blob is
//! for one receiver, under a random id. What is offered counts with all its bytes for its sender from then on, and in
//! the room that all share as its bytes come; where there is none left an upload waits. Invariant: a blob is in the
//! index as *kept* only when all of it is on the disk, synced, under its own name.
//!
//! # Rooms, from the top
//!
//! ```text
//! index    what waits and what is coming
//! room     how much room there is for all of it
//! survey   what lies in the folder
//! refusal  how much one person may have, and why a file is not taken
//! file     one file as it lies on the disk
//! ```

mod file;
mod index;
mod refusal;
mod room;
mod survey;

pub(crate) use file::{LABEL, named};
pub(crate) use index::{Blobs, Resumed, Upload};
pub(crate) use refusal::BlobError;
pub use refusal::FileLimits;
pub(crate) use survey::{FOLDER, Stock, inspect, survey};
