//! The terminal as a stream of lines: output, and questions to the person.
//!
//! # Rooms, from the top
//!
//! ```text
//! screen             standard output and standard error, and what each is for
//! bars, row          progress of files; the line that is being edited
//! modes, passphrase  the terminal's modes while keys are read one by one; a question whose answer is not shown
//! ```

mod bars;
pub(crate) mod modes;
pub(crate) mod passphrase;
#[allow(clippy::disallowed_methods, reason = "it draws instead of printing")]
pub(crate) mod row;
pub(crate) mod screen;
