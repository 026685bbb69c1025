//! Pictures among the messages: whether this terminal can show them, and how.
//!
//! [`decode`] makes pixels out of files that other people made, [`gallery`] has that done aside and holds
//! what was made. Owned by the face. Invariant: what is known of the terminal comes from the environment and
//! from the size of its window. One thing is [asked](question) of it, before anything else reads what it
//! says, and only where it is said to be kitty: which version it is. No start waits for that longer than
//! [`PATIENCE`](question::PATIENCE), what is typed meanwhile counts as typed, and an answer that comes
//! [later](late) does not.
//!
//! # Rooms, from the top
//!
//! ```text
//! gallery           has pictures made aside, and holds them
//! make, decode      a picture as the terminal takes it; pixels out of other people's files
//! capability, jpeg  whether and how this terminal shows pictures; photographs of many pixels
//! keys, refusal     keys without late answers among them; why a picture is not shown
//! question          what the terminal is asked
//! late, limits      an answer that comes late; how large a picture may be
//! ```

mod capability;
mod decode;
mod gallery;
mod jpeg;
mod keys;
mod late;
mod limits;
mod make;
mod question;
mod refusal;

pub(super) use capability::Capability;
#[cfg(test)]
pub(super) use decode::guarded;
pub(super) use decode::is_guarded;
pub(super) use gallery::Gallery;
pub(super) use keys::Keys;
pub(super) use question::Heard;
