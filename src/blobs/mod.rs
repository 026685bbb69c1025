//! Files that wait: the server's folder of blobs, and how much of them there may be.
//!
//! Owned by the server; used by connections that carry files, on threads that may block. A blob is
//! for one receiver, under a random id. From its offer on, a file counts with its whole size against its sender's
//! quota; in the room that all share it counts as its bytes arrive, and where none is left the upload waits. Invariant:
//! a blob is in the index as *kept* only when all of it is on the disk, synced, under its own name.
//!
//! # Rooms, from the top
//!
//! ```text
//! index    what waits and what is coming
//! room     how much room all of it may take
//! survey   what is in the folder
//! refusal  the quota of one person, and why a file is refused
//! file     one file on the disk
//! ```

mod file;
mod index;
mod refusal;
mod room;
mod survey;

pub(crate) use file::{LABEL, named};
pub(crate) use index::{Blobs, Held, Resumed, Upload};
pub(crate) use refusal::BlobError;
pub use refusal::FileLimits;
pub(crate) use survey::{FOLDER, Stock, inspect, survey};
