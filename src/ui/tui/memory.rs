//! What the screen remembers across runs beside the messages: drafts, where one had scrolled to, whom one
//! was talking to, who is muted.
//!
//! Owned by the screen; the file `screen.json` of the person's data folder, for its owner alone. Losing
//! it costs comfort, no message.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::folder::write_private;

/// The file's name in the data folder.
pub(super) const FILE: &str = "screen.json";

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Whom one was talking to.
    pub(super) current: Option<String>,
    /// By name; for each server of its own.
    pub(super) people: BTreeMap<String, Person>,
    /// What one wrote last, oldest first.
    pub(super) written: Vec<String>,
}

/// What is remembered of one conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Person {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) draft: String,
    /// The lowest message in sight, and how many of its rows were below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scroll: Option<(i64, usize)>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) muted: bool,
}

impl Memory {
    /// What a file says; nothing if there is none, or it is damaged.
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        write_private(path, &serde_json::to_vec_pretty(self)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_being_written_and_what_is_damaged_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(Memory::read(&path), Memory::default());
        let person = Person { draft: "half a\nthought".into(), scroll: Some((7, 2)), muted: true };
        let memory = Memory {
            current: Some("marie".into()),
            people: BTreeMap::from([("marie".into(), person)]),
            written: vec!["one".into()],
        };
        memory.write(&path).unwrap();
        assert_eq!(Memory::read(&path), memory);
        fs::write(&path, "{").unwrap();
        assert_eq!(Memory::read(&path), Memory::default());
    }
}
