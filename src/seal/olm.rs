//! One device's keys for sealing, and its sessions with other devices.
//!
//! Owned by a client's store. All of Olm is vodozemac's. Invariant: nothing is changed by a message that cannot be
//! opened, and a session that opened one takes the place of the one before only once its owner says so.

use thiserror::Error;
use vodozemac::Curve25519PublicKey;
use vodozemac::olm::{self, OlmMessage, PreKeyMessage, SessionConfig};

use super::content::Content;
use super::context::Context;
use super::envelope::{Envelope, EnvelopeError};
use super::payload::Payload;
use crate::trust::CurveKey;

/// A device's keys: one for life, and one that others begin sessions with. It is written down as JSON.
pub struct Account {
    keys: olm::Account,
    fallback: CurveKey,
}

/// What one device writes to another with, and reads by. It is written down as JSON.
#[derive(Debug)]
pub struct Session(olm::Session);

/// A message that was decrypted.
#[derive(Debug)]
pub struct Opened {
    session: Session,
    envelope: Envelope,
}

impl Opened {
    /// The content of the payload that came with it, in the context that its reader knows, and the session behind it. If
    /// it does not fit, the session before stays.
    pub fn content(
        self,
        payload: &Payload,
        context: &Context<'_>,
    ) -> Result<(Session, Content), OlmError> {
        let content = self.envelope.open(payload, context)?;
        Ok((self.session, content))
    }
}

/// Why there is no session, or a session does not open a message.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum OlmError {
    #[error("a device's keys or a session cannot be read: {0}")]
    Store(#[from] serde_json::Error),
    #[error("a device's keys lack the one that others begin with")]
    Fallback,
    #[error("it begins no conversation with this device: {0}")]
    Beginning(#[from] olm::SessionCreationError),
    #[error("it cannot be decrypted: {0}")]
    Decryption(#[from] olm::DecryptionError),
    #[error("it says that it begins another conversation")]
    Other,
    #[error("it cannot be encrypted: {0}")]
    Encryption(#[from] olm::EncryptionError),
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
}

impl From<Curve25519PublicKey> for CurveKey {
    fn from(key: Curve25519PublicKey) -> Self {
        Self::from_bytes(key.to_bytes())
    }
}

impl From<CurveKey> for Curve25519PublicKey {
    fn from(key: CurveKey) -> Self {
        Self::from_bytes(key.to_bytes())
    }
}

/// The version of Olm that is spoken.
const CONFIG: SessionConfig = SessionConfig::version_1();

impl Account {
    /// Keys that nobody has seen before.
    pub fn generate() -> Self {
        let mut keys = olm::Account::new();
        keys.generate_fallback_key();
        Self::of(keys).expect("a fallback key was made right before")
    }

    /// What [`Self::write`] has returned.
    pub fn read(text: &str) -> Result<Self, OlmError> {
        Self::of(olm::Account::from_pickle(serde_json::from_str(text)?))
    }

    /// To be stored where nobody else reads it.
    pub fn write(&self) -> Result<String, OlmError> {
        Ok(serde_json::to_string(&self.keys.pickle())?)
    }

    /// The key for life.
    pub fn curve(&self) -> CurveKey {
        self.keys.curve25519_key().into()
    }

    /// The key that others begin sessions with.
    pub fn fallback(&self) -> CurveKey {
        self.fallback
    }

    /// The same keys with another one that others begin with. The one before still opens what was sealed for it; the
    /// one before that does not.
    pub fn renewed(&self) -> Self {
        let mut keys = self.copy();
        keys.generate_fallback_key();
        Self::of(keys).expect("a fallback key was made right before")
    }

    // It is never marked as published, and so vodozemac says which one it is.
    fn of(keys: olm::Account) -> Result<Self, OlmError> {
        let fallback = keys.fallback_key().into_values().next().ok_or(OlmError::Fallback)?;
        Ok(Self { keys, fallback: fallback.into() })
    }

    fn copy(&self) -> olm::Account {
        olm::Account::from_pickle(self.keys.pickle())
    }
}

impl Session {
    /// One that this device begins with another, by its two keys.
    pub fn begin(account: &Account, curve: CurveKey, fallback: CurveKey) -> Result<Self, OlmError> {
        let session =
            account.keys.create_outbound_session(CONFIG, curve.into(), fallback.into())?;
        Ok(Self(session))
    }

    /// One that the device with this key has begun, by what it sealed in it.
    pub fn receive(
        account: &Account,
        curve: CurveKey,
        first: &PreKeyMessage,
    ) -> Result<Opened, OlmError> {
        let mut keys = account.copy();
        let made = keys.create_inbound_session(CONFIG, curve.into(), first)?;
        let envelope = Envelope::from_bytes(&made.plaintext)?;
        // Whoever began it may have chosen a key with which nothing can be encrypted.
        olm::Session::from_pickle(made.session.pickle()).encrypt([])?;
        Ok(Opened { session: Self(made.session), envelope })
    }

    /// What [`Self::write`] has returned.
    pub fn read(text: &str) -> Result<Self, OlmError> {
        Ok(Self(olm::Session::from_pickle(serde_json::from_str(text)?)))
    }

    /// To be stored where nobody else reads it.
    pub fn write(&self) -> Result<String, OlmError> {
        Ok(serde_json::to_string(&self.0.pickle())?)
    }

    /// What both ends call it: 43 characters of base64.
    pub fn id(&self) -> String {
        self.0.session_id()
    }

    /// Encrypts an envelope. This session stays as it is; the one behind it is to be stored before the message leaves.
    pub fn seal(&self, envelope: &Envelope) -> Result<(Self, OlmMessage), OlmError> {
        let mut session = olm::Session::from_pickle(self.0.pickle());
        let message = session.encrypt(envelope.to_bytes())?;
        Ok((Self(session), message))
    }

    /// Decrypts one. This session stays as it is.
    pub fn open(&self, message: &OlmMessage) -> Result<Opened, OlmError> {
        if let OlmMessage::PreKey(first) = message
            && first.session_keys() != self.0.session_keys()
        {
            return Err(OlmError::Other);
        }
        let mut session = olm::Session::from_pickle(self.0.pickle());
        let envelope = Envelope::from_bytes(&session.decrypt(message)?)?;
        Ok(Opened { session: Self(session), envelope })
    }
}
