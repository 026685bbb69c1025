//! The state of the screen, and what each key and each event does to it. Pure: no I/O; what is to be done
//! outside is returned as effects, and the time is an argument.
//!
//! Owned by the [face](super::face). Invariants: only Ctrl-C loses a draft, and that can be undone; a message
//! counts as unread until it was visible on a screen in front of somebody, or somebody scrolled past it to the end.
//!
//! # Rooms, from the top
//!
//! ```text
//! press, hear           keys other than typing; events of the client
//! obey, compose, turn   commands; the text being written; switching conversations
//! state                 what is on the screen, and what may happen to it
//! ```

mod compose;
mod hear;
mod obey;
mod press;
mod state;
mod turn;

pub(super) use state::{App, Effect, Input, Line, Overlay, Start, is_online};
