//! Where connections come from: addresses, sockets, and the proxies in front of them.
//!
//! # Rooms, from the top
//!
//! ```text
//! listener, proxies  what listens; whom a proxy's connection is from
//! ```

mod listener;
mod proxies;

pub(crate) use listener::{ACCEPT_PAUSE, Listener, listen};
pub use listener::{Endpoint, Inherited, ListenError};
pub(crate) use proxies::{HeaderError, read_header};
pub use proxies::{NoProxy, Proxies};
