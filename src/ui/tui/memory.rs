//! What the screen remembers across runs besides the messages: drafts, scroll positions, whom one was talking to, who
//! is muted.
//!
//! Owned by the screen; the file `screen.json` of the person's data folder, for its owner alone. Losing it costs
//! comfort, but no message.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::folder::write_private;

/// The file's name in the data folder.
pub(super) const FILE: &str = "screen.json";

/// What is remembered for one server. See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// Whom one was talking to.
    pub(super) current: Option<String>,
    /// By name.
    pub(super) people: BTreeMap<String, Person>,
    /// What was being written where no conversation was.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) draft: String,
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
    /// What one wrote last, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) written: Vec<String>,
}

impl Memory {
    /// What a file says of a server; nothing if there is none, or it is damaged.
    pub(super) fn read(path: &Path, server: &str) -> Self {
        servers(path).remove(server).unwrap_or_default()
    }

    pub(super) fn write(&self, path: &Path, server: &str) -> io::Result<()> {
        let mut servers = servers(path);
        servers.insert(server.into(), self.clone());
        write_private(path, &serde_json::to_vec_pretty(&servers)?)
    }
}

fn servers(path: &Path) -> BTreeMap<String, Memory> {
    let text = fs::read(path).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_survives_being_written_and_what_is_damaged_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(Memory::read(&path, "here"), Memory::default());
        let (draft, written) = ("half a\nthought".into(), vec!["one".into()]);
        let person = Person { draft, scroll: Some((7, 2)), muted: true, written };
        let memory = Memory {
            current: Some("marie".into()),
            people: BTreeMap::from([("marie".into(), person)]),
            draft: "/TALK".into(),
        };
        memory.write(&path, "here").unwrap();
        Memory::default().write(&path, "there").unwrap();
        assert_eq!(Memory::read(&path, "here"), memory);
        assert_eq!(Memory::read(&path, "there"), Memory::default(), "each server has its own");
        fs::write(&path, "{").unwrap();
        assert_eq!(Memory::read(&path, "here"), Memory::default());
    }
}
