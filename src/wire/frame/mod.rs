//! The frames of `tinychat/1`: what each side may say, a row for each.
//!
//! Pure data. A frame that is added is a row here, and an arm where it is heard; what the
//! [specification](super) and the fuzzers' dictionary have to say of it, the tests tell.
//!
//! # Rooms, from the top
//!
//! ```text
//! client, server, files                            the tables
//! messages, names, presence, refusal, watermarks   parts that only one of them has
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
pub(crate) use messages::encode_messages;
pub(crate) use names::online_line;
pub use presence::Presence;
pub use refusal::Refusal;
pub use server::ServerFrame;
pub use watermarks::Watermarks;
#[cfg(test)]
pub(super) use welcome::LIMIT_WORDS;
pub use welcome::Limits;

pub use super::codes::{ByeReason, ErrorCode, FileError};
