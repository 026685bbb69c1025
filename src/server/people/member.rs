//! What is known of a name, and the lines by which that is written down in the book of names. Pure.
//!
//! Owned by the [roll](super::roll). Invariant: each line ends with the name, so that whoever looks through the book finds
//! all of a name; what was written is read back as the same.

use crate::message::{Name, Timestamp};
use crate::time_text;
use crate::trust::PublicKey;

/// The word before a key.
const ALGORITHM: &str = "ssh-ed25519";

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// None after it was reset.
    pub(crate) key: Option<PublicKey>,
    pub(crate) banned: bool,
    /// When somebody claimed the name, by the wall clock. Earlier versions did not write it down.
    pub(crate) since: Option<Timestamp>,
}

/// What a line says of a name, beside whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Detail {
    Since(Timestamp),
}

impl Member {
    /// Somebody who has claimed a name.
    pub(super) fn new(key: PublicKey, since: Option<Timestamp>) -> Self {
        Self { key: Some(key), banned: false, since }
    }

    /// The line that says whose a name is.
    pub(super) fn parse(line: &str) -> Option<(Name, Self)> {
        let (banned, line) = match line.strip_prefix("banned ") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let (key, name) = match line.strip_prefix("reset ") {
            Some(name) => (None, name),
            None => {
                let (key, name) =
                    line.strip_prefix(ALGORITHM)?.strip_prefix(' ')?.split_once(' ')?;
                (Some(key.parse().ok()?), name)
            }
        };
        Some((name.parse().ok()?, Self { key, banned, since: None }))
    }

    /// Adds what another line says.
    pub(super) fn add(&mut self, detail: Detail) {
        match detail {
            Detail::Since(since) => self.since = Some(since),
        }
    }

    /// All lines of one name.
    pub(super) fn lines(&self, name: &Name) -> String {
        let banned = if self.banned { "banned " } else { "" };
        let mut lines = match &self.key {
            Some(key) => format!("{banned}{ALGORITHM} {key} {name}\n"),
            None => format!("{banned}reset {name}\n"),
        };
        if let Some(since) = self.since {
            lines += &format!("since {} {name}\n", time_text::moment(since.printable(), 3));
        }
        lines
    }
}

impl Detail {
    /// A line of one word, a value, and a name; none if it is another one.
    pub(super) fn parse(line: &str) -> Option<(Name, Self)> {
        let (word, rest) = line.split_once(' ')?;
        let (value, name) = rest.split_once(' ')?;
        let detail = match word {
            "since" => Self::Since(Timestamp::of(time_text::parse_moment(value)?)),
            _ => return None,
        };
        Some((name.parse().ok()?, detail))
    }
}
