//! Why a connection did not come about, or ended, and what that means for the next try.
//!
//! Owned by nobody. Pure.

use std::io;

use crate::client::config::Address;
use crate::client::event::Failure;
use crate::trust::agent::AgentError;
use crate::wire::frame::{ByeReason, ErrorCode};

/// Why a connection ended that the server closed without a word.
pub(crate) const CLOSED: &str = "the server closed the connection";

/// Why a connection did not come about, or ended.
#[derive(Debug)]
pub(crate) enum Broken {
    /// Worth another try.
    Away(String),
    /// Worth one a little later: many want to get there.
    Busy(String),
    /// The same: the agent that has the key has not signed.
    Unsigned(AgentError),
    /// Not worth one.
    Failed(Failure),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Away(error.to_string())
    }
}

/// What came is not the protocol.
pub(super) fn not_a_server(server: &Address, because: String) -> Broken {
    Broken::Failed(Failure::NotAServer { server: server.clone(), because })
}

/// What an error that ends the connection means for the next try.
pub(crate) fn refused(code: ErrorCode, text: String) -> Broken {
    match code {
        ErrorCode::Busy => Broken::Busy(text),
        ErrorCode::Timeout => Broken::Away(text),
        ErrorCode::Taken | ErrorCode::Looks => Broken::Failed(Failure::Name(text)),
        ErrorCode::Invite | ErrorCode::Claims => Broken::Failed(Failure::Uninvited(text)),
        _ => Broken::Failed(Failure::Refused(text)),
    }
}

/// What a farewell means for the next try.
pub(crate) fn dismissed(reason: ByeReason, text: String) -> Broken {
    match reason {
        ByeReason::Replaced => Broken::Failed(Failure::Replaced),
        _ => Broken::Away(text),
    }
}
