//! The grammar of `tinychat/1`: bytes to frames and back, without any I/O.
//!
//! # Rooms, from the top
//!
//! ```text
//! decoder      bytes to frames
//! table        what a table of frames is
//! words        the words of a header line, and bodies
//! error        bytes that are not a frame
//! ```

mod decoder;
mod error;
mod table;
mod words;

pub use decoder::Decoder;
pub use error::ProtocolError;
pub use table::{Frame, Verb};
pub use words::Words;
pub(super) use words::{body, line, number, sentence};
