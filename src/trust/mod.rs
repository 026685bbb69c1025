//! Who somebody is: keys of people and of servers, proofs made with them, and what is remembered of
//! them.

pub mod agent;
mod armour;
pub mod fingerprint;
pub mod identity;
mod key_file;
mod kinds;
pub mod known_servers;
pub mod secret;
mod server_files;
pub mod tls;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::{Identity, IdentityError, KeyFile, PublicKey};
pub use secret::{Invite, Secret, SecretDigest, SecretError, Ticket};
