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
//! folder            operations on a whole folder: check, restore
//! ask, serve        the operator's end; the server's end
//! deeds             what operators did, for the log
//! operations        the table of operations
//! purge             an operation that leaves nothing of a person
//! people, bans      operations that change something about people; that keep them away
//! announce, limits  operations that say something to everybody; that limit one person
//! invitations       invitations: made, listed, taken back
//! accounts, stock   what is known of people; operations on what waits
//! status, disk      how the server is; what takes up the disk
//! words             words of requests, and for what operators are told
//! subject           what operations look at and change
//! socket, error     the socket; why an operation failed
//! ```

mod accounts;
mod announce;
mod ask;
mod bans;
mod deeds;
mod disk;
mod error;
mod folder;
mod invitations;
mod limits;
mod operations;
mod people;
mod purge;
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
