//! What is typed at a terminal: a line with a cursor, what was written before, and how words go on. Pure: keys in,
//! lines out.
//!
//! Owned by the [keyboard](crate::ui::plain::keyboard). Invariant: nothing that is typed is lost but by a key that cuts it, and that
//! comes back by Ctrl-Y.
//!
//! # Rooms, from the top
//!
//! ```text
//! line           the line that is being typed, and what each key makes of it
//! view, written  what of it is shown; what was written before
//! ```

mod line;
mod view;
mod written;

pub(super) use line::{Editor, Pressed};
