//! Messages on their way to receivers: a session for each direction of each conversation.
//!
//! # Rooms, from the top
//!
//! ```text
//! delivery                     from a session to the connection of its receiver
//! registry                     the map of all sessions
//! session, strangers           one direction of a conversation; who writes to people who never answered
//! ledger, window, pace, quota  what a session knows; holds in memory; how long a commit waits; how much may wait
//! ```

mod delivery;
mod ledger;
mod pace;
mod quota;
mod registry;
mod session;
mod strangers;
mod window;

pub(crate) use delivery::{Delivery, deliveries};
pub use quota::Quota;
pub(crate) use registry::Registry;
pub(crate) use session::{Accepted, Offer, Retired, Session};
#[cfg(test)]
pub(crate) use window::Windows;
