//! Files of backups: one that an operator names, or a folder of them that are named by time, of which the last are kept;
//! and drills of restoring them.
//!
//! Owned by the operator's process. Invariant: a backup has its name when it is whole, on the disk and read back. Only
//! then others are removed, and never what was not named here.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Seek, Write};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use async_std::task::block_on;
use bytesize::ByteSize;
use tempfile::{NamedTempFile, TempPath};
use tinychat::folder::create_private;
use tinychat::server::{self, Drill, control};
use tinychat::time_text;

/// What a backup in a folder is called, before and behind its time.
const BEGIN: &str = "tinychat-";
const END: &str = ".backup";

/// What one is called in a folder until it is whole.
const PARTIAL: &str = "tinychat.backup.partial";

/// Locked by whoever writes a backup into a folder.
const LOCK: &str = "tinychat.backup.lock";

/// Where a drill restores, beside the backup, and what is locked by it.
const DRILL: &str = "tinychat.drill";
const DRILL_LOCK: &str = "tinychat.drill.lock";

/// How many seconds a backup's name may be ahead of the clock, if there are others of the same second.
const NAMES: u64 = 60;

/// A name that is further ahead comes from a clock that was wrong.
const AHEAD: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes a backup of a server's data folder.
pub(crate) fn backup(
    data: &Path,
    target: &Path,
    keep: Option<NonZeroUsize>,
) -> Result<(), Box<dyn Error>> {
    if target.is_dir() || target.as_os_str().as_bytes().ends_with(b"/") {
        return into_folder(data, target, keep);
    }
    if keep.is_some() {
        return Err("--keep-backups is for a folder of them, whose name may end with /".into());
    }
    if target.exists() {
        return Err(taken(target).into());
    }
    let mut fresh = target.as_os_str().to_owned();
    fresh.push(".partial");
    write(data, Path::new(&fresh), target)
}

/// Writes one that is named by time, and removes the oldest.
fn into_folder(
    data: &Path,
    folder: &Path,
    keep: Option<NonZeroUsize>,
) -> Result<(), Box<dyn Error>> {
    let unusable = |error: io::Error| cannot("use", folder, &error);
    DirBuilder::new().mode(0o700).recursive(true).create(folder).map_err(unusable)?;
    let _lock = lock(folder, LOCK, "another backup is being written into")?;
    let now = SystemTime::now();
    let file = free_name(folder, now).ok_or_else(|| taken(&folder.join(name(now))))?;
    write(data, &folder.join(PARTIAL), &file)?;
    if let Some(keep) = keep {
        remove_oldest(folder, &file, keep, now)?;
    }
    crate::print(&format!("{}\n", file.display()))
}

/// Restores a backup, or the last one of a folder, into a folder beside it, says what would come back, and removes that.
pub(crate) fn drill(target: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let target = target.unwrap_or(Path::new("."));
    let file = if target.is_dir() { last(target)? } else { target.into() };
    let backup = File::open(&file).map_err(|error| cannot("read", &file, &error))?;
    let beside = folder_of(&file);
    let unwritable = |error: io::Error| cannot("restore into", beside, &error);
    let _lock = lock(beside, DRILL_LOCK, "another drill runs in")?;
    let scratch = beside.join(DRILL);
    // All data may be in it, if a drill was killed.
    remove_folder(&scratch).map_err(unwritable)?;
    DirBuilder::new().mode(0o700).create(&scratch).map_err(unwritable)?;
    let restored = block_on(server::drill(io::BufReader::new(backup), &scratch.join("data")));
    let removed = remove_folder(&scratch).map_err(unwritable);
    let found = restored.map_err(|error| format!("{}: {error}", file.display()))?;
    removed?;
    crate::print(&told(&file, &found))
}

fn remove_folder(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn told(file: &Path, found: &Drill) -> String {
    let Drill { taken, people, lists, messages, files: (files, bytes) } = found;
    let taken = match taken {
        Some(taken) => format!("of {}", time_text::moment(taken.printable(), 0)),
        None => "and does not say of when it is".into(),
    };
    format!(
        "{} can be restored, {taken}; this would come back:\n{people} people, {lists} device lists\n{} messages, {}\n{files} files, {}\n",
        file.display(),
        messages.messages,
        ByteSize(messages.bytes),
        ByteSize(*bytes)
    )
}

/// The backup in a folder that was written last.
fn last(folder: &Path) -> Result<PathBuf, String> {
    let all = in_order(folder, SystemTime::now());
    let last = all.map_err(|error| cannot("read", folder, &error))?.pop();
    last.ok_or_else(|| format!("there is no backup in {}", folder.display()))
}

/// Nobody else does the same in the folder as long as this is open.
fn lock(folder: &Path, name: &str, busy: &str) -> Result<File, String> {
    let path = folder.join(name);
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(false).mode(0o600).open(&path);
    let lock = opened.map_err(|error| cannot("use", &path, &error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(format!("{busy} {}", folder.display())),
        Err(TryLockError::Error(error)) => Err(cannot("lock", &path, &error)),
    }
}

/// Writes a backup, reads it back, and only then gives it its name, over nothing that is there.
fn write(data: &Path, fresh: &Path, file: &Path) -> Result<(), Box<dyn Error>> {
    let unwritable = |error: io::Error| cannot("write", fresh, &error);
    let made = create_private(fresh).map_err(unwritable)?;
    // Gone with this value, unless it gets its name.
    let path = TempPath::try_from_path(fresh).map_err(unwritable)?;
    let mut out = NamedTempFile::from_parts(made, path);
    control::operate(data, &["backup"], &mut out)?;
    out.flush().and_then(|()| out.as_file().sync_all()).map_err(unwritable)?;
    verify(out.as_file_mut(), fresh)?;
    match out.persist_noclobber(file) {
        Ok(_) => Ok(sync_folder(file).map_err(unwritable)?),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Err(taken(file).into()),
        Err(error) => Err(unwritable(error.error).into()),
    }
}

/// What was written, and not what is found under its name.
fn verify(written: &mut File, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut scratch = path.as_os_str().to_owned();
    scratch.push(".check");
    written.rewind()?;
    let verified = control::verify(io::BufReader::new(written), Path::new(&scratch));
    let refused =
        |error| format!("what was written could not be restored, and is not kept: {error}");
    Ok(verified.map_err(refused)?)
}

/// So that the file has its name also after a power cut.
fn sync_folder(file: &Path) -> io::Result<()> {
    File::open(folder_of(file))?.sync_all()
}

fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

fn taken(file: &Path) -> String {
    format!("{} exists; choose another name", file.display())
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> String {
    format!("cannot {what} {}: {error}", path.display())
}

/// Removes the oldest backups of a folder, so that so many are left with the one that was just written. That one stays,
/// whatever the clock said.
fn remove_oldest(
    folder: &Path,
    written: &Path,
    keep: NonZeroUsize,
    now: SystemTime,
) -> Result<(), String> {
    let mut others = in_order(folder, now).map_err(|error| cannot("read", folder, &error))?;
    others.retain(|path| path != written);
    let too_many = others.len().saturating_sub(keep.get() - 1);
    for old in &others[..too_many] {
        fs::remove_file(old).map_err(|error| cannot("remove", old, &error))?;
        crate::tell(format_args!("removed {}", old.display()));
    }
    Ok(())
}

/// The backups in a folder that were named here, the oldest first. Those of the future count as the oldest: a clock was
/// wrong, and they would outlast all others.
fn in_order(folder: &Path, now: SystemTime) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if let Some(at) = moment(&entry.file_name())
            && entry.file_type()?.is_file()
        {
            found.push((at <= now + AHEAD, at, entry.path()));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, _, path)| path).collect())
}

/// The path of a backup that is made now, or as soon after as none is called the same.
fn free_name(folder: &Path, now: SystemTime) -> Option<PathBuf> {
    let path = |seconds| folder.join(name(now + Duration::from_secs(seconds)));
    (0..NAMES).map(path).find(|path| !path.exists())
}

/// What a backup of a moment is called: `tinychat-2026-11-29T01-22-38Z.backup`.
fn name(at: SystemTime) -> String {
    format!("{BEGIN}{}{END}", time_text::moment(at, 0).replace(':', "-"))
}

/// The moment by which a backup is called so, if one is.
fn moment(file_name: &OsStr) -> Option<SystemTime> {
    let text = file_name.to_str()?.strip_prefix(BEGIN)?.strip_suffix(END)?;
    let (day, time) = text.split_once('T')?;
    let at = time_text::parse_moment(&format!("{day}T{}", time.replace('-', ":")))?;
    (file_name == OsStr::new(&name(at))).then_some(at)
}
