//! The client without a face: connects and reconnects, keeps outbox and history on disk, and knows
//! nothing of terminals. A face gives it [`Command`]s and is given [`Event`]s.
//!
//! One task (`core`) owns the connection, the conversations and the store. Invariant: a message is on
//! disk before it is sent, and on disk before it is acknowledged; every receipt is on disk before it
//! is told.
//!
//! # Rooms, from the top
//!
//! ```text
//! handle             starting a client, giving it commands, and ending it
//! core, fresh        the one task; undoing a first start that failed
//! beside, files      other processes of the same person; files in flight
//! line               the line to the server
//! command, event     what a face asks for, and what it is told
//! store              what was written and received, on disk
//! config, outcome    its configuration; the results of commands about people
//! ```

pub mod beside;
mod command;
mod config;
mod core;
mod event;
pub mod files;
mod fresh;
mod handle;
mod line;
mod outcome;
mod store;

pub use command::{Command, Unwanted};
pub use config::{
    Address, AddressError, Config, DEFAULT_PORT, HANDSHAKE, Lookup, MAX_HANDSHAKE, MAX_PEOPLE,
    Proxies, Proxy, ProxyError, QueryError, Seal, SealError, Source, Target, Unasked,
    system_lookup,
};
pub use event::{Absence, Ending, Event, Failure};
pub use fresh::is_new;
pub use handle::{Client, StartError};
pub use outcome::{Change, Doubt, KeyAnswer, Trust, Verification};
pub use store::archive::{Place, Summary};
pub use store::database::StoreError;
pub use store::info::{FileInfo, MAX_CAPTION};
pub use store::outbox::Pending;
pub use store::rows::{FileState, Incoming, Passage, Received, Record, State, Transfer, Way};
pub use store::search::{Hit, Query};
pub use store::stock::{Freed, Lying};
pub use store::transcript;
