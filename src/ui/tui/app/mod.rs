//! What is on the screen, and what each key and each event makes of it. Pure: no I/O; what is to be done
//! outside comes back as effects, and the time is an argument.
//!
//! Owned by the [face](super::face). Invariants: no draft is lost but by Ctrl-C, which can be undone; a message
//! counts as unread until it was in sight on a screen in front of somebody, or somebody passed it by on the
//! way to the end.
//!
//! # Rooms, from the top
//!
//! ```text
//! press, hear           what keys do beside writing; what the client tells
//! obey, compose, turn   commands; what one is writing; turning from one conversation to another
//! state                 what is on the screen, and what may happen to it
//! ```

mod compose;
mod hear;
mod obey;
mod press;
mod state;
mod turn;

pub(super) use state::{App, Effect, Input, Line, Overlay, Start, is_online};
