//! Sealing of messages, as the store does it: in the transaction that also numbers a message, or puts it into the
//! history.
//!
//! Owned by the [store](super). Invariant: a key of a session is used once. So a session moves on in the same transaction
//! in which something that was sealed in it is stored to be sent, or something that was opened in it is stored as
//! received; of a transaction that fails nothing remains, no session in memory either.
//!
//! # Rooms, from the top
//!
//! ```text
//! sealing, opening  messages are sealed, to be sent; those that came are opened
//! sessions          Olm sessions with the devices of others
//! keyring           the keys that both need, read once
//! ```

pub(crate) mod keyring;
pub(crate) mod opening;
pub(crate) mod sealing;
pub(crate) mod sessions;
#[cfg(test)]
mod tests;
