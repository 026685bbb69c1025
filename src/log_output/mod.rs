//! The server's log: a standard output that takes whatever is logged.
//!
//! Owned by the program.
//!
//! # Rooms, from the top
//!
//! ```text
//! guard  a standard output that never fails and never blocks
//! ```

mod guard;

pub use guard::Guard;
