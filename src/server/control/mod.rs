//! What operators ask of a server, running or not: what is in the mailbox, who may sign in.
//!
//! A running server listens on the Unix socket `control` in its data folder, for its owner alone. A
//! request is one line of words, the first of which names an operation (`operations`). The answer is *chunks*, each a
//! line `data LENGTH` and that many bytes, then one line: `done`, or `error` with a sentence. So a truncated answer is
//! recognised. With no server running the operation runs in the operator's own process, on the
//! locked folder.
//!
//! Owned by the server. Invariant: an operation runs on a thread of its own; chatting goes on.
//!
//! # Rooms, from the top
//!
//! ```text
//! folder               operations on a whole folder: check, restore
//! ask, serve           the operator's end; the server's end
//! deeds                what operators did, for the log
//! operations           the table of operations
//! people, stock, disk  operations on people; on what waits; what takes up the disk
//! status               how the server is
//! subject              what operations look at and change
//! socket, error        the socket; why an operation failed
//! words                numbers, as operators read them
//! ```

mod ask;
mod deeds;
mod disk;
mod error;
mod folder;
mod operations;
mod people;
mod serve;
mod socket;
mod status;
mod stock;
mod subject;
mod words;

pub use ask::{operate, operate_running};
pub(super) use deeds::log_earlier;
pub use error::ControlError;
pub use folder::{check, restore, verify};
pub(super) use serve::serve;
pub(super) use socket::{Door, bind};
