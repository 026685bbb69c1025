//! A person's public key, and verifying signatures with it.
//!
//! Owned by whoever wants to know who somebody is: the server's book of names, and the client. Invariant: it is an
//! Ed25519 key, and the word that it is displayed as parses to it.

use std::fmt;
use std::str::FromStr;

use ssh_key::SshSig;
use ssh_key::public::Ed25519PublicKey;
use thiserror::Error;

use super::{Fingerprint, armour};

/// The word that OpenSSH puts before an Ed25519 public key.
pub(super) const ALGORITHM: &str = "ssh-ed25519";

/// What OpenSSH calls a signature, in its armour.
const SIGNATURE: &str = "SSH SIGNATURE";

/// A person's public key. Displayed as the base64 word of an OpenSSH public key line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(Ed25519PublicKey);

impl PublicKey {
    /// The key that these bytes are, as RFC 8032 has it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Ed25519PublicKey(bytes))
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0.0
    }

    /// Whether `armour` is an SSHSIG by this key over `text`.
    pub fn has_signed(&self, namespace: &str, text: &str, armour: &[u8]) -> bool {
        signature(armour).is_some_and(|signature| self.fits(namespace, text, &signature))
    }

    fn fits(&self, namespace: &str, text: &str, signature: &SshSig) -> bool {
        self.openssh().verify(namespace, text.as_bytes(), signature).is_ok()
    }

    /// The same of a key that may be of another kind.
    pub(super) fn of(key: &ssh_key::PublicKey) -> Option<Self> {
        key.key_data().ed25519().copied().map(Self)
    }

    /// What `ssh-keygen -l` shows of it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.wire_form())
    }

    /// As in RFC 8709 §4: the algorithm and the key, each behind its length.
    pub(super) fn wire_form(&self) -> Vec<u8> {
        let parts = [ALGORITHM.as_bytes(), &self.0.0];
        parts.map(|part| [&(part.len() as u32).to_be_bytes(), part].concat()).concat()
    }

    pub(super) fn openssh(&self) -> ssh_key::PublicKey {
        ssh_key::PublicKey::from(self.0)
    }
}

/// Whose key `armour` is an SSHSIG by over `text`: none if it is no such signature.
pub(super) fn signer(namespace: &str, text: &str, armour: &[u8]) -> Option<PublicKey> {
    let signature = signature(armour)?;
    let key = PublicKey(signature.public_key().ed25519().copied()?);
    key.fits(namespace, text, &signature).then_some(key)
}

fn signature(armour: &[u8]) -> Option<SshSig> {
    SshSig::from_pem(armour::rewrapped(armour, SIGNATURE)?).ok()
}

impl From<Ed25519PublicKey> for PublicKey {
    fn from(key: Ed25519PublicKey) -> Self {
        Self(key)
    }
}

/// A text is not the base64 word of an Ed25519 public key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key is the base64 word of an Ed25519 public key in OpenSSH's format")]
pub struct PublicKeyError;

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(word: &str) -> Result<Self, PublicKeyError> {
        // A comment or another line behind the key would be let through by the parser.
        if word.contains(char::is_whitespace) {
            return Err(PublicKeyError);
        }
        let key = ssh_key::PublicKey::from_openssh(&format!("{ALGORITHM} {word}"));
        key.ok().as_ref().and_then(Self::of).ok_or(PublicKeyError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.openssh().to_openssh().map_err(|_| fmt::Error)?;
        f.write_str(line.split(' ').nth(1).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Identity;
    use ssh_key::HashAlg;

    #[test]
    fn a_fingerprint_is_what_openssh_shows() {
        let key = Identity::generate().unwrap().public();
        let shown = key.openssh().fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(key.fingerprint().to_string(), shown);
    }

    #[test]
    fn a_public_key_survives_the_wire_and_nothing_else_does() {
        let key = Identity::generate().unwrap().public();
        let word = key.to_string();
        assert_eq!(word.parse(), Ok(key));
        for bad in ["", "AAAA", &format!("{word} comment"), &word[..40]] {
            assert_eq!(bad.parse::<PublicKey>(), Err(PublicKeyError), "{bad}");
        }
    }
}
