//! A data folder without an earlier client, and undoing a first start that failed.
//!
//! Owned by the client that makes the first start. Invariants: what was there before stays; once something was written
//! or received, everything stays; nothing is removed without the folder's lock.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::{fs, io};

use rusqlite::{Connection, OpenFlags};

use super::beside::SOCKET;
use crate::folder::Folder;
use crate::trust::devices::DeviceKey;

/// The message store's file. If it exists, there was a client before.
pub(crate) const STORE: &str = "messages.db";

/// What a start makes in the folder, in the order of removal: a log without its store would be damage.
const MADE: [&str; 8] = [
    "messages.db-wal",
    "messages.db-shm",
    STORE,
    "shown",
    "known_servers",
    "id_ed25519",
    DeviceKey::FILE,
    SOCKET,
];

/// The tables whose rows are to be kept.
const KEPT: [&str; 7] = ["message", "upload", "file", "contact", "devices", "seen", "asked"];

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Fresh {
    /// What it had; none if it was not there.
    had: Option<BTreeSet<OsString>>,
}

/// Whether there was no client in a data folder yet, as far as one can see.
pub fn is_new(data: &Path) -> bool {
    Fresh::look(data).is_some()
}

impl Fresh {
    /// None if there was a client before, or if that is unknown.
    pub(crate) fn look(data: &Path) -> Option<Self> {
        let names = fs::read_dir(data).and_then(|all| {
            all.map(|entry| Ok(entry?.file_name())).collect::<io::Result<BTreeSet<_>>>()
        });
        match names {
            Ok(names) if names.contains(OsStr::new(STORE)) => None,
            Ok(names) => Some(Self { had: Some(names) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Self { had: None }),
            Err(_) => None,
        }
    }

    /// Removes what the start has made, unless something is to be kept. What cannot be removed stays, and does no harm.
    pub(crate) fn restore(&self, folder: &Folder) {
        if !has_nothing(&folder.file(STORE)).unwrap_or(false) {
            return;
        }
        let had = |name: &str| self.had.as_ref().is_some_and(|had| had.contains(OsStr::new(name)));
        for name in MADE.iter().filter(|name| !had(name)) {
            match fs::remove_file(folder.file(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return log::warn!("{name} is left in the data folder: {error}");
                }
                _ => {}
            }
        }
        if self.had.is_none() {
            folder.remove();
        }
    }
}

/// Whether nothing was written in a store, and nothing came.
fn has_nothing(store: &Path) -> rusqlite::Result<bool> {
    // Not read-only: this moves what is in its log into it.
    let store = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let any = KEPT.map(|table| format!("EXISTS (SELECT 1 FROM {table})")).join(" OR ");
    store.query_row(&format!("SELECT NOT ({any})"), (), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::store::schema;

    /// A first start: what it finds, and the folder with what it makes.
    fn begin(data: &Path) -> (Fresh, Folder) {
        let fresh = Fresh::look(data).unwrap();
        let folder = Folder::open(data).unwrap();
        let mut store = Connection::open(folder.file(STORE)).unwrap();
        let tx = store.transaction().unwrap();
        schema::lay_out(&tx).unwrap();
        tx.commit().unwrap();
        for name in MADE.iter().filter(|name| !folder.file(name).exists()) {
            if !name.starts_with(STORE) {
                fs::write(folder.file(name), "made").unwrap();
            }
        }
        (fresh, folder)
    }

    fn names(data: &Path) -> Vec<OsString> {
        let mut names: Vec<_> =
            fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    }

    #[test]
    fn of_a_start_that_came_to_nothing_no_folder_is_left() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("deep/john");
        let (fresh, folder) = begin(&data);
        assert!(!is_new(&data), "there is a client");
        fresh.restore(&folder);
        drop(folder);
        assert!(!data.exists() && is_new(&data));
    }

    #[test]
    fn what_was_in_a_folder_before_stays_there() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path();
        fs::write(data.join("id_ed25519"), "mine").unwrap();
        fs::write(data.join("letter"), "mine, too").unwrap();
        let (fresh, folder) = begin(data);
        fresh.restore(&folder);
        assert_eq!(names(data), ["id_ed25519", "letter", "lock"]);
        assert_eq!(fs::read(data.join("id_ed25519")).unwrap(), b"mine");
    }

    #[test]
    fn once_something_was_written_all_stays() {
        let place = tempfile::tempdir().unwrap();
        for (n, table) in KEPT.iter().enumerate() {
            let data = place.path().join(n.to_string());
            let (fresh, folder) = begin(&data);
            let store = Connection::open(folder.file(STORE)).unwrap();
            let row = match *table {
                "message" => {
                    "(server, peer, own, installation, n, time, kind, body, state) VALUES ('s', 'p', 1, 'i', 1, 0, 'text', X'00', 'waiting')"
                }
                "upload" => {
                    "(server, peer, path, name, type, size, modified, state) VALUES ('s', 'p', X'00', 'n', 't', 0, 0, 'going')"
                }
                "file" => {
                    "(message, server, peer, number, state) VALUES (1, 's', 'p', 1, 'offered')"
                }
                "contact" => "(server, peer, key, since) VALUES ('s', 'p', 'k', 0)",
                "devices" => "VALUES ('s', 'p', 0, 1, '-', X'00')",
                "seen" => "VALUES ('s', 'p', 'i', 1)",
                _ => "VALUES ('token', 1)",
            };
            store.execute(&format!("INSERT INTO {table} {row}"), ()).unwrap();
            drop(store);
            let before = names(&data);
            fresh.restore(&folder);
            assert_eq!(names(&data), before, "{table}");
        }
    }

    #[test]
    fn what_nobody_knows_is_left_in_a_folder_and_so_is_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("john");
        let (fresh, folder) = begin(&data);
        fs::write(data.join("letter"), "somebody's").unwrap();
        fresh.restore(&folder);
        assert!(data.join("letter").exists());
    }
}
