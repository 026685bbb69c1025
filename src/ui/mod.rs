//! Faces of the client: what a person or a script sees of it.
//!
//! A face knows nothing of frames; it gives the client commands and is given events. [`command`] has
//! the one table of what may be typed, [`text`] what may be shown of other people's words.

pub mod command;
mod input;
pub mod plain;
mod screen;
pub mod text;
