//! What is said to a person, in words that every face uses. Pure.
//!
//! # Rooms, from the top
//!
//! ```text
//! files           files, what became of them, and how far they are
//! news            what the client tells
//! times, numbers  times in a person's own zone, as they are said and read; so many of something
//! ```

pub(crate) mod files;
pub(crate) mod news;
mod numbers;
pub mod times;

pub(crate) use numbers::count;
