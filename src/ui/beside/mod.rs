//! `tinychat send`, `tail`, `status` and `files`: for scripts, beside the face of the same person or without one.
//!
//! Each asks the process that owns the data folder. If none does, it owns it for so long: it runs a client
//! without a face and asks that. Owned by the binary. Invariant: whoever owns the folder, and however often
//! that changes, a message is written once and told once.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                        an errand from its beginning to its end
//! send, tail, status, stock  each of them
//! asker                      who asks an owner of the folder, or owns it
//! life, errand               a client without a face; what is asked, and why it is not done
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
