//! The watermark: how far the store is known to be synced, in a file beside it.
//!
//! Owned by the mailbox's writer thread. A journal that was damaged in the middle opens as if it ended there (fjall's
//! issue 311): only the watermark reveals that. Invariant: the file never says more than what was synced.

use std::fs;
use std::io;
use std::path::Path;

use crate::folder::write_private;

/// What the file begins with, and the version of what follows.
const FORMAT: &str = "tinychat-mailbox-";
const VERSION: &str = "1";

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watermark {
    /// This commit, and all before it, are on disk.
    pub(super) commit: u64,
    /// The store was closed after it: nothing can be torn.
    pub(super) clean: bool,
}

impl Watermark {
    /// Reads the file, if there is one.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = str::from_utf8(&text).unwrap_or_default();
        Self::parse(text).map(Some).ok_or_else(|| match is_newer(text) {
            true => io::Error::new(
                io::ErrorKind::Unsupported,
                "its watermark was written by a newer version of this program; start that one",
            ),
            false => {
                io::Error::new(io::ErrorKind::InvalidData, "it is not as this program writes it")
            }
        })
    }

    /// Replaces the file. It has the old or the new watermark at any time, also after a power cut.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        write_private(path, self.to_string().as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let version = words.next()?.strip_prefix(FORMAT)? == VERSION;
        let commit = words.next()?.strip_prefix("commit=")?.parse().ok()?;
        let clean = words.next()?.strip_prefix("clean=")?.parse().ok()?;
        (version && words.next().is_none()).then_some(Self { commit, clean })
    }
}

impl std::fmt::Display for Watermark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{FORMAT}{VERSION} commit={} clean={}", self.commit, self.clean)
    }
}

fn is_newer(text: &str) -> bool {
    let version = text.strip_prefix(FORMAT).and_then(|rest| rest.split(' ').next());
    version.and_then(|it| it.parse::<u64>().ok()).is_some_and(|it| it > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark");
        assert_eq!(Watermark::read(&path).unwrap(), None);
        for (commit, clean) in [(0, false), (7, true), (u64::MAX, false)] {
            let watermark = Watermark { commit, clean };
            watermark.write(&path).unwrap();
            assert_eq!(Watermark::read(&path).unwrap(), Some(watermark));
        }
    }

    #[test]
    fn a_newer_file_is_told_to_be_newer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark");
        fs::write(&path, "tinychat-mailbox-2 commit=7 clean=true more=1\n").unwrap();
        let error = Watermark::read(&path).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert!(error.to_string().contains("by a newer version"), "{error}");
    }

    #[test]
    fn a_damaged_file_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watermark");
        let cut = &b"tinychat-mailbox-1 commit=7 clean=true"[..];
        for text in [b"", cut, b"\0\0\0\n", b"\xff\xfe\n", b"commit=7\n"] {
            fs::write(&path, text).unwrap();
            let error = Watermark::read(&path).unwrap_err();
            assert!(error.to_string().contains("not as this program writes it"), "{error}");
        }
    }
}
