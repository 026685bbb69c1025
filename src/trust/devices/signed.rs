//! A device list with its signature.
//!
//! Owned by whoever keeps one. Invariant: the identity that the list names has signed just its text.

use bytes::Bytes;
use thiserror::Error;

use super::list::DeviceList;
use super::owner::Owner;
use super::parsing::ListError;
use super::statement::{Statement, StatementError};
use crate::trust::{Fingerprint, Identity, IdentityError};

/// The SSHSIG namespace of a device list.
pub const DEVICES_NAMESPACE: &str = "tinychat-devices";

/// A list that its owner has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedList {
    list: DeviceList,
    statement: Statement,
}

/// Why bytes are not a [`SignedList`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum SignedListError {
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("a device list is signed by the identity that it names")]
    Signer,
}

impl SignedList {
    /// The list in a statement.
    pub fn read(bytes: Bytes) -> Result<Self, SignedListError> {
        let statement = Statement::read(DEVICES_NAMESPACE, bytes)?;
        let list: DeviceList = statement.text().parse()?;
        if list.owner.identity != statement.signer() {
            return Err(SignedListError::Signer);
        }
        Ok(Self { list, statement })
    }

    /// A list, signed by the identity that it then names. May block, where an agent has to ask its owner.
    pub fn sign(list: DeviceList, identity: &Identity) -> Result<Self, IdentityError> {
        let owner = Owner { identity: identity.public(), ..list.owner };
        let list = DeviceList { owner, ..list };
        let statement = Statement::sign(DEVICES_NAMESPACE, list.to_string(), identity)?;
        Ok(Self { list, statement })
    }

    /// What was signed.
    pub fn list(&self) -> &DeviceList {
        &self.list
    }

    /// The hash of its text, which is the list's.
    pub fn hash(&self) -> Fingerprint {
        Fingerprint::of(self.statement.text().as_bytes())
    }

    /// The statement, as it is told and stored.
    pub fn bytes(&self) -> &Bytes {
        self.statement.bytes()
    }
}
