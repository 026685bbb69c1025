//! Files on their way, and where they are put.
//!
//! The core decides what is carried (`core`); each is carried on a thread of its own, on a connection of its own; what is
//! written down of it, and how much of it lies here, is in the `store`. A file that comes lies in the data folder, below
//! [`FOLDER`], until its person frees it. Invariant: nothing is there under its own name whose hash is not that which its
//! sender has told.
//!
//! # Rooms, from the top
//!
//! ```text
//! carry                 one file on its way: what the thread does that carries it
//! talk                  talking with the server on its connection
//! job, place, source    what is carried; where a file lies that comes; a file that is to be sent
//! save                  putting a file that came where its person wants it
//! ```

pub(crate) mod carry;
pub(crate) mod job;
pub(crate) mod place;
pub(crate) mod save;
pub(crate) mod source;
mod talk;

pub use super::store::rows::Listed;
pub use place::FOLDER;
