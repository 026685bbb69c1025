//! Faces of the client: what a person or a script sees of it.
//!
//! A face knows nothing of frames; it gives the client commands and is given events. [`typing::command`] has
//! the one table of what may be typed.
//!
//! # Rooms, from the top
//!
//! ```text
//! tui, plain, beside, manual  the full screen; lines in, lines out; commands beside it; manual pages
//! start, history              how every face comes up; all that was written and received, printed
//! console                     the terminal as a stream of lines
//! phrases, typing             what is said to a person; what may be typed, and how it is edited
//! settings, wrap              what a person has set once for all; texts in rows of so many columns
//! ```

pub mod beside;
pub(crate) mod console;
pub mod history;
pub mod manual;
pub(crate) mod phrases;
pub mod plain;
pub mod settings;
pub mod start;
#[allow(clippy::disallowed_methods, reason = "it draws instead of printing")]
pub mod tui;
pub mod typing;
pub(crate) mod wrap;

pub use phrases::times;
