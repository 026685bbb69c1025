//! The terminal as a stream of lines: what stands on it, and what is asked at it.
//!
//! # Rooms, from the top
//!
//! ```text
//! screen             both outputs, and what each is for
//! bars, row          files on their way; the line that is being edited
//! modes, passphrase  the terminal's modes while keys come one by one; a question whose answer is not shown
//! ```

mod bars;
pub(crate) mod modes;
pub(crate) mod passphrase;
#[allow(clippy::disallowed_methods, reason = "it draws instead of printing")]
pub(crate) mod row;
pub(crate) mod screen;
