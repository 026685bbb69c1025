//! Where connections come from: addresses, sockets, and the proxies in front of them.
//!
//! # Rooms, from the top
//!
//! ```text
//! metrics_address    where metrics are answered for
//! listener, proxies  listening sockets; the client behind a proxy's connection
//! ```

mod listener;
mod metrics_address;
mod proxies;

pub(crate) use listener::{ACCEPT_PAUSE, Listener, listen};
pub use listener::{Endpoint, Inherited, ListenError};
pub use metrics_address::{MetricsAddress, MetricsError, NoMetricsAddress};
pub(crate) use proxies::{HeaderError, canonical, read_header};
pub use proxies::{NoProxy, Proxies};
