//! Connections that carry files beside people's messages, and how they prove whose they are.
//!
//! # Rooms, from the top
//!
//! ```text
//! carrier  uploads and downloads
//! tickets  who may carry, and how many at once
//! ```

mod carrier;
mod tickets;

pub(crate) use carrier::{Means, carry};
pub(crate) use tickets::{Issued, Pass, PassError, Tickets};
