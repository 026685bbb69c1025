//! What operators ask of a server, running or not: what is in the mailbox, who may come.
//!
//! A running server listens on the Unix socket `control` in its data folder, for its owner alone. A
//! request is one line of words, the first of which names an operation (`operations`). The answer is *chunks*, each a
//! line `data LENGTH` and so many bytes, then one line: `done`, or `error` with a sentence. So an answer that was cut is
//! told from a whole one. With no server the same is done in the operator's own process, on the
//! locked folder.
//!
//! Owned by the server. Invariant: an operation runs on a thread of its own; chatting goes on.
//!
//! # Rooms, from the top
//!
//! ```text
//! folder         what is done with a whole folder: check, restore
//! ask, serve     the operator's end; the server's end
//! operations     what can be asked for, as a table
//! people, stock  what is done about people; what waits
//! subject        what operations look at and change
//! socket, error  where they ask; why they do not get it
//! ```

mod ask;
mod error;
mod folder;
mod operations;
mod people;
mod serve;
mod socket;
mod stock;
mod subject;

pub use ask::{operate, operate_running};
pub use error::ControlError;
pub use folder::{check, restore, verify};
pub(super) use serve::serve;
pub(super) use socket::bind;
