//! A conversation on the screen. Pure.
//!
//! # Rooms, from the top
//!
//! ```text
//! talk    one conversation: its messages, what was seen, the draft
//! window  the part of it that is loaded, and the scroll position
//! layout  the rows of its messages, and of the lines between them
//! ```

mod layout;
mod talk;
mod window;

pub(super) use layout::{Pane, Row, stamp};
pub(super) use talk::{Conversation, Sight};
pub(super) use window::{Anchor, PAGE};
