//! Ids that both sides use: of data folders, files, messages.
//!
//! Owned by nobody. Invariant: an id is never reused.

use std::fmt;
use std::str::FromStr;

use faster_hex::CheckCase;
use thiserror::Error;

/// One person's client data folder: a random number, made once. 16 lower-case hexadecimal digits
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(u64);

impl Installation {
    /// How many digits it has.
    pub const DIGITS: usize = 16;

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
        let number =
            lower_hex(text).filter(|_| text.len() == Self::DIGITS).ok_or(InstallationError)?;
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

/// A message for its whole life: random, made by the client that first wrote it, and kept when the message is numbered
/// anew or sent by another data folder of the same person. 32 lower-case hexadecimal digits on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin([u8; 16]);

impl Origin {
    /// How many digits it has.
    pub const DIGITS: usize = 32;

    /// The origin with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0
    }

    /// The origin of a message that was written before there were any: made of its id, so that both sides find the same.
    pub fn of(MessageId { installation, n }: MessageId) -> Self {
        let [high, low] = [installation.to_u64(), n].map(u128::from);
        Self((high << 64 | low).to_be_bytes())
    }

    /// The digits, with a space before and behind them.
    pub fn spaced(self) -> [u8; Self::DIGITS + 2] {
        let mut digits = [b' '; Self::DIGITS + 2];
        // Two digits fit for each byte.
        let _ = faster_hex::hex_encode(&self.0, &mut digits[1..=Self::DIGITS]);
        digits
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; Self::DIGITS];
        f.write_str(faster_hex::hex_encode(&self.0, &mut digits).map_err(|_| fmt::Error)?)
    }
}

/// A text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the origin of a message is 32 lower-case hexadecimal digits")]
pub struct OriginError;

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let bytes = faster_hex::hex_decode_array_with_case(text.as_bytes(), CheckCase::Lower);
        bytes.map(Self).map_err(|_| OriginError)
    }
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

        #[test]
        fn an_origin_survives_the_wire(bytes: [u8; 16]) {
            let origin = Origin::from_bytes(bytes);
            prop_assert_eq!(origin.to_string().parse(), Ok(origin));
            prop_assert_eq!(origin.to_string().to_uppercase() == origin.to_string(),
                            origin.to_string().to_uppercase().parse() == Ok(origin));
        }
    }
}
