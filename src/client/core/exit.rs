//! Why a phase of the core's life ends.
//!
//! Owned by nobody: plain data, which methods of the core fail with.

use crate::client::event::Failure;
use crate::client::line::broken::Broken;
use crate::client::store::database::StoreError;
use crate::trust::agent::AgentError;

/// Why a phase ends.
pub(crate) enum Exit {
    /// The connection broke, or could not be made: retry.
    Away(String),
    /// The same; the server is busy.
    Busy(String),
    /// The same: the agent that has the key has not signed.
    Unsigned(AgentError),
    /// Everything is settled.
    Finished,
    /// The face wants to leave.
    Left,
    Failed(Failure),
}

impl From<Broken> for Exit {
    fn from(broken: Broken) -> Self {
        match broken {
            Broken::Away(because) => Self::Away(because),
            Broken::Busy(because) => Self::Busy(because),
            Broken::Unsigned(error) => Self::Unsigned(error),
            Broken::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl From<StoreError> for Exit {
    fn from(error: StoreError) -> Self {
        Self::Failed(Failure::Store(error.to_string()))
    }
}
