//! Invitations: each a secret word that lets one person in.
//!
//! Made by the server for its operator, who hands it on in an address; said by the client when it signs
//! in. The server keeps digests alone, so that nobody can use what is in its files or backups.

use std::fmt;
use std::str::FromStr;

use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

/// How many bytes of chance are in one: nobody guesses 128 bits.
const BYTES: usize = 16;

/// Displayed as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Invite([u8; BYTES]);

/// A text is not an [`Invite`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an invitation has {} lower-case hexadecimal digits", 2 * BYTES)]
pub struct InviteError;

/// What is kept of an [`Invite`]: its BLAKE3 hash. Displayed as hexadecimal digits.
pub type InviteDigest = blake3::Hash;

impl Invite {
    /// One that nobody has seen before.
    pub fn generate() -> Self {
        let mut bytes = [0; BYTES];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// What to remember it by.
    pub fn digest(&self) -> InviteDigest {
        blake3::hash(&self.0)
    }
}

impl fmt::Display for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// It is a secret: logs are read by others.
impl fmt::Debug for Invite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Invite(…)")
    }
}

impl FromStr for Invite {
    type Err = InviteError;

    fn from_str(text: &str) -> Result<Self, InviteError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
        if text.len() != 2 * BYTES || !text.bytes().all(is_digit) {
            return Err(InviteError);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InviteError)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_survives_being_written_down_and_is_never_logged() {
        let invite = Invite::generate();
        let text = invite.to_string();
        assert_eq!(text.parse(), Ok(invite));
        assert_ne!(invite, Invite::generate());
        assert_eq!(format!("{invite:?}"), "Invite(…)");
        for bad in ["", &text[1..], &format!("{text}0"), &text.replace(|_| true, "G"), "+"] {
            assert_eq!(bad.parse::<Invite>(), Err(InviteError), "{bad}");
        }
        assert_eq!(format!("+{}", &text[1..]).parse::<Invite>(), Err(InviteError));
    }
}
