//! The grammar of `tinychat/2`: bytes to frames and back, without any I/O.
//!
//! # Rooms, from the top
//!
//! ```text
//! decoder      bytes to frames
//! table        frames as data: what a row says, and the code made from it
//! part         how each kind of word, and a body, is read and written
//! words        taking words from a line, and putting them on one
//! error        bytes that are not a frame
//! ```

mod decoder;
mod error;
mod part;
mod table;
mod words;

pub use decoder::Decoder;
pub use error::ProtocolError;
pub(super) use part::{
    Body, Count, Invitation, KeyWord, ListVersion, Nonce, Number, Offset, Ordinal, Part, Sentence,
    Size, TicketWord, Version, put_length, put_word,
};
pub use table::{Counts, Frame, Verb, When};
pub(super) use table::{Described, frames, longest_body};
pub(super) use words::{Words, line, number, put_body, sentence};
