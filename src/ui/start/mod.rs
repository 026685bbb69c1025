//! How every face starts: the command line, questions to the person, and the client that runs behind it.
//!
//! # Rooms, from the top
//!
//! ```text
//! first   a person's first start: what does not work is asked for again
//! offer   an offer to write what worked into `config.toml`
//! person  questions at the terminal
//! entry   from the command line to a running client
//! ```

pub mod entry;
pub(crate) mod first;
mod offer;
pub(crate) mod person;
