//! The terminal as a screen: what is to stand on it, and how it gets there.
//!
//! # Rooms, from the top
//!
//! ```text
//! terminal  the terminal, taken and given back
//! painter   what has changed, as bytes
//! canvas    what is to stand on the screen
//! ```

pub(super) mod canvas;
mod painter;
pub(super) mod terminal;

#[cfg(test)]
pub(super) use painter::{Painter, glass};
