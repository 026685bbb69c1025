//! Limits of one person, which take the place of the server's. Pure.
//!
//! Owned by the [roll](super::roll). Invariant: what was written is read back as the same.

use std::fmt;
use std::str::FromStr;

use crate::mailbox::Usage;

/// What may be limited for one person. Its words are those of the server's options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limit {
    /// What waits of them for one other.
    Session,
    /// What waits for them of all others.
    Recipient,
    /// How many messages of theirs wait for somebody who does not know them.
    FirstContact,
    /// For how many such people.
    Strangers,
    /// What one file of theirs may have.
    FileSize,
    /// What all files of theirs may have that wait.
    PersonFiles,
}

impl Limit {
    pub(crate) const ALL: [Self; 6] = [
        Self::Session,
        Self::Recipient,
        Self::FirstContact,
        Self::Strangers,
        Self::FileSize,
        Self::PersonFiles,
    ];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Session => "session-backlog",
            Self::Recipient => "recipient-backlog",
            Self::FirstContact => "first-contact",
            Self::Strangers => "strangers",
            Self::FileSize => "file-size",
            Self::PersonFiles => "person-files",
        }
    }

    /// Reads how much: messages, bytes, or both with a comma between them.
    fn parse_value(self, text: &str) -> Option<Usage> {
        let number = |text: &str| text.parse::<u64>().ok();
        Some(match self {
            Self::Session | Self::Recipient => {
                let (messages, bytes) = text.split_once(',')?;
                Usage { messages: number(messages)?, bytes: number(bytes)? }
            }
            Self::FirstContact | Self::Strangers => Usage { messages: number(text)?, bytes: 0 },
            Self::FileSize | Self::PersonFiles => Usage { messages: 0, bytes: number(text)? },
        })
    }

    fn value(self, Usage { messages, bytes }: Usage) -> String {
        match self {
            Self::Session | Self::Recipient => format!("{messages},{bytes}"),
            Self::FirstContact | Self::Strangers => messages.to_string(),
            Self::FileSize | Self::PersonFiles => bytes.to_string(),
        }
    }
}

/// The limits that somebody has of their own; 0 is no limit. Displayed, and parsed, as words with `=` and numbers, and `;`
/// between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OwnLimits([Option<Usage>; Limit::ALL.len()]);

impl OwnLimits {
    /// What somebody has of their own.
    pub(crate) fn get(&self, limit: Limit) -> Option<Usage> {
        self.0[limit as usize]
    }

    /// Sets it; none has the server's limit count again.
    pub(crate) fn set(&mut self, limit: Limit, value: Option<Usage>) {
        self.0[limit as usize] = value;
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Each that is set, as its word and its numbers.
    pub(crate) fn in_words(&self) -> impl Iterator<Item = (&'static str, String)> {
        let all = Limit::ALL.into_iter().filter_map(|limit| Some((limit, self.get(limit)?)));
        all.map(|(limit, value)| (limit.word(), limit.value(value)))
    }

    /// Changes one as a word says it, whose value is `default` where the server's limit is to count.
    pub(crate) fn change(&mut self, word: &str) -> Option<()> {
        let (word, value) = word.split_once('=')?;
        let limit = Limit::ALL.into_iter().find(|limit| limit.word() == word)?;
        let value = match value {
            "default" => None,
            value => Some(limit.parse_value(value)?),
        };
        self.set(limit, value);
        Some(())
    }
}

impl fmt::Display for OwnLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = self.in_words().map(|(word, value)| format!("{word}={value}"));
        f.write_str(&words.collect::<Vec<_>>().join(";"))
    }
}

/// A text is not limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoLimits;

impl FromStr for OwnLimits {
    type Err = NoLimits;

    fn from_str(text: &str) -> Result<Self, NoLimits> {
        let mut limits = Self::default();
        text.split(';').try_for_each(|word| limits.change(word)).ok_or(NoLimits)?;
        Ok(limits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        for text in [
            "session-backlog=10,1048576;recipient-backlog=0,0;first-contact=5",
            "strangers=0;file-size=1073741824;person-files=1",
        ] {
            assert_eq!(text.parse::<OwnLimits>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "strangers", "strangers=x", "session-backlog=1", "speed=1", "strangers=1;"]
        {
            assert_eq!(wrong.parse::<OwnLimits>(), Err(NoLimits), "{wrong}");
        }
        let mut limits: OwnLimits = "strangers=0".parse().unwrap();
        assert_eq!(limits.get(Limit::Strangers), Some(Usage { messages: 0, bytes: 0 }));
        limits.change("strangers=default").unwrap();
        assert!(limits.is_empty() && limits.to_string().is_empty());
    }
}
