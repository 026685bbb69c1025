//! Who somebody is: keys of people and of servers, proofs made with them, and what is remembered of
//! them.
//!
//! # Rooms, from the top
//!
//! ```text
//! identity, tls, known_servers  a person who signs; a connection whose server is known; the servers one has met
//! key_file, server_files        what is in the files of a person's key, and of a server's certificate
//! public_key                    a person's public key
//! agent, kinds, secret          who signs for somebody; what is taken for a key; words that a server believes
//! armour, fingerprint           how keys are written, and compared
//! ```

pub mod agent;
mod armour;
pub mod fingerprint;
pub mod identity;
mod key_file;
mod kinds;
pub mod known_servers;
mod public_key;
pub mod secret;
mod server_files;
pub mod tls;

pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::Identity;
pub use key_file::{IdentityError, KeyFile};
pub use public_key::{PublicKey, PublicKeyError};
pub use secret::{Invite, Secret, SecretDigest, SecretError, Ticket};
pub use server_files::{CertificateError, CertificateFiles};
