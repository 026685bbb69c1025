//! A device's public key for sealing.
//!
//! Owned by nobody. Invariant: the text that it is displayed as parses to it, and no other text does.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use thiserror::Error;

/// A public key of X25519 (RFC 7748). Displayed as base64 without padding, 43 characters. Of the two texts that a key has,
/// because X25519 ignores its highest bit, only the one without that bit is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CurveKey([u8; 32]);

/// A text is not a [`CurveKey`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a Curve25519 key is 43 characters of base64")]
pub struct CurveKeyError;

impl CurveKey {
    /// The key with these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether the bit is zero that X25519 ignores. If not, other bytes are the same key.
    pub const fn is_canonical(self) -> bool {
        self.0[31] & 0x80 == 0
    }
}

impl fmt::Display for CurveKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD_NO_PAD.encode(self.0))
    }
}

impl FromStr for CurveKey {
    type Err = CurveKeyError;

    fn from_str(text: &str) -> Result<Self, CurveKeyError> {
        let bytes = STANDARD_NO_PAD.decode(text).map_err(|_| CurveKeyError)?;
        let key = bytes.try_into().map(Self).map_err(|_| CurveKeyError)?;
        key.is_canonical().then_some(key).ok_or(CurveKeyError)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_survives_being_written_down(bytes: [u8; 32]) {
            let key = CurveKey::from_bytes(bytes);
            let read = if key.is_canonical() { Ok(key) } else { Err(CurveKeyError) };
            prop_assert_eq!(key.to_string().parse(), read);
        }

        #[test]
        fn there_is_one_text_for_a_key(text in "[A-Za-z0-9+/=]{42,44}") {
            if let Ok(key) = text.parse::<CurveKey>() {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }
}
