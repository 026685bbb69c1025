//! Where connections come from: addresses, sockets, and the proxies in front of them.
//!
//! # Rooms, from the top
//!
//! ```text
//! listener, proxies  what listens; whom a proxy's connection is from
//! ```

mod listener;
mod proxies;

pub use listener::{Endpoint, Inherited};
pub(crate) use listener::{Listener, listen};
pub(crate) use proxies::{HeaderError, read_header};
pub use proxies::{NoProxy, Proxies};
