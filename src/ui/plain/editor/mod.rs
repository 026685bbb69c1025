//! What is typed at a terminal: a line with a cursor, a history of earlier lines, and completion. Pure: keys in,
//! lines out.
//!
//! Owned by the [keyboard](crate::ui::plain::keyboard). Invariant: typed text is lost only by a key that cuts it, and
//! Ctrl-Y brings that back.
//!
//! # Rooms, from the top
//!
//! ```text
//! line           the line that is being typed, and what each key does to it
//! view, written  the part of it that is shown; the history of lines
//! ```

mod line;
mod view;
mod written;

pub(super) use line::{Editor, Pressed};
