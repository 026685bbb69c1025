//! One connection, from TLS to its end: who signs in, the read task, the write task.
//!
//! # Rooms, from the top
//!
//! ```text
//! serve                    a connection, from its beginning to its end
//! reader, writer, arrival  takes frames; says what there is to say; TLS, and signing in
//! messages, conversations  what the read task does with messages, and about conversations
//! told, handshake, late    what was told about a conversation; who signs in, and whether in time
//! reading, due             what the read task owns; what the write task has to say next
//! collected, turn          messages that came together; how much is done before others have their turn
//! caller, shared           a connection that was accepted; what both tasks share
//! sent                     which number stands for which message
//! ```

mod arrival;
mod caller;
mod collected;
mod conversations;
mod due;
mod handshake;
mod late;
mod messages;
mod reader;
mod reading;
mod sent;
mod serve;
mod shared;
mod told;
mod turn;
mod writer;

pub(crate) use arrival::turn_away;
pub(crate) use caller::{Caller, Whence};
pub(crate) use serve::serve;
