//! The line to the server: the way there, one connection, and what is known of each conversation on it.
//!
//! The core has one such connection, and each carrier of a file has its own. Invariant: nothing is said to a server
//! before it is known to be the right one.
//!
//! # Rooms, from the top
//!
//! ```text
//! connection               frames to and from the server, once signed in
//! sign_in                  proving who one is
//! door                     reaching a server, and verifying that it is the right one
//! socks                    connecting through a proxy
//! dial                     connecting to whichever address of a host answers
//! eyeballs                 in which order addresses are tried
//! waits, silence           the timeout of each step; how long a server may be silent
//! broken                   why connecting failed, or a connection ended
//! backoff, conversation    the delay between retries; the state of one conversation
//! list                     how far a peer's device list is known
//! allowance                so many of something in a period
//! ```

pub(crate) mod allowance;
pub(crate) mod backoff;
pub(crate) mod broken;
pub(crate) mod connection;
pub(crate) mod conversation;
pub(crate) mod dial;
pub(crate) mod door;
mod eyeballs;
pub(crate) mod list;
pub(crate) mod sign_in;
pub(crate) mod silence;
mod socks;
pub(crate) mod waits;
