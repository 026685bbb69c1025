//! Pictures among the messages: whether this terminal can show them, and how.
//!
//! [`decode`] makes pixels from files that other people made, [`gallery`] runs it in the background and holds
//! the results. Owned by the face. Invariant: what is known of the terminal comes from the environment and
//! from the size of its window. It is [asked](question) one thing, its version, before anything else reads
//! from it, and only where it claims to be kitty. No start waits for the answer longer than
//! [`PATIENCE`](question::PATIENCE); what is typed meanwhile counts as typed, and an answer that comes
//! [later](late) does not.
//!
//! # Rooms, from the top
//!
//! ```text
//! gallery           has pictures made in the background, and holds them
//! make, decode      a picture in the terminal's form; pixels from other people's files
//! capability, jpeg  whether and how this terminal shows pictures; scaled decoding of large photographs
//! keys, refusal     key presses with late answers filtered out; why a picture is not shown
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
