//! The command line of both programs: a pass in front of `argh` that puts the words where it takes them, and turns
//! what it refuses into the exit codes.
//!
//! `argh` alone takes the word `help` for a flag wherever it stands, and has wrong usage exit with 1.
//!
//! # Rooms, from the top
//!
//! ```text
//! parsing, complete  words to flags; what may stand next on a line, for shells
//! words              the words in the order in which `argh` takes them
//! paths, likeness    paths that are no UTF-8; what was meant by a word that there is not
//! ```

pub mod complete;
mod likeness;
mod parsing;
pub mod paths;
mod words;

pub(crate) use likeness::nearest;
pub use parsing::{Stop, on_or_off, parse};
