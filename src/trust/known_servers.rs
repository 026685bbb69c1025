//! The servers that one has met, and the keys that they showed: trust on first use.
//!
//! Owned by the client; kept in the file `known_servers` of its data folder, one line a server:
//! `chat.example.org:7878 SHA256:47DE…`. Its owner may edit it. Several lines for one address are
//! several keys that it may show. A server that is met for the first time is written down and synced
//! before anything is said to it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::Fingerprint;
use crate::folder::write_private;

/// The file. Everything here blocks.
#[derive(Clone, Debug)]
pub struct KnownServers {
    path: PathBuf,
}

/// What is known of a server that showed a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// It is the one that it was.
    Known,
    /// It was never met; now it is known.
    First,
    /// It showed another key before.
    Changed {
        /// That key, or the first of several.
        known: Fingerprint,
        /// The line that says so, counted from 1.
        line: usize,
    },
}

/// Why the file cannot be used. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum KnownServersError {
    #[error("cannot use {}: {cause}", path.display())]
    Unusable { path: PathBuf, cause: io::Error },
    #[error(
        "line {line} of {} is not 'HOST:PORT SHA256:FINGERPRINT'; mend or delete it",
        path.display()
    )]
    BadLine { path: PathBuf, line: usize },
    #[error(
        "{} is empty, and there were several servers in it: it was damaged. Put it back from a copy; or delete it, and compare the key of each server with what its operator says",
        path.display()
    )]
    Emptied { path: PathBuf },
}

impl KnownServers {
    /// The file of this name, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks a server up that shows this key, and writes it down if it is new.
    pub fn meet(&self, server: &str, shown: Fingerprint) -> Result<Meeting, KnownServersError> {
        let text = self.read()?;
        let known = self.known(&text, server)?;
        match known.first() {
            _ if known.iter().any(|(_, known)| *known == shown) => Ok(Meeting::Known),
            Some((line, known)) => Ok(Meeting::Changed { known: *known, line: *line }),
            None => {
                let new_line = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
                self.write(&format!("{text}{new_line}{server} {shown}\n"))?;
                Ok(Meeting::First)
            }
        }
    }

    /// The keys that a server may show, in the order of their lines.
    pub fn keys(&self, server: &str) -> Result<Vec<Fingerprint>, KnownServersError> {
        let known = self.known(&self.read()?, server)?.into_iter();
        Ok(known.map(|(_, key)| key).collect())
    }

    /// Writes down that a server has another key from now on: at this address, where its owner has removed the
    /// line of the old one, and wherever else it was known by that.
    pub fn accept(
        &self,
        server: &str,
        old: Fingerprint,
        new: Fingerprint,
    ) -> Result<(), KnownServersError> {
        let text = self.read()?;
        let also: Vec<usize> = { self.lines(&text)?.into_iter() }
            .filter_map(|(line, _, key)| (key == old).then_some(line))
            .collect();
        let (old, new) = (old.to_string(), new.to_string());
        let mut fresh = String::new();
        for (line, words) in (1..).zip(text.lines()) {
            let is_old = also.contains(&line);
            fresh += &if is_old { words.replace(&old, &new) } else { words.into() };
            fresh.push('\n');
        }
        self.write(&format!("{fresh}{server} {new}\n"))
    }

    fn write(&self, text: &str) -> Result<(), KnownServersError> {
        write_private(&self.path, text.as_bytes())
            .map_err(|cause| KnownServersError::Unusable { path: self.path.clone(), cause })
    }

    /// Refuses a file that is there and empty: of one in which several servers were, nobody deleted a line alone.
    pub fn refuse_emptied(&self) -> Result<(), KnownServersError> {
        let is_emptied = self.path.metadata().is_ok_and(|file| file.len() == 0);
        if is_emptied {
            Err(KnownServersError::Emptied { path: self.path.clone() })
        } else {
            Ok(())
        }
    }

    fn read(&self) -> Result<String, KnownServersError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => Ok(text),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(cause) => Err(KnownServersError::Unusable { path: self.path.clone(), cause }),
        }
    }

    /// Every address, as it stands there, with a key of the server there.
    pub fn all(&self) -> Result<Vec<(String, Fingerprint)>, KnownServersError> {
        let lines = self.lines(&self.read()?)?.into_iter();
        Ok(lines.map(|(_, address, key)| (address, key)).collect())
    }

    /// The keys of a server, each with its line.
    fn known(
        &self,
        text: &str,
        server: &str,
    ) -> Result<Vec<(usize, Fingerprint)>, KnownServersError> {
        let lines = self.lines(text)?.into_iter();
        let of_server = lines.filter(|(_, address, _)| address.eq_ignore_ascii_case(server));
        Ok(of_server.map(|(line, _, key)| (line, key)).collect())
    }

    fn lines(&self, text: &str) -> Result<Vec<(usize, String, Fingerprint)>, KnownServersError> {
        let mut lines = Vec::new();
        for (line, words) in (1..).zip(text.lines()) {
            let words = words.trim();
            if words.is_empty() || words.starts_with('#') {
                continue;
            }
            let bad = || KnownServersError::BadLine { path: self.path.clone(), line };
            let (address, key) = words.split_once(char::is_whitespace).ok_or_else(bad)?;
            let key = key.trim().parse().map_err(|_| bad())?;
            lines.push((line, address.to_owned(), key));
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn key(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn servers(text: &str) -> (tempfile::TempDir, KnownServers) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known_servers");
        if !text.is_empty() {
            fs::write(&path, text).unwrap();
        }
        (folder, KnownServers::new(path))
    }

    #[test]
    fn a_server_is_remembered_from_the_first_time_on() {
        let (_folder, servers) = servers("");
        assert_eq!(servers.meet("a:1", key("a")).unwrap(), Meeting::First);
        assert_eq!(servers.meet("b:1", key("b")).unwrap(), Meeting::First);
        assert_eq!(servers.meet("a:1", key("a")).unwrap(), Meeting::Known);
        let changed = Meeting::Changed { known: key("b"), line: 2 };
        assert_eq!(servers.meet("b:1", key("a")).unwrap(), changed);
        assert_eq!(fs::metadata(servers.path()).unwrap().mode() & 0o777, 0o600);
        let text = fs::read_to_string(servers.path()).unwrap();
        assert_eq!(text, format!("a:1 {}\nb:1 {}\n", key("a"), key("b")));
    }

    #[test]
    fn its_owner_may_write_into_it() {
        let (a, b) = (key("a"), key("b"));
        let (_folder, servers) = servers(&format!("# mine\n\n A:1   {a}\na:1 {b}\nb:1 {b}"));
        assert_eq!(servers.meet("a:1", a).unwrap(), Meeting::Known);
        assert_eq!(servers.meet("a:1", b).unwrap(), Meeting::Known);
        let changed = Meeting::Changed { known: a, line: 3 };
        assert_eq!(servers.meet("a:1", key("c")).unwrap(), changed);
        // The last line has no end, and stays a line of its own.
        assert_eq!(servers.meet("c:1", a).unwrap(), Meeting::First);
        assert_eq!(servers.meet("b:1", b).unwrap(), Meeting::Known);
        assert_eq!(servers.meet("c:1", a).unwrap(), Meeting::Known);
    }

    #[test]
    fn a_key_that_is_accepted_takes_the_place_of_another_wherever_that_stood() {
        let (a, b, new) = (key("a"), key("b"), key("new"));
        let (_folder, servers) = servers(&format!("# was {a}\nhome:1  {a}\nb:1 {b}"));
        servers.accept("a:1", a, new).unwrap();
        let text = fs::read_to_string(servers.path()).unwrap();
        assert_eq!(text, format!("# was {a}\nhome:1  {new}\nb:1 {b}\na:1 {new}\n"));
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        for line in ["a:1", "a:1 SHA256:x", &format!("{} a:1", key("a"))] {
            let (_folder, servers) = servers(&format!("# mine\n{line}\n"));
            let error = servers.meet("b:1", key("b")).unwrap_err();
            assert!(error.to_string().contains("line 2 of"), "{error}");
        }
    }
}
