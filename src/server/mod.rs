//! The server: accepts connections, serves each with a read task and a write task, drains at the
//! end. Start reading at [`Server::run`], then `connection/reader.rs`, `sessions/session` and `connection/writer.rs`.
//!
//! ```text
//! john's socket -> read task -> Session "john:marie" -> write task -> marie's socket
//!                                 |  ledger, channel        awaits "john:marie", because marie
//!                                 v                         has "marie:john" open
//!                              Mailbox
//! ```
//!
//! Owned by whoever runs it; the binary, or a test. Invariant: no task outlives
//! [`Server::run`], but those that did not end within its deadline.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                      the tasks of a server, and the drain at its end
//! start                    opens the data folder, and listens
//! control                  what operators ask
//! upkeep                   tasks that look after what is there
//! accept                   the accept loop; connections are counted, and begun in turn
//! connection               one connection, from TLS to its end: signing in, reading, writing
//! blocking                 what it means to block somebody
//! host                     what all connections share
//! config                   what a server is told
//! sessions, files          what is said, and to whom it goes; files, and who may carry them
//! people                   who may come, who is there, whom people want to hear
//! link, limits, listening  a connection as others see it; how much may come; where it comes from
//! linger                   the last moment of a connection
//! ```

mod accept;
mod blocking;
mod config;
mod connection;
pub mod control;
mod files;
mod host;
mod limits;
mod linger;
mod link;
mod listening;
mod people;
mod run;
mod sessions;
mod start;
mod upkeep;

pub use crate::blobs::FileLimits;
pub use config::{Config, Handshake, Timing, Tls};
pub use limits::{Rate, Rates};
pub use listening::{Endpoint, Inherited, ListenError, NoProxy, Proxies};
pub use people::{BookError, ChangeError, MAX_NAMES, Registration};
pub use sessions::Quota;
pub use start::{Server, StartError};
