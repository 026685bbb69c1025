//! Files in flight, and where they are put.
//!
//! The core (`core`) decides which files are carried, each on a thread and a connection of its own; the `store` records
//! them, and how many bytes are here. A received file lies in the data folder, below [`FOLDER`], until its person frees
//! it. Invariant: a file has its final name there only if its hash is the one that its sender announced.
//!
//! # Rooms, from the top
//!
//! ```text
//! carry                 the thread that carries one file
//! talk, arriving        requests and answers on its connection; what comes of a file
//! steady                an own file that is read more than once, and is the same each time
//! job, place, source    what to carry; where a received file lies; a file to be sent
//! save                  saving a received file where its person wants it
//! ```

mod arriving;
pub(crate) mod carry;
pub(crate) mod job;
pub(crate) mod place;
pub(crate) mod save;
pub(crate) mod source;
mod steady;
mod talk;

pub use super::store::rows::Listed;
pub use place::FOLDER;
