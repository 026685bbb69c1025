//! How fast, how often and how many: what one person may do, and what may come from one address.
//!
//! # Rooms, from the top
//!
//! ```text
//! person_rates, claims, confirming  what is counted for people, for new names, for those who may take longer
//! rates                             rates and their buckets, and what comes from an address
//! ```

mod claims;
mod confirming;
mod person_rates;
mod rates;

pub(crate) use claims::Claims;
pub(crate) use confirming::{Confirming, Place};
pub(crate) use person_rates::{PersonRates, SLOWED};
pub(crate) use rates::{Coming, Origin, Pace, TooMany};
pub use rates::{Rate, Rates};
