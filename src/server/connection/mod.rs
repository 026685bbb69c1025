//! One connection, from its beginning to its end.
//!
//! # Rooms, from the top
//!
//! ```text
//! reader           the read task: takes frames, and answers
//! writer, arrival  the write task; TLS, and signing in
//! ```

mod arrival;
mod caller;
mod collected;
mod due;
mod handshake;
mod late;
mod reader;
mod told;
mod turn;
mod writer;

pub(crate) use arrival::turn_away;
pub(crate) use caller::{Caller, Whence};
pub(crate) use reader::serve;
