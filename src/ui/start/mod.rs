//! How every face comes up: what the command line says, what is asked for, and the client that runs behind it.
//!
//! # Rooms, from the top
//!
//! ```text
//! first   the first start of a person: what does not work is asked for again
//! offer   what worked is offered to be written into `config.toml`
//! person  what is asked at the terminal
//! entry   from what the command line says to a running client
//! ```

pub mod entry;
pub(crate) mod first;
mod offer;
pub(crate) mod person;
