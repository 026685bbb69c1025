//! What is wrong with bytes that are not a frame.
//!
//! Pure data, made by the [decoder](super::Decoder). Invariant: after an error that is not fatal, exactly the bad frame
//! was consumed.

use smol_str::SmolStr;
use thiserror::Error;

use crate::message::NameError;
use crate::wire::codes::ErrorCode;
use crate::wire::limits::{MAX_HEADER, VERSION};

/// Bytes that are not a frame. Says what to answer ([`code`](Self::code)) and whether the stream
/// can be trusted afterwards ([`is_fatal`](Self::is_fatal)). The messages of two begin with words for programs, as the
/// [specification](crate::wire#errors) says.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ProtocolError {
    #[error("a header line has at most {MAX_HEADER} bytes")]
    LineTooLong,
    #[error("a header line ends with CR LF and has no other control character")]
    ControlCharacter,
    #[error("a header line is UTF-8")]
    NotUtf8,
    #[error("there is no verb {0:?} in {VERSION}")]
    UnknownVerb(SmolStr),
    #[error("{verb} is not followed by the words that it takes: {word} expected")]
    BadWord { verb: &'static str, word: &'static str },
    #[error("a body of {verb} has at most {limit} bytes, not {length}")]
    BodyTooLong { verb: &'static str, length: u64, limit: usize },
    #[error("the body of {verb} is not followed by CR LF where its length says that it ends")]
    BodyUnterminated { verb: &'static str },
    #[error("{VERSION} is what is spoken here, not {0:?}")]
    Version(SmolStr),
    #[error("{verb} {word} names nobody: {error}")]
    Name { verb: &'static str, word: SmolStr, error: NameError },
}

impl ProtocolError {
    /// What to answer.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::LineTooLong => ErrorCode::Line,
            Self::UnknownVerb(_) => ErrorCode::Verb,
            Self::BodyTooLong { .. } => ErrorCode::Body,
            Self::Version(_) => ErrorCode::Version,
            Self::Name { .. } => ErrorCode::Name,
            _ => ErrorCode::Bad,
        }
    }

    /// Whether the beginning of the next frame is unknown. Otherwise exactly the bad frame was consumed.
    pub fn is_fatal(&self) -> bool {
        !matches!(self, Self::Name { .. })
    }
}
