//! Sentences for people, which every face uses. Pure.
//!
//! # Rooms, from the top
//!
//! ```text
//! files        files, what became of them, and their progress
//! news, keys   events of the client; people's keys
//! times        times in a person's own time zone, written and parsed
//! numbers      counts of something
//! ```

pub(crate) mod files;
pub(crate) mod keys;
pub(crate) mod news;
mod numbers;
pub mod times;

pub(crate) use numbers::count;
