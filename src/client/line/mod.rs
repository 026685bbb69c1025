//! The line to the server: the way there, one connection, and what is known of each conversation on it.
//!
//! The core has one such connection, each carrier of a file another. Invariant: nothing is said to a server before it is
//! known to be the right one.
//!
//! # Rooms, from the top
//!
//! ```text
//! connection               frames to and from a server that one is signed in at
//! sign_in                  showing who one is
//! door                     the way to a server, and whether it is the right one
//! socks                    through a proxy
//! dial                     to whichever address of a host answers
//! eyeballs, waits          in which order those are tried, and how long each step may take
//! broken                   why a connection did not come about, or ended
//! backoff, conversation    how long to wait between tries; where one conversation is
//! ```

pub(crate) mod backoff;
pub(crate) mod broken;
pub(crate) mod connection;
pub(crate) mod conversation;
pub(crate) mod dial;
pub(crate) mod door;
mod eyeballs;
pub(crate) mod sign_in;
mod socks;
pub(crate) mod waits;
