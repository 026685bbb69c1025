//! Who somebody is: keys, and proofs made with them. fingerprints of keys, for people to compare.

pub mod fingerprint;
pub mod identity;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::{Identity, IdentityError, PublicKey};
