//! Secret words (bearer tokens) that a server makes, and that prove something by themselves.
//!
//! An *invitation* lets one person in: the operator hands it on in an address, the client says it when it signs in, and
//! the server keeps digests alone, so that nobody can use what is in its files or backups. A *ticket* says on another
//! connection who is signed in on this one; it is valid as long as this one lives.

use std::fmt;
use std::str::FromStr;

use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

use crate::message;

/// How many bytes of chance are in one: nobody guesses 128 bits.
const BYTES: usize = 16;

/// Displayed as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret([u8; BYTES]);

/// Lets one person in.
pub type Invite = Secret;

/// Says who somebody is who is signed in.
pub type Ticket = Secret;

/// A text is not a [`Secret`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an invitation or a ticket has {} lower-case hexadecimal digits", 2 * BYTES)]
pub struct SecretError;

/// What is kept of a [`Secret`]: its BLAKE3 hash. Displayed as hexadecimal digits.
pub type SecretDigest = blake3::Hash;

impl Secret {
    /// One that nobody has seen before.
    pub fn generate() -> Self {
        let mut bytes = [0; BYTES];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// What to remember it by.
    pub fn digest(&self) -> SecretDigest {
        blake3::hash(&self.0)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// It is a secret: logs are read by others.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let number = message::lower_hex(text).filter(|_| text.len() == 2 * BYTES);
        let number = number.ok_or(SecretError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_survives_being_written_down_and_is_never_logged() {
        let secret = Secret::generate();
        let text = secret.to_string();
        assert_eq!(text.parse(), Ok(secret));
        assert_ne!(secret, Secret::generate());
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace(|_| true, "G"), "+"] {
            assert_eq!(bad.parse::<Secret>(), Err(SecretError), "{bad}");
        }
        assert_eq!(format!("+{}", &text[1..]).parse::<Secret>(), Err(SecretError));
    }
}
