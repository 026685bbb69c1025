//! Why a store is not opened, not read or not written.
//!
//! Owned by whoever asked for it. Invariant: what a disk says stays recognisable, for that is what operators can mend.

use fjall::LsmError;

use super::layout::{self, Malformed};
use crate::mailbox::MailboxError;

/// Why a store is not opened, or not read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("{}", explain(.0))]
    Engine(#[from] fjall::Error),
    #[error("{0}")]
    Malformed(#[from] Malformed),
    #[error("it has layout {0}, and this program knows those up to {known}", known = layout::VERSION)]
    OtherLayout(u8),
}

/// Most of the engine's errors are for its developers; those of the disk are for operators.
fn explain(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Io(cause) | fjall::Error::Storage(LsmError::Io(cause)) => cause.to_string(),
        fjall::Error::Poisoned => "the engine refuses to write after an earlier failure".into(),
        other => other.to_string(),
    }
}

impl From<StoreError> for MailboxError {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}
