//! A content, encrypted under a key of its own.
//!
//! Owned by whoever seals or opens one. Invariant: a key encrypts one content alone, so that its nonce may be zero; and
//! a payload opens under one key alone.

use std::fmt;

use bytes::Bytes;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use sha2::{Digest, Sha256};
use ssh_key::rand_core::{OsRng, RngCore};
use thiserror::Error;

use super::content::{Content, ContentError};

/// What the keys are derived for, and what is authenticated with the content.
const PURPOSE: &[u8] = b"tinychat/2 payload 1";

/// How long the commitment is, which a payload begins with.
const COMMITMENT: usize = 32;

/// *K*: what a payload's key and commitment are derived from. It is not shown by what it is debugged as.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadKey([u8; 32]);

/// A sealed content. Opaque to whoever has no key for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload(Bytes);

/// Why a [`Payload`] cannot be opened.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum PayloadError {
    #[error("what was sealed was not sealed with this key")]
    Commitment,
    #[error("what was sealed was changed on its way")]
    Damaged,
    #[error(transparent)]
    Content(#[from] ContentError),
}

impl PayloadKey {
    /// One that nobody has seen before.
    pub(super) fn generate() -> Self {
        let mut bytes = [0; 32];
        OsRng.fill_bytes(&mut bytes);
        Self(bytes)
    }

    /// The key with these bytes, as it was stored or sent.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub const fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    fn derive(&self) -> Derived {
        let mut both = [0; 64];
        let key = Salt::new(HKDF_SHA256, &[]).extract(&self.0);
        key.expand(&[PURPOSE], Both)
            .and_then(|derived| derived.fill(&mut both))
            .expect("64 bytes are less than HKDF's 255 hashes, and as many as there is room for");
        let (key, commitment) = both.split_at(32);
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).expect("its keys have 32 bytes");
        let commitment = commitment.try_into().expect("the other half of 64 bytes");
        Derived { key: LessSafeKey::new(key), commitment }
    }
}

impl fmt::Debug for PayloadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PayloadKey(…)")
    }
}

/// What is derived of [`PayloadKey`]s: two times 32 bytes.
struct Both;

impl KeyType for Both {
    fn len(&self) -> usize {
        64
    }
}

struct Derived {
    key: LessSafeKey,
    commitment: [u8; COMMITMENT],
}

impl Derived {
    fn purpose(&self) -> Aad<Vec<u8>> {
        Aad::from([PURPOSE, &self.commitment].concat())
    }
}

/// The nonce of a key that is used once.
fn nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; 12])
}

impl Payload {
    /// Seals a content with a key that nobody has seen before. An error if nobody could read it.
    pub fn seal(content: &Content) -> Result<(PayloadKey, Self), ContentError> {
        content.check()?;
        let key = PayloadKey::generate();
        let payload = Self::seal_with(&key, content);
        Ok((key, payload))
    }

    /// The same with a key that nothing was sealed with before.
    pub(super) fn seal_with(key: &PayloadKey, content: &Content) -> Self {
        let derived = key.derive();
        let mut text = content.encode();
        derived
            .key
            .seal_in_place_append_tag(nonce(), derived.purpose(), &mut text)
            .expect("a content is shorter than the 256 GiB that the cipher takes");
        Self([&derived.commitment[..], &text].concat().into())
    }

    /// What somebody else may have sealed.
    pub fn from_bytes(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// The bytes, which never change.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// SHA-256 over the bytes.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }

    /// The content, if it was sealed with this key.
    pub(super) fn open(&self, key: &PayloadKey) -> Result<Content, PayloadError> {
        let derived = key.derive();
        let (commitment, text) = self.0.split_at_checked(COMMITMENT).unwrap_or_default();
        // Whoever can measure how long this takes knows the commitment: it is the beginning of what was sent.
        if commitment != derived.commitment {
            return Err(PayloadError::Commitment);
        }
        let mut text = text.to_vec();
        let opened = derived.key.open_in_place(nonce(), derived.purpose(), &mut text);
        let length = opened.map_err(|_| PayloadError::Damaged)?.len();
        text.truncate(length);
        Ok(Content::decode(text.into())?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::content::tests::contents;
    use super::*;

    proptest! {
        #[test]
        fn it_opens_with_its_key_alone(content in contents()) {
            let (key, other) = (PayloadKey::generate(), PayloadKey::generate());
            let payload = Payload::seal_with(&key, &content);
            prop_assert_eq!(payload.open(&other), Err(PayloadError::Commitment));
            prop_assert_eq!(payload.open(&key), Ok(content));
        }

        #[test]
        fn no_changed_byte_is_let_through(content in contents(), at: prop::sample::Index, by in 1..=255_u8) {
            let key = PayloadKey::generate();
            let mut bytes = Payload::seal_with(&key, &content).bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            let error = if at < COMMITMENT { PayloadError::Commitment } else { PayloadError::Damaged };
            prop_assert_eq!(Payload::from_bytes(bytes.into()).open(&key), Err(error));
        }

        #[test]
        fn whatever_comes_is_refused(bytes: Vec<u8>) {
            prop_assert!(Payload::from_bytes(bytes.into()).open(&PayloadKey::generate()).is_err());
        }
    }

    #[test]
    fn a_key_is_not_logged() {
        assert_eq!(format!("{:?}", PayloadKey::generate()), "PayloadKey(…)");
        assert_ne!(PayloadKey::generate(), PayloadKey::generate());
    }

    #[test]
    fn what_is_shorter_than_a_tag_is_refused() {
        let key = PayloadKey::generate();
        for length in [0, 1, COMMITMENT, COMMITMENT + 15, COMMITMENT + 16] {
            let mut bytes = key.derive().commitment.to_vec();
            bytes.resize(length, 0);
            assert!(Payload::from_bytes(bytes.into()).open(&key).is_err(), "{length}");
        }
    }
}
