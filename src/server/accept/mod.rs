//! Where connections come in: they are accepted, counted, and begun in turn.
//!
//! # Rooms, from the top
//!
//! ```text
//! reception  accepts, counts, and begins
//! queue      who is next
//! ```

mod queue;
mod reception;

pub(crate) use reception::{ACCEPT_PAUSE, Reception, accept, begin_in_turn};
