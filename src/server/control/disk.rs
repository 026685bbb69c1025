//! What takes up the disk: by person, and by what it is for.
//!
//! Invariant: the parts of a [`Disk`] add up to what the disk says of the data folder, as `du` does.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use async_std::task::block_on;
use bytesize::ByteSize;
use serde::Serialize;

use super::error::ControlError;
use super::subject::Subject;
use crate::blobs;
use crate::mailbox::Image;

/// What the system counts a file's blocks in.
const BLOCK: u64 = 512;

/// What the engine's journals end with.
const JOURNAL: &str = "jnl";

/// Prints who takes up how much, and what the disk says of it.
pub(super) fn du(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let image = block_on(subject.mailbox.image())?;
    let people = people(&image, &subject.data)?;
    let disk = Disk::measure(&subject.data)?;
    let free = (disk.mailbox + disk.journal).saturating_sub(image.content_bytes()?);
    let report = Report { people, total: disk.total(), disk, free };
    match words {
        [] => Ok(print_table(&report, out)?),
        ["json"] => {
            serde_json::to_writer(&mut *out, &report).map_err(io::Error::from)?;
            Ok(writeln!(out)?)
        }
        _ => Err(ControlError::Refused("this server does not know that request".into())),
    }
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    people: Vec<Person>,
    disk: Disk,
    /// What of mailbox and journal no entry has: it is used again.
    free: u64,
    total: u64,
}

/// What of all that waits is somebody's. Each message and each file is two people's.
#[derive(Default, Serialize)]
struct Person {
    name: String,
    messages_to: Amount,
    messages_from: Amount,
    files_to: Amount,
    files_from: Amount,
}

#[derive(Clone, Copy, Default, Serialize)]
struct Amount {
    count: u64,
    bytes: u64,
}

impl Amount {
    fn add(&mut self, count: u64, bytes: u64) {
        self.count += count;
        self.bytes += bytes;
    }
}

impl Person {
    fn amounts(&self) -> [Amount; 4] {
        [self.messages_to, self.messages_from, self.files_to, self.files_from]
    }

    fn bytes(&self) -> u64 {
        self.amounts().iter().map(|it| it.bytes).sum()
    }
}

/// Everybody of whom or for whom something waits, those with most of it first.
fn people(image: &Image, data: &Path) -> Result<Vec<Person>, ControlError> {
    let mut people = BTreeMap::<String, Person>::new();
    for (key, usage) in image.waiting()? {
        let (to, from) = (key.receiver().to_string(), key.sender().to_string());
        people.entry(to).or_default().messages_to.add(usage.messages, usage.bytes);
        people.entry(from).or_default().messages_from.add(usage.messages, usage.bytes);
    }
    for found in blobs::survey(&data.join(blobs::FOLDER))? {
        let Ok(label) = found.label else { continue };
        // Its sender is gone: it is its receiver's alone.
        if !label.is_orphan() {
            people.entry(label.from.to_string()).or_default().files_from.add(1, found.length);
        }
        people.entry(label.to.to_string()).or_default().files_to.add(1, found.length);
    }
    let mut people: Vec<_> =
        people.into_iter().map(|(name, person)| Person { name, ..person }).collect();
    people.sort_by_key(|person| Reverse(person.bytes()));
    Ok(people)
}

/// What the disk says of the data folder, in bytes, by what it is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Disk {
    /// Messages that wait, device lists, whom people accept and block.
    mailbox: u64,
    /// What came last of these, and what is kept of it until it is in the mailbox.
    journal: u64,
    files: u64,
    book: u64,
    other: u64,
}

impl Disk {
    fn measure(data: &Path) -> io::Result<Self> {
        // It may be a link, as systemd makes one.
        let data = fs::canonicalize(data)?;
        let mut disk = Self::default();
        let mut take = |path: &Path, bytes: u64| {
            *disk.part(path.strip_prefix(&data).unwrap_or(path)) += bytes;
        };
        walk(&data, &mut take)?;
        Ok(disk)
    }

    /// What a path below the data folder is for.
    fn part(&mut self, path: &Path) -> &mut u64 {
        let first = path.components().next().and_then(|it| it.as_os_str().to_str());
        let is_journal = path.extension().is_some_and(|it| it == JOURNAL);
        match first {
            Some("mailbox") if is_journal => &mut self.journal,
            Some("mailbox") => &mut self.mailbox,
            Some(blobs::FOLDER) => &mut self.files,
            Some("names") => &mut self.book,
            _ => &mut self.other,
        }
    }

    /// What each part is called.
    fn parts(&self) -> [(&'static str, u64); 5] {
        [
            ("mailbox", self.mailbox),
            ("journal", self.journal),
            ("files", self.files),
            ("book of names", self.book),
            ("other", self.other),
        ]
    }

    fn total(&self) -> u64 {
        self.parts().iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Passes on each file and folder, and how much of the disk it has. What is taken away meanwhile is left out.
fn walk(path: &Path, take: &mut dyn FnMut(&Path, u64)) -> io::Result<()> {
    let gone = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let found = match path.symlink_metadata() {
        Err(error) if gone(&error) => return Ok(()),
        found => found?,
    };
    take(path, found.blocks() * BLOCK);
    if !found.is_dir() {
        return Ok(());
    }
    match fs::read_dir(path) {
        Err(error) if gone(&error) => Ok(()),
        entries => entries?.try_for_each(|entry| walk(&entry?.path(), take)),
    }
}

/// Sizes as people read them, the largest first.
fn print_table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let Report { people, disk, free, total } = report;
    let width = people.iter().map(|it| it.name.chars().count()).max().unwrap_or(0).max(13);
    let heads = ["messages to", "messages from", "files to", "files from"];
    print_row(out, width, "", &heads.map(String::from))?;
    for person in people {
        print_row(out, width, &person.name, &person.amounts().map(|it| text(it.bytes)))?;
    }
    let mut parts = disk.parts();
    parts.sort_by_key(|(_, bytes)| Reverse(*bytes));
    writeln!(out)?;
    for (name, bytes) in parts.into_iter().chain([("total", *total)]) {
        print_row(out, width, name, &[text(bytes)])?;
    }
    writeln!(out, "{} of mailbox and journal is free: it is used again", text(*free))
}

fn text(bytes: u64) -> String {
    ByteSize(bytes).to_string()
}

fn print_row(out: &mut dyn Write, width: usize, name: &str, columns: &[String]) -> io::Result<()> {
    let columns: String = columns.iter().map(|column| format!(" {column:>14}")).collect();
    writeln!(out, "{name:width$}{columns}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_disk_is_told_by_what_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        for path in ["mailbox/0.jnl", "mailbox/keyspaces/1", "blobs/x", "names", "key.pem"] {
            let path = data.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let mut file = fs::File::create(&path).unwrap();
            file.write_all(&vec![1; 100_000]).unwrap();
            file.sync_all().unwrap();
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&data, &link).unwrap();
        let disk = Disk::measure(&link).unwrap();
        for (name, bytes) in disk.parts() {
            assert!((1..200_000).contains(&bytes), "{name}: {bytes}");
        }
    }
}
