//! A conversation as the screen has it. Pure.
//!
//! # Rooms, from the top
//!
//! ```text
//! talk    one conversation: what came, what was seen, what one is writing
//! window  a part of it that is loaded, and where one looks at it
//! layout  the rows of its messages, and of what stands between them
//! ```

mod layout;
mod talk;
mod window;

pub(super) use layout::{Pane, Row, stamp};
pub(super) use talk::{Conversation, Sight};
pub(super) use window::{Anchor, PAGE};
