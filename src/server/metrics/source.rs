//! Where metrics are read: the parts of a running server, and what the system says of its process.
//!
//! Made for each look. Invariant: nothing here waits for the disk of the mailbox, nor for a task.

use std::fs;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use crate::folder::{free_space, used_space};
use crate::mailbox::EmbeddedMailbox;
use crate::server::host::Host;

/// Where the system shows which files the process has open, and how much memory it has.
const OPEN_FILES: &str = "/proc/self/fd";
const STATUS: &str = "/proc/self/status";

/// See the [module](self).
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) host: &'a Host,
    pub(crate) mailbox: &'a EmbeddedMailbox,
    pub(crate) data: &'a Path,
}

/// Who is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct People {
    /// Those who are there, for others to know.
    pub(crate) online: u64,
    /// Those of whom a program is there.
    pub(crate) away: u64,
}

/// Connections, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connections {
    /// Somebody is signed in.
    pub(crate) people: u64,
    /// They carry files.
    pub(crate) files: u64,
    /// Somebody is just coming or leaving, or is told that there is no room.
    pub(crate) others: u64,
}

impl Source<'_> {
    /// Whether the server can do what it is for; else why not.
    pub(crate) fn ready(&self) -> Result<(), &'static str> {
        if self.host.stopping.is_closed() {
            return Err("the server stops");
        }
        match self.mailbox.failing() {
            Some(_) => Err("nothing can be stored now; the server's log says why"),
            None => Ok(()),
        }
    }

    pub(crate) fn people(&self) -> People {
        let (connected, online) = self.host.directory.count();
        People { online, away: connected.saturating_sub(online) }
    }

    pub(crate) fn connections(&self) -> Connections {
        let (people, files) = (self.host.directory.count().0, self.host.tickets.carrying());
        let others = self.host.counters.open().saturating_sub(people + files);
        Connections { people, files, others }
    }

    /// What the mailbox takes of the disk, in bytes.
    pub(crate) fn mailbox_size(&self) -> u64 {
        used_space(&self.data.join("mailbox"))
    }

    /// What the disk still takes, in bytes. None if the system does not say so.
    pub(crate) fn room(&self) -> Option<u64> {
        free_space(self.data).ok()
    }
}

/// How many files the process has open. Not every system says so.
pub(super) fn open_files() -> Option<u64> {
    let count = fs::read_dir(OPEN_FILES).ok()?.count() as u64;
    // One is open to look.
    Some(count.saturating_sub(1))
}

/// How many it may have open. None if there is no limit.
pub(super) fn most_open_files() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many bytes of memory the process has. Not every system says so.
pub(super) fn memory() -> Option<u64> {
    let status = fs::read_to_string(STATUS).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}
