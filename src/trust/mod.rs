//! Identities: keys of people and of servers, proofs made with them, and which ones are remembered.
//!
//! # Rooms, from the top
//!
//! ```text
//! devices                       which data folders receive what is written to a person
//! identity, tls, known_servers  a person's key that signs; TLS, with servers known by their keys; servers one has met
//! key_file, server_files        the file of a person's key; the files of a server's certificate
//! digits                        what two people compare to be sure of each other's keys
//! public_key                    a person's public key
//! agent, kinds, secret          signing by an SSH agent; advice on files that are no key; invitations and tickets
//! armour, curve_key, fingerprint  keys as text; keys for sealing; fingerprints to compare them
//! ```

pub mod agent;
mod armour;
mod curve_key;
pub mod devices;
pub mod digits;
pub mod fingerprint;
pub mod identity;
mod key_file;
mod kinds;
pub mod known_servers;
mod public_key;
pub mod secret;
mod server_files;
pub mod tls;

pub use curve_key::{CurveKey, CurveKeyError};
pub use digits::{Digits, DigitsError, Pair};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::Identity;
pub use key_file::{IdentityError, KeyFile};
pub use public_key::{PublicKey, PublicKeyError};
pub use secret::{Invite, Secret, SecretDigest, SecretError, Ticket};
pub use server_files::{CertificateError, CertificateFiles};
