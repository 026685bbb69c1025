//! How much the content of a store takes: what waits in each session, and all entries together.
//!
//! Owned by whoever asks. Invariant: it reads one consistent image and changes nothing.

use super::image::Image;
use crate::mailbox::{MailboxError, Usage};
use crate::message::SessionKey;

impl Image {
    /// What waits in each session in which something does, by receiver; as the rows have it.
    pub fn waiting(&self) -> Result<Vec<(SessionKey, Usage)>, MailboxError> {
        let mut all = Vec::new();
        for session in self.sessions() {
            let (key, row) = session?;
            if row.waiting() > 0 {
                all.push((key, Usage { messages: row.waiting(), bytes: row.bytes }));
            }
        }
        Ok(all)
    }

    /// The bytes of all keys and values.
    pub fn content_bytes(&self) -> Result<u64, MailboxError> {
        let mut bytes = 0;
        for entry in self.entries() {
            let (_, (key, value)) = entry?;
            bytes += (key.len() + value.len()) as u64;
        }
        Ok(bytes)
    }
}
