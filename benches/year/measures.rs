//! What a server takes: of the disk, of memory, of open files; and how long it takes to start.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::Value;
use tinychat::server::control;

use super::Result;
use super::server::Server;

/// How long the server has before it is measured, to remove what is too old or was acknowledged: it does so in its own
/// time, within a second or two.
const SETTLES: Duration = Duration::from_secs(3);

/// See the [module](self).
pub(super) struct Measures {
    /// What the disk says of the data folder.
    disk: u64,
    /// All that is in the mailbox, key by key.
    entries: u64,
    /// Files that wait.
    files: u64,
    memory: u64,
    open: u64,
    /// How long a start takes, where it was measured.
    pub(super) start: Option<Duration>,
}

impl Measures {
    pub(super) const HEAD: &str =
        "  day        disk     entries       files      memory  open files       start";

    /// What it takes now.
    pub(super) fn of(server: &Server) -> Result<Self> {
        thread::sleep(SETTLES);
        let told = du(server)?;
        let number = |value: &Value| value.as_u64().ok_or("no number");
        let disk = &told["disk"];
        let mailbox = number(&disk["mailbox"])? + number(&disk["journal"])?;
        Ok(Self {
            disk: on_disk(&server.data)?,
            entries: mailbox.saturating_sub(number(&told["free"])?),
            files: number(&disk["files"])?,
            memory: memory(server.id())?,
            open: fs::read_dir(format!("/proc/{}/fd", server.id()))?.count() as u64,
            start: None,
        })
    }

    /// How many messages and files wait for anybody.
    pub(super) fn waiting(server: &Server) -> Result<u64> {
        let told = du(server)?;
        let people = told["people"].as_array().ok_or("no people")?;
        let to = |person: &Value, what: &str| person[what]["count"].as_u64().unwrap_or(0);
        Ok(people.iter().map(|it| to(it, "messages_to") + to(it, "files_to")).sum())
    }

    /// A row of the table.
    pub(super) fn row(&self, day: u32) -> String {
        let size = |bytes| ByteSize(bytes).to_string();
        let start = self.start.map_or_else(|| "-".into(), |start| format!("{start:.1?}"));
        format!(
            "{day:5} {:>11} {:>11} {:>11} {:>11} {:>11} {start:>11}",
            size(self.disk),
            size(self.entries),
            size(self.files),
            size(self.memory),
            self.open
        )
    }

    /// How many times as much each of them is as it was.
    pub(super) fn ratios(&self, first: &Self) -> String {
        let ratios = self.compared(first).map(|(_, ratio)| format!(" {ratio:>11.2}"));
        format!("ratio{}", ratios.concat())
    }

    /// What has grown by more than a factor, if anything has.
    pub(super) fn grown(&self, first: &Self, factor: f64) -> Option<&'static str> {
        let grown = self.compared(first).into_iter().find(|(_, ratio)| *ratio > factor);
        grown.map(|(what, _)| what)
    }

    fn compared(&self, first: &Self) -> [(&'static str, f64); 6] {
        let start = |it: &Self| it.start.unwrap_or_default().as_secs_f64();
        let ratio = |now: u64, then: u64| now as f64 / then.max(1) as f64;
        [
            ("the disk's use", ratio(self.disk, first.disk)),
            ("what the mailbox has", ratio(self.entries, first.entries)),
            ("what files have", ratio(self.files, first.files)),
            ("memory", ratio(self.memory, first.memory)),
            ("the number of open files", ratio(self.open, first.open)),
            ("the time of a start", start(self) / start(first).max(f64::MIN_POSITIVE)),
        ]
    }
}

/// What the operator is told of the disk.
fn du(server: &Server) -> Result<Value> {
    let mut told = Vec::new();
    let done = control::operate(&server.data, &["du", "json"], &mut told);
    done.map_err(|error| error.to_string())?;
    Ok(serde_json::from_slice(&told)?)
}

/// What the disk says of a file, or of a folder and all that is in it.
fn on_disk(path: &Path) -> Result<u64> {
    // It may go while it is looked at.
    let Ok(found) = path.symlink_metadata() else { return Ok(0) };
    let mut bytes = found.blocks() * 512;
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += on_disk(&entry?.path())?;
        }
    }
    Ok(bytes)
}

/// What a process has in memory, in bytes.
fn memory(id: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kibibytes * 1024)
}
