//! The command line of both programs: a pass in front of `argh` puts the words into the order that it needs, and turns
//! its errors into our exit codes.
//!
//! `argh` alone takes the word `help` for a flag wherever it stands, and exits with 1 on wrong usage.
//!
//! # Rooms, from the top
//!
//! ```text
//! parsing, complete  words to flags; completions for shells
//! words, file        the words in the order that `argh` needs; a file below the command line
//! paths, likeness    paths that are not UTF-8; what an unknown word was meant to be
//! ```

pub mod complete;
mod file;
mod likeness;
mod parsing;
pub mod paths;
mod words;

pub use file::{FileError, Settings};
pub(crate) use likeness::nearest;
pub use parsing::{Stop, given, on_or_off, parse, parse_over};
