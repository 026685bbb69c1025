//! What may be typed, how it is edited on its way, and what it means: the same for every face.
//!
//! # Rooms, from the top
//!
//! ```text
//! completion             how what is being written may go on
//! command                the one table of what may be typed
//! paths                  words that name files
//! composer, keys, input  a text that is being written; what keys do; lines of a terminal or of a script
//! ```

pub mod command;
pub(crate) mod completion;
pub(crate) mod composer;
pub mod input;
pub(crate) mod keys;
pub(crate) mod paths;
