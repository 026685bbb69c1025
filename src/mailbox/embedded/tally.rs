//! What a backup says is in it: counted when it is written, and compared when it is read.
//!
//! Owned by whoever writes or reads a backup. Invariant: a tally that was written here is parsed back to the same.

use std::fmt;

use crate::mailbox::Usage;
use crate::message::Timestamp;

/// What was in a data folder when it was backed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// When that was, by the wall clock.
    pub taken: Timestamp,
    /// The messages that waited.
    pub messages: Usage,
    /// How many files waited, and their bytes.
    pub files: (u64, u64),
}

impl Tally {
    /// The tally that a text is.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut words = str::from_utf8(text).ok()?.split(' ');
        let mut number = |name: &str| -> Option<u64> {
            let is_named = words.next()? == name;
            words.next()?.parse().ok().filter(|_| is_named)
        };
        let taken = Timestamp(number("taken")?);
        let messages = Usage { messages: number("messages")?, bytes: number("bytes")? };
        let files = (number("files")?, number("bytes")?);
        words.next().is_none().then_some(Self { taken, messages, files })
    }

    /// In what else than the tally says was found, a sentence; none if it is the same.
    pub fn difference(&self, messages: Usage, files: (u64, u64)) -> Option<String> {
        let is_same = (self.messages, self.files) == (messages, files);
        let (said, found) = (counted(self.messages, self.files), counted(messages, files));
        (!is_same).then(|| format!("it says that it has {said}, and has {found}"))
    }
}

fn counted(Usage { messages, bytes }: Usage, (files, content): (u64, u64)) -> String {
    format!("{messages} messages of {bytes} bytes and {files} files of {content} bytes")
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { taken: Timestamp(taken), messages, files: (files, content) } = self;
        let Usage { messages, bytes } = messages;
        write!(f, "taken {taken} messages {messages} bytes {bytes} files {files} bytes {content}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_and_nothing_else_is() {
        let messages = Usage { messages: 3, bytes: 51 };
        let tally = Tally { taken: Timestamp(7), messages, files: (1, 65_541) };
        let text = tally.to_string();
        assert_eq!(text, "taken 7 messages 3 bytes 51 files 1 bytes 65541");
        assert_eq!(Tally::parse(text.as_bytes()), Some(tally));
        for bad in [&text[1..], &text[..text.len() - 6], &format!("{text} more 1"), "", "\0"] {
            assert_eq!(Tally::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
