//! The server: accepts connections, serves each with a read task and a write task, and drains at
//! shutdown. Start reading at [`Server::run`], then `connection/reader.rs`, `sessions/session` and
//! `connection/writer.rs`.
//!
//! ```text
//! john's socket -> read task -> Session "john:marie" -> write task -> marie's socket
//!                                 |  ledger, channel        awaits "john:marie", because marie
//!                                 v                         has "marie:john" open
//!                              Mailbox
//! ```
//!
//! Owned by whoever runs it: the binary, or a test. Invariant: no task outlives
//! [`Server::run`], except those that did not end within its deadline.
//!
//! # Rooms, from the top
//!
//! ```text
//! drill                    restores a backup to see whether that could be done
//! run                      the tasks of a server, and its graceful shutdown
//! report                   what the log says of its start and its end
//! start                    opens the data folder, and listens
//! tuning                   what may change while the server runs
//! control                  requests of operators
//! upkeep                   periodic tasks
//! accept                   the accept loop; connections are counted, and served in turn
//! connection               one connection, from TLS to its end: signing in, reading, writing
//! blocking                 what it means to block somebody
//! metrics                  metrics and health, for programs that watch
//! host                     what all connections share
//! config                   a server's configuration
//! sessions, files          messages on their way to receivers; files, and who may carry them
//! people                   who may sign in, who is online, who blocks whom
//! link, limits, listening  a connection as others see it; rate limits; listeners and proxies
//! linger, counters         the last moment of a connection; what is counted
//! announcement             what the operator says to everybody
//! ```

mod accept;
mod announcement;
mod blocking;
mod config;
mod connection;
pub mod control;
mod counters;
mod drill;
mod files;
mod host;
mod limits;
mod linger;
mod link;
mod listening;
mod metrics;
mod people;
mod report;
mod run;
mod sessions;
mod start;
mod tuning;
mod upkeep;

pub use crate::blobs::FileLimits;
pub use config::{Config, Handshake, Timing, Tls};
pub use drill::{Drill, DrillError, drill};
pub use limits::{Rate, Rates};
pub use listening::{
    Endpoint, Inherited, ListenError, MetricsAddress, MetricsError, NoMetricsAddress, NoProxy,
    Proxies,
};
pub use people::{BookError, ChangeError, MAX_NAMES, Registration, UnknownContacts, Whom};
pub use sessions::Quota;
pub use start::{Server, StartError};
pub use tuning::Tuning;
