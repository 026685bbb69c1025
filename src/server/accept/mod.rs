//! Where connections come in: they are accepted, counted, and begun in turn.
//!
//! # Rooms, from the top
//!
//! ```text
//! accepting  the accept loop
//! reception  counts connections, and begins them in turn
//! queue      who is next
//! ```

mod accepting;
mod queue;
mod reception;

pub(crate) use accepting::accept;
pub(crate) use reception::{Reception, begin_in_turn};
