//! What the operator says to everybody who is there, and to whoever comes until it ends.
//!
//! Owned by the server; it is the file `announcement` of its data folder: a line with the uptime, in milliseconds, when it
//! ends, and a line with the text. Invariant: what is said to whoever comes is on the disk, so that it is said after a
//! restart, too; and nothing in it can steer a terminal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::folder::write_private;
use crate::message::Uptime;
use crate::text::is_harmful;

/// The longest text, in bytes: with some words in front of it, it is one sentence of the protocol.
pub(crate) const LONGEST: usize = 200;

/// See the [module](self).
pub(crate) struct Announcement {
    path: PathBuf,
    said: Mutex<Option<Said>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    until: Uptime,
    text: String,
}

impl Announcement {
    /// What is in a data folder. What cannot be read is nothing.
    pub(crate) fn open(data: &Path) -> Self {
        let path = data.join("announcement");
        let said = match fs::read_to_string(&path) {
            Ok(text) => parse(&text),
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    log::warn!("what was announced cannot be read: {}: {error}", path.display());
                }
                None
            }
        };
        Self { path, said: Mutex::new(said) }
    }

    /// Says something from now on, in place of what was said before.
    pub(crate) fn set(&self, text: &str, until: Uptime) -> io::Result<()> {
        write_private(&self.path, format!("{}\n{text}\n", until.0).as_bytes())?;
        *self.said() = Some(Said { until, text: text.into() });
        Ok(())
    }

    /// Says nothing any more. Returns whether something was said.
    pub(crate) fn end(&self, now: Uptime) -> io::Result<bool> {
        let was_said = self.text(now).is_some();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => *self.said() = None,
        }
        Ok(was_said)
    }

    /// What is said now.
    pub(crate) fn text(&self, now: Uptime) -> Option<String> {
        self.left(now).map(|(text, _)| text)
    }

    /// The same, and how long still.
    pub(crate) fn left(&self, now: Uptime) -> Option<(String, Duration)> {
        let said = self.said().clone().filter(|said| now < said.until)?;
        Some((said.text, said.until.since(now)))
    }

    fn said(&self) -> MutexGuard<'_, Option<Said>> {
        // Each change is one assignment.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a text may be announced: a line that is not too long, which no terminal takes for anything else.
pub(crate) fn is_sayable(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST && !text.chars().any(is_harmful)
}

fn parse(text: &str) -> Option<Said> {
    let (until, text) = text.split_once('\n')?;
    let text = text.strip_suffix('\n').filter(|text| is_sayable(text))?;
    Some(Said { until: Uptime(until.parse().ok()?), text: text.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_said_until_it_ends_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (now, hour) = (Uptime(1_000), Duration::from_secs(3_600));
        let announcement = Announcement::open(folder.path());
        assert_eq!(announcement.text(now), None);
        announcement.set("new disks tonight", now + hour).unwrap();
        for it in [&announcement, &Announcement::open(folder.path())] {
            assert_eq!(it.left(now), Some(("new disks tonight".into(), hour)));
            assert_eq!(it.text(now + hour), None);
        }
        assert!(announcement.end(now).unwrap() && !announcement.end(now).unwrap());
        assert_eq!(Announcement::open(folder.path()).text(now), None);
    }

    #[test]
    fn what_is_no_announcement_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let long = format!("9999\n{}\n", "x".repeat(LONGEST + 1));
        for bad in
            ["", "9999", "9999\ncut off", "soon\ntext\n", "9999\n\u{1b}[2J\n", "9999\n \n", &long]
        {
            fs::write(folder.path().join("announcement"), bad).unwrap();
            assert_eq!(Announcement::open(folder.path()).text(Uptime(0)), None, "{bad:?}");
        }
    }
}
