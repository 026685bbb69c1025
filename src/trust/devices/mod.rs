//! Device lists: which data folders receive what is written to a person, signed by the person's key.
//!
//! A list is a text, one version after the other. With its signature behind it, it is a *statement*:
//!
//! ```text
//! tinychat/2 devices
//! server SHA256:47DE…            (the fingerprint of the server's key; none without TLS)
//! name john                      (in the mapped spelling)
//! identity AAAAC3Nz…             (whoever owns the name, and has signed; as in HELLO)
//! version 3                      (from 1)
//! previous SHA256:n4bQ…          (base64 without padding of SHA-256 over the text of version 2; - in version 1)
//! time 2026-11-28T23:45:16Z
//! device 5f3c0a9c41c3b2e7 AAAAC3Nz…      (1 to 8: installation and device key; neither comes twice)
//! gone 77aa51c0ffee0012 AAAAC3Nz…        (0 to 32 that are no devices any more)
//! -----BEGIN SSH SIGNATURE-----
//! …
//! -----END SSH SIGNATURE-----
//! ```
//!
//! Each line ends with one LF. The signature is an SSHSIG over the text above it, whose namespace is
//! `tinychat-devices`, so that `ssh-keygen -Y verify -n tinychat-devices` checks it.
//!
//! # Rooms, from the top
//!
//! ```text
//! signed          a list with its signature
//! parsing         a list's text, read
//! list            a list, and how the next version follows
//! device          one data folder of a person
//! statement, key  a text with its signature; the key of a data folder
//! ```

mod device;
mod key;
mod list;
mod parsing;
mod signed;
mod statement;

pub use device::Device;
pub use key::DeviceKey;
pub use list::{DeviceList, MAX_DEVICES, MAX_GONE, MAX_VERSION, Owner};
pub use parsing::ListError;
pub use signed::{DEVICES_NAMESPACE, SignedList, SignedListError};
pub use statement::{MAX_STATEMENT, MAX_TEXT, StatementError};
