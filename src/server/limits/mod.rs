//! How fast, how often and how many: what one person may do, and what may come from one address.
//!
//! # Rooms, from the top
//!
//! ```text
//! person_rates        how fast each person may be
//! coming, claims      how often an address may come, and claim a new name
//! confirming          who may take longer to sign in
//! rates, origin       rates and their buckets; an address as all of these see it
//! ```

mod claims;
mod coming;
mod confirming;
mod origin;
mod person_rates;
mod rates;

pub(crate) use claims::Claims;
pub(crate) use coming::{Coming, TooMany};
pub(crate) use confirming::{Confirming, Place};
pub(crate) use origin::Origin;
pub(crate) use person_rates::{PersonRates, SLOWED};
pub(crate) use rates::Pace;
pub use rates::{Rate, Rates};
