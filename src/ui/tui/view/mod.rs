//! How the [app](super::app) is drawn. Reads it, changes nothing.
//!
//! # Rooms, from the top
//!
//! ```text
//! frame     everything that is on the screen
//! help      what F1 shows
//! front     boxes in front of the rest
//! messages  the messages of a conversation, with their addresses and pictures
//! ```

mod frame;
mod front;
mod help;
mod messages;

pub(super) use frame::draw;
