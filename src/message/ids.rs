//! Numbers by which things are known on both sides: data folders, files, messages.
//!
//! Owned by nobody. Invariant: an id is never reused.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// One person's client data folder: a random number, made once. 16 lower-case hexadecimal digits
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(u64);

impl Installation {
    /// The installation with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text is not 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an installation is 16 lower-case hexadecimal digits")]
pub struct InstallationError;

impl FromStr for Installation {
    type Err = InstallationError;

    fn from_str(text: &str) -> Result<Self, InstallationError> {
        let number = lower_hex(text).filter(|_| text.len() == 16).ok_or(InstallationError)?;
        u64::try_from(number).map(Self).map_err(|_| InstallationError)
    }
}

/// A file that a server keeps for somebody: a random number, made once. 32 lower-case hexadecimal digits
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(u128);

impl BlobId {
    /// The id with this number.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the id of a file is 32 lower-case hexadecimal digits")]
pub struct BlobIdError;

impl FromStr for BlobId {
    type Err = BlobIdError;

    fn from_str(text: &str) -> Result<Self, BlobIdError> {
        lower_hex(text).filter(|_| text.len() == 32).map(Self).ok_or(BlobIdError)
    }
}

/// Lower-case hexadecimal digits, at most 32.
pub(crate) fn lower_hex(text: &str) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = text.len() <= 32 && text.bytes().all(is_digit);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// What a message is called for its whole life, across every resend: made by the sending client,
/// never reused. `n` counts from 1 within one session and one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The sender's data folder.
    pub installation: Installation,
    /// The number within session and installation, from 1.
    pub n: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_installation_survives_the_wire(number: u64) {
            let installation = Installation::from_u64(number);
            prop_assert_eq!(installation.to_string().parse(), Ok(installation));
        }
    }
}
