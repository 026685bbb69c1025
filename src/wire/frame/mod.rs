//! The frames of `tinychat/2`: what each side may say, a row for each.
//!
//! Pure data. A new frame is a row here, and an arm where it is handled; the tests tell what the
//! [specification](super) and the fuzzers' dictionary must say of it.
//!
//! # Rooms, from the top
//!
//! ```text
//! client, server, files                            the tables of frames
//! messages, names, presence, refusal, watermarks   parts of frames that only one table has
//! welcome                                          the limits that a server announces
//! ```

mod client;
mod files;
mod messages;
mod names;
mod presence;
mod refusal;
mod server;
#[cfg(test)]
mod tests;
mod watermarks;
mod welcome;

pub use client::ClientFrame;
pub(crate) use files::chunk_line;
pub use files::{FileReply, FileRequest};
pub(crate) use messages::{encode_messages, longest_frame};
pub(crate) use names::{blocks_line, online_line};
pub use presence::Presence;
pub use refusal::Refusal;
pub use server::ServerFrame;
pub use watermarks::Watermarks;
#[cfg(test)]
pub(super) use welcome::LIMIT_WORDS;
pub use welcome::Limits;

pub use super::codes::{ByeReason, ErrorCode, FileError};
