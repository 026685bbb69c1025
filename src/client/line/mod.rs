//! The line to the server: the way there, one connection, and what is known of each conversation on it.

pub(crate) mod backoff;
pub(crate) mod connection;
pub(crate) mod conversation;
pub(crate) mod dial;
pub(crate) mod door;
mod eyeballs;
pub(crate) mod sign_in;
mod socks;
pub(crate) mod waits;
