//! Incoming connections: they are accepted, counted, and served in turn.
//!
//! # Rooms, from the top
//!
//! ```text
//! accepting  the accept loop
//! reception  counts connections, and starts to serve them in turn
//! queue      which connection is next
//! ```

mod accepting;
mod queue;
mod reception;

pub(crate) use accepting::accept;
pub(crate) use reception::{Reception, begin_in_turn};
