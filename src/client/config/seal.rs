//! Whether anything may be sent that is not sealed.
//!
//! Owned by nobody: plain data, which the core obeys.

use std::str::FromStr;

use thiserror::Error;

/// What becomes of words for somebody who has no keys yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// They are sent as they are, and the person who wrote them is told who can read them.
    #[default]
    Auto,
    /// They wait on the disk until there are keys: nothing is ever sent unsealed.
    Always,
}

/// A word that is no choice.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("it is auto or always")]
pub struct SealError;

impl FromStr for Seal {
    type Err = SealError;

    fn from_str(word: &str) -> Result<Self, SealError> {
        match word {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            _ => Err(SealError),
        }
    }
}
