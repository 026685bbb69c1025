//! The nouns: names, sessions, message ids and messages.
//!
//! Owned by nobody: every other module uses these types. Each is parsed once, where bytes
//! from outside come in; a value of one of these types is valid and later code trusts it.
//!
//! # Rooms, from the top
//!
//! ```text
//! batch             messages that were accepted together
//! content           one message: its kind and its body
//! session           which conversation, and which direction of it
//! ids, times, name  ids of messages, data folders and files; when a message was written; a person's name
//! ```

mod batch;
mod content;
mod ids;
mod name;
mod session;
mod times;

pub use batch::Batch;
pub(crate) use content::withheld_length;
pub use content::{Kind, KindError, MAX_KIND_CHARS, Message};
pub(crate) use ids::lower_hex;
pub use ids::{
    BlobId, BlobIdError, Installation, InstallationError, MessageId, Origin, OriginError,
};
pub use name::{MAX_NAME_CHARS, Name, NameError};
pub use session::{SessionKey, TalkToSelf};
pub use times::{Timestamp, Uptime};
