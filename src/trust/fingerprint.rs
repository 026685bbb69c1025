//! What people compare to be sure of a key: SHA-256 over it, shown as OpenSSH shows it.
//!
//! For a person's key it is over OpenSSH's wire form, as in `ssh-keygen -l`; for a server's over the
//! SubjectPublicKeyInfo of its certificate (RFC 5280 §4.1), so that a renewed certificate with the same key has the
//! same fingerprint.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};
use thiserror::Error;

/// Digits that are spoken together, and the bytes that they are made from.
const SPOKEN_DIGITS: usize = 5;
const SPOKEN_BYTES: usize = 5;

/// Displayed as `SHA256:` and base64 without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

/// A text is not a [`Fingerprint`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a fingerprint is SHA256: and 43 letters and digits behind it")]
pub struct FingerprintError;

impl Fingerprint {
    /// Of a key's bytes.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }

    /// The hash that this is.
    pub const fn from_bytes(hash: [u8; 32]) -> Self {
        Self(hash)
    }

    /// The hash.
    pub const fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// The same for the telephone: six groups of five digits, the remainders of 100,000 of the first 30
    /// bytes, five by five as big-endian numbers.
    pub fn spoken(&self) -> String {
        let group = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
        let groups = self.0.chunks_exact(SPOKEN_BYTES).map(|bytes| group(bytes) % 100_000);
        let groups: Vec<_> = groups.map(|group| format!("{group:0SPOKEN_DIGITS$}")).collect();
        groups.join(" ")
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        ssh_key::Fingerprint::Sha256(self.0).fmt(f)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let parsed: ssh_key::Fingerprint = text.parse().map_err(|_| FingerprintError)?;
        match parsed {
            ssh_key::Fingerprint::Sha256(hash) => Ok(Self(hash)),
            _ => Err(FingerprintError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_and_read_as_openssh_does() {
        // SHA-256 of nothing (FIPS 180-4 test vectors), in base64.
        let text = "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
        assert_eq!(Fingerprint::of(b"").to_string(), text);
        assert_eq!(text.parse(), Ok(Fingerprint::of(b"")));
        let md5 = "MD5:d4:1d:8c:d9:8f:00:b2:04:e9:80:09:98:ec:f8:42:7e";
        for bad in ["", "SHA256:", md5, &text[7..], &text[..40], &format!("{text}=")] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad}");
        }
    }

    #[test]
    fn it_can_be_read_aloud() {
        // SHA-256 of nothing begins with e3b0c44298, which is 977,923,228,312.
        assert_eq!(Fingerprint::of(b"").spoken(), "28312 71035 19033 54212 51492 41426");
    }
}
