//! Who somebody is: keys, and proofs made with them. TLS and known servers will live here too.

pub mod identity;

pub use identity::{Identity, IdentityError, PublicKey};
