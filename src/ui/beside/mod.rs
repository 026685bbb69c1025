//! `tinychat send`, `tail`, `status` and `files`: for scripts, beside the face of the same person or without one.
//!
//! Each asks the process that owns the data folder. If there is none, it owns the folder itself meanwhile: it runs a
//! client without a face and asks that. Owned by the binary. Invariant: whoever owns the folder, and however often
//! that changes, a message is written once and told once.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                        one command, from its beginning to its end
//! send, tail, status, stock  each of the commands
//! asker                      asks the folder's owner, or becomes it
//! life, errand               a client without a face; a command, and why it failed
//! ```

mod asker;
mod errand;
mod life;
mod run;
mod send;
mod status;
mod stock;
mod tail;

pub use errand::{Errand, Error};
pub use run::run;
