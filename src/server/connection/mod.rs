//! One connection, from TLS to its end: who signs in, the read task, the write task.
//!
//! # Rooms, from the top
//!
//! ```text
//! serve                    a connection, from its beginning to its end
//! reader, writer, arrival  the read task; the write task; TLS, and signing in
//! messages, conversations  what the read task does with messages; opening and closing of conversations
//! lists                    device lists: telling them, taking the next ones
//! told, handshake, late    what was told about a conversation; the handshake; its timeouts
//! reading, due             the state of the read task; what the write task has to say next
//! collected, turn          messages that came together; how much a task does before it yields
//! caller, shared           an accepted connection; what both tasks share
//! sent                     which number stands for which message
//! ```

mod arrival;
mod caller;
mod collected;
mod conversations;
mod due;
mod handshake;
mod late;
mod lists;
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
