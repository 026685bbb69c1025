//! The nouns: names, sessions, message ids and messages.
//!
//! Owned by nobody: every other module speaks in these types. Each is parsed once, where bytes
//! from outside come in; a value of one of these types is valid and later code trusts it.
//!
//! # Rooms, from the top
//!
//! ```text
//! batch             messages that were accepted together
//! content           one message: its kind and its body
//! session           which conversation, and which direction of it
//! ids, times, name  what messages, data folders and files are called; when; and who somebody is
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
pub use ids::{BlobId, BlobIdError, Installation, InstallationError, MessageId};
pub use name::{MAX_NAME_CHARS, Name, NameError};
pub use session::{SessionKey, TalkToSelf};
pub use times::{Timestamp, Uptime};
