//! One waiting file on the disk: a label of [`LABEL`] bytes, then the content.
//!
//! The label is lines of text, padded with zeros, so that a blob itself says whose it is:
//!
//! ```text
//! tinychat blob 2
//! from john
//! to marie
//! size 1048576
//! touched 604740000
//! kept 604800000
//! ```
//!
//! `touched` says when enough of it last arrived, to a minute, and `kept` since when all of it is there; both as the
//! server's [`Uptime`]. Until it is complete the file's name ends with `.part`. A label of version 1 has no `touched`,
//! and a wall clock's time after `kept`; such a blob counts from uptime 0, when the server first counted. If both names
//! are the same the sender has given up theirs. Invariant: what is kept is synced. A part need not be: after a power
//! cut it may differ from what was written, so whoever resumes one that an earlier run has left compares its hash
//! first.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::message::{BlobId, Name, Uptime};

/// How long a label is, in bytes.
pub(crate) const LABEL: usize = 4096;

/// The version of the labels that are written here. The first is read too.
const VERSION: u64 = 2;

/// What the name of a file ends with of which more is to come.
const PART: &str = ".part";

/// How far what a label says may be behind.
const TOUCH: Duration = Duration::from_secs(60);

/// After how many bytes an upload is synced. What is not would have to be before anything else can be, as the system's
/// journal has it: others wait for no more than this of each upload.
const SYNC_EVERY: u64 = 4 * 1024 * 1024;

/// What share of a file has to come for it to count as gone on with. So however slowly it comes, it is done after so
/// many times the patience with those that stand still, or is given up.
const STEPS: u64 = 100;

/// Whose a blob is, and how large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    /// Who sends it.
    pub(crate) from: Name,
    /// Who is to have it.
    pub(crate) to: Name,
    /// The content's length in bytes.
    pub(crate) size: u64,
    /// When enough of it last came.
    pub(crate) touched: Uptime,
    /// Since when all of it is there.
    pub(crate) kept: Option<Uptime>,
}

impl Label {
    fn encode(&self) -> Vec<u8> {
        let Self { from, to, size, touched: Uptime(touched), kept } = self;
        let mut text = format!(
            "tinychat blob {VERSION}\nfrom {from}\nto {to}\nsize {size}\ntouched {touched}\n"
        );
        if let Some(Uptime(kept)) = kept {
            text += &format!("kept {kept}\n");
        }
        // Two names and three numbers have some 300 bytes.
        let mut label = text.into_bytes();
        label.resize(LABEL, 0);
        label
    }

    /// None if it is no label.
    pub(crate) fn parse(label: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(label).ok()?.trim_end_matches('\0');
        let (version, lines) = text.strip_prefix("tinychat blob ")?.split_once('\n')?;
        let mut lines = lines.lines();
        let from = lines.next()?.strip_prefix("from ")?.parse().ok()?;
        let to = lines.next()?.strip_prefix("to ")?.parse().ok()?;
        let size = lines.next()?.strip_prefix("size ")?.parse().ok()?;
        let time = |line: &str, word| line.strip_prefix(word)?.parse().ok().map(Uptime);
        let touched = match version {
            "1" => Uptime::default(),
            "2" => time(lines.next()?, "touched ")?,
            _ => return None,
        };
        let kept = lines.next().map(|line| time(line, "kept ").ok_or(())).transpose().ok()?;
        let kept = if version == "1" { kept.and(Some(touched)) } else { kept };
        lines.next().is_none().then_some(Self { from, to, size, touched, kept })
    }

    /// Reads the label in front of a blob.
    pub(crate) fn read(file: impl Read) -> io::Result<Self> {
        let mut label = Vec::with_capacity(LABEL);
        file.take(LABEL as u64).read_to_end(&mut label)?;
        let parsed = if label.len() == LABEL { Self::parse(&label) } else { None };
        parsed.ok_or_else(|| match is_newer(&label) {
            true => io::Error::new(io::ErrorKind::Unsupported, "a newer version wrote its label"),
            false => io::Error::new(io::ErrorKind::InvalidData, "it has no label of a blob"),
        })
    }

    /// Whether its sender has given up their name: then it is its receiver's own.
    pub(crate) fn is_orphan(&self) -> bool {
        self.from == self.to
    }

    /// How long the whole file is.
    pub(crate) fn length(&self) -> u64 {
        self.size.saturating_add(LABEL as u64)
    }
}

/// Whether a label has a version that is not known here.
fn is_newer(label: &[u8]) -> bool {
    let first = label.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let version = str::from_utf8(first).ok().and_then(|it| it.strip_prefix("tinychat blob "));
    version.and_then(|version| version.parse().ok()).is_some_and(|version: u64| version > VERSION)
}

/// Which blob a file is by its name, and whether more of it is to come.
pub(crate) fn named(name: &str) -> Option<(BlobId, bool)> {
    match name.strip_suffix(PART) {
        Some(id) => Some((id.parse().ok()?, true)),
        None => Some((name.parse().ok()?, false)),
    }
}

/// Where a whole blob lies.
pub(super) fn whole_path(folder: &Path, id: BlobId) -> PathBuf {
    folder.join(id.to_string())
}

/// Where a blob lies of which more is to come.
pub(super) fn part_path(folder: &Path, id: BlobId) -> PathBuf {
    folder.join(format!("{id}{PART}"))
}

/// Writes that a whole blob is its receiver's own. It has the old or the new label: both fit into what a disk
/// writes at once.
pub(super) fn orphan(folder: &Path, id: BlobId, label: &Label) -> io::Result<()> {
    let label = Label { from: label.to.clone(), ..label.clone() };
    let file = OpenOptions::new().write(true).open(whole_path(folder, id))?;
    file.write_all_at(&label.encode(), 0)?;
    file.sync_data()
}

/// A blob of which more is to come. It is opened for each write: nobody knows how many there are, and one that was
/// removed meanwhile takes no more.
#[derive(Debug)]
pub(super) struct Part {
    path: PathBuf,
    label: Label,
    have: u64,
    /// An earlier server wrote what there is, or the disk may not have it.
    in_doubt: bool,
    /// What there is hashes to, once somebody asked in doubt.
    hash: Option<blake3::Hash>,
    /// When enough was last written, and how much there was then.
    pub(super) touched: Uptime,
    had: u64,
}

/// What came is not put to a blob.
#[derive(Debug)]
pub(super) enum WriteError {
    /// Somebody else went on with it, or more comes than was offered.
    OutOfPlace,
    /// It was removed.
    Gone,
    Io(io::Error),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::NotFound { Self::Gone } else { Self::Io(error) }
    }
}

impl Part {
    /// Makes the file.
    pub(super) fn create(folder: &Path, id: BlobId, label: Label) -> io::Result<Self> {
        let path = part_path(folder, id);
        let mut options = OpenOptions::new();
        let file = options.write(true).create_new(true).mode(0o600).open(&path)?;
        // Not synced: whoever goes on with one that a power cut took begins anew.
        if let Err(error) = file.write_all_at(&label.encode(), 0) {
            // What is left has no label, and is removed at the next start.
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let touched = label.touched;
        Ok(Self { path, label, have: 0, in_doubt: false, hash: None, touched, had: 0 })
    }

    /// Goes on with what an earlier server has left.
    pub(super) fn found(path: PathBuf) -> io::Result<Self> {
        let file = File::open(&path)?;
        let label = Label::read(&file)?;
        let have = file.metadata()?.len().saturating_sub(LABEL as u64).min(label.size);
        let touched = label.touched;
        Ok(Self { path, label, have, in_doubt: true, hash: None, touched, had: have })
    }

    /// How much of it there is, in bytes.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    /// How much is still to come, in bytes.
    pub(super) fn lacks(&self) -> u64 {
        self.label.size.saturating_sub(self.have)
    }

    /// What the bytes that are there hash to, if they may be others than those that were written. They are read once,
    /// however often somebody asks.
    pub(super) fn doubt(&mut self) -> io::Result<Option<blake3::Hash>> {
        if !self.in_doubt || self.hash.is_some() {
            return Ok(self.hash.filter(|_| self.in_doubt));
        }
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(LABEL as u64))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file.take(self.have))?;
        self.hash = Some(hasher.finalize());
        Ok(self.hash)
    }

    pub(super) fn is_whole(&self) -> bool {
        self.have == self.label.size
    }

    /// How much there is once these bytes are put to it, if they are the next.
    pub(super) fn end_of(&self, offset: u64, length: usize) -> Result<u64, WriteError> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.label.size);
        end.filter(|_| offset == self.have).ok_or(WriteError::OutOfPlace)
    }

    /// Puts the next bytes to it. Nothing does not go on with it.
    pub(super) fn write(
        &mut self,
        offset: u64,
        bytes: &[u8],
        now: Uptime,
    ) -> Result<(), WriteError> {
        let end = self.end_of(offset, bytes.len())?;
        if !bytes.is_empty() {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.write_all_at(bytes, LABEL as u64 + self.have)?;
            // What is whole is synced when it is kept.
            if end / SYNC_EVERY > self.have / SYNC_EVERY && end < self.label.size {
                file.sync_data()?;
            }
            if end - self.had >= self.label.size.div_ceil(STEPS) || end == self.label.size {
                self.touch(&file, now)?;
                (self.touched, self.had) = (now, end);
            }
            (self.have, self.in_doubt) = (end, false);
        }
        Ok(())
    }

    /// Has the label say that enough came, if it did not for a while. All that differs lies in the file's first
    /// sector, which a power cut changes wholly or not at all.
    fn touch(&mut self, file: &File, now: Uptime) -> io::Result<()> {
        if now.since(self.label.touched) < TOUCH {
            return Ok(());
        }
        let label = Label { touched: now, ..self.label.clone() };
        file.write_all_at(&label.encode(), 0)?;
        self.label = label;
        Ok(())
    }

    /// Puts the whole blob where it is kept. When this returns it is on disk. It may be tried again.
    pub(super) fn keep(
        &mut self,
        folder: &Path,
        id: BlobId,
        now: Uptime,
    ) -> Result<(), WriteError> {
        let whole = whole_path(folder, id);
        if self.path != whole {
            let label = Label { touched: now, kept: Some(now), ..self.label.clone() };
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.write_all_at(&label.encode(), 0)?;
            if let Err(error) = file.sync_all() {
                // A disk that failed once may say that all is well the next time.
                (self.in_doubt, self.hash) = (true, None);
                return Err(error.into());
            }
            std::fs::rename(&self.path, &whole)?;
            self.path = whole;
        }
        File::open(folder)?.sync_all()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Uptime = Uptime(4);

    fn label(size: u64) -> Label {
        let (from, to) = ("john".parse().unwrap(), "marie".parse().unwrap());
        Label { from, to, size, touched: Uptime(3), kept: None }
    }

    #[test]
    fn a_label_says_what_it_was_made_of_and_nothing_else_is_one() {
        let kept = Label { kept: Some(Uptime(7)), ..label(5) };
        for label in [label(0), label(u64::MAX), kept] {
            assert_eq!(Label::parse(&label.encode()), Some(label));
        }
        for bad in [
            "",
            "tinychat blob 2\nfrom a\nto b\nsize 1\n",
            "tinychat blob 1\nfrom a\n",
            "tinychat blob 3\nfrom a\nto b\nsize 1\ntouched 2\n",
        ] {
            assert_eq!(Label::parse(bad.as_bytes()), None, "{bad:?}");
        }
        let more = [&label(1).encode()[..50], b"\nsomething else\n"].concat();
        assert_eq!(Label::parse(&more), None);
    }

    /// What is on people's disks.
    #[test]
    fn a_label_of_version_1_is_as_old_as_the_first_uptime() {
        let first = "tinychat blob 1\nfrom john\nto marie\nsize 5\n";
        let begun = Label { touched: Uptime(0), ..label(5) };
        assert_eq!(Label::parse(first.as_bytes()), Some(begun.clone()));
        let whole = Label { kept: Some(Uptime(0)), ..begun };
        assert_eq!(Label::parse(format!("{first}kept 1767225600000\n").as_bytes()), Some(whole));
        assert_eq!(Label::parse(format!("{first}kept\n").as_bytes()), None);
    }

    #[test]
    fn a_label_of_a_newer_version_is_said_to_be_newer() {
        let read = |text: &str| {
            let mut label = text.as_bytes().to_vec();
            label.resize(LABEL, 0);
            Label::read(&*label).unwrap_err().kind()
        };
        assert_eq!(read("tinychat blob 3\nfor marie\n"), io::ErrorKind::Unsupported);
        for bad in ["tinychat blob 2\nfor marie\n", "tinychat blob x\n", ""] {
            assert_eq!(read(bad), io::ErrorKind::InvalidData, "{bad}");
        }
    }

    #[test]
    fn names_of_files_are_ids_or_nothing() {
        let id = BlobId::from_u128(7);
        assert_eq!(named(&id.to_string()), Some((id, false)));
        assert_eq!(named(&format!("{id}.part")), Some((id, true)));
        for other in ["", ".part", "notes.txt", "7"] {
            assert_eq!(named(other), None);
        }
    }

    #[test]
    fn only_the_next_bytes_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::create(folder.path(), BlobId::from_u128(1), label(4)).unwrap();
        part.write(0, b"ab", NOW).unwrap();
        for (offset, bytes) in [(0, "ab"), (1, "b"), (3, "d"), (2, "cde"), (u64::MAX, "x")] {
            let written = part.write(offset, bytes.as_bytes(), NOW);
            assert!(matches!(written, Err(WriteError::OutOfPlace)), "{offset} {bytes}");
        }
        part.write(2, b"cd", NOW).unwrap();
        assert!(part.is_whole());
    }

    #[test]
    fn what_an_earlier_server_left_is_in_doubt_until_somebody_goes_on_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let id = BlobId::from_u128(2);
        let mut part = Part::create(folder.path(), id, label(9)).unwrap();
        part.write(0, b"abcde", NOW).unwrap();
        assert_eq!(part.doubt().unwrap(), None);
        let mut again = Part::found(part_path(folder.path(), id)).unwrap();
        assert_eq!((again.have(), &again.label), (5, &part.label));
        assert_eq!(again.doubt().unwrap(), Some(blake3::hash(b"abcde")));
        again.write(5, b"f", NOW).unwrap();
        assert_eq!(again.doubt().unwrap(), None);
    }

    #[test]
    fn who_sends_too_little_does_not_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::create(folder.path(), BlobId::from_u128(4), label(1_000)).unwrap();
        let begun = part.touched;
        part.write(0, b"", NOW).unwrap();
        part.write(0, b"a hundre", NOW).unwrap();
        assert_eq!(part.touched, begun);
        part.write(8, b"dt", NOW).unwrap();
        assert_eq!(part.touched, NOW);
        part.write(10, b"and more", Uptime(5)).unwrap();
        assert_eq!(part.touched, NOW);
    }

    #[test]
    fn a_label_says_to_a_minute_when_something_last_came() {
        let folder = tempfile::tempdir().unwrap();
        let id = BlobId::from_u128(3);
        let mut part = Part::create(folder.path(), id, label(9)).unwrap();
        let found = || Part::found(part_path(folder.path(), id)).unwrap();
        part.write(0, b"a", Uptime(2) + TOUCH).unwrap();
        assert_eq!(found().touched, Uptime(3));
        part.write(1, b"b", Uptime(3) + TOUCH).unwrap();
        assert_eq!((found().touched, found().have()), (Uptime(3) + TOUCH, 2));
        assert_eq!(found().doubt().unwrap(), Some(blake3::hash(b"ab")));
    }
}
