//! What an Olm message has in it: the key of a payload, and what binds it to that payload and to one conversation.
//!
//! Owned by whoever seals or opens. Invariant: a payload is opened with an envelope's key only if both hashes fit.

use thiserror::Error;

use super::content::Content;
use super::context::Context;
use super::payload::{Payload, PayloadError, PayloadKey};

/// How long an envelope is, in bytes.
const LENGTH: usize = 96;

/// The key of a payload, with the hashes that bind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    key: PayloadKey,
    payload: [u8; 32],
    context: [u8; 32],
}

/// Why an envelope does not open a payload.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum EnvelopeError {
    #[error("an envelope has {LENGTH} bytes")]
    Length,
    #[error("the envelope is of another message")]
    Payload,
    #[error("the envelope is for another conversation, another device or another number")]
    Context,
    #[error(transparent)]
    Inside(#[from] PayloadError),
}

impl Envelope {
    /// That of a payload which was sealed with this key.
    pub fn new(key: PayloadKey, payload: &Payload, context: &Context<'_>) -> Self {
        Self { key, payload: payload.hash(), context: context.hash() }
    }

    /// What Olm encrypts.
    pub(super) fn to_bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let parts = [self.key.to_bytes(), self.payload, self.context];
        bytes.copy_from_slice(parts.as_flattened());
        bytes
    }

    /// What Olm has decrypted.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let (parts, rest) = bytes.as_chunks();
        match (parts, rest) {
            ([key, payload, context], []) => {
                let key = PayloadKey::from_bytes(*key);
                Ok(Self { key, payload: *payload, context: *context })
            }
            _ => Err(EnvelopeError::Length),
        }
    }

    /// Opens the payload that came with it, in the context that its reader knows.
    pub(super) fn open(
        &self,
        payload: &Payload,
        context: &Context<'_>,
    ) -> Result<Content, EnvelopeError> {
        if self.payload != payload.hash() {
            return Err(EnvelopeError::Payload);
        }
        if self.context != context.hash() {
            return Err(EnvelopeError::Context);
        }
        Ok(payload.open(&self.key)?)
    }
}
