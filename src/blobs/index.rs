//! Complete and partial files, by id: the folder as the server knows it.
//!
//! Owned by the server. A part may be locked for as long as the disk takes, the index never is. Invariant: a blob is in
//! the index as *kept* only when all of it is on the disk, synced, under its own name.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ssh_key::rand_core::{OsRng, RngCore};

use super::file::{Label, Part, WriteError, orphan, part_path, whole_path};
use super::refusal::{BlobError, FILES_OF_ONE, FileLimits, PARTS_OF_ONE};
use super::room::{NoRoom, Room, Share};
use super::survey::{FOLDER, Found, survey};
use crate::clock::Clock;
use crate::message::{BlobId, Name, SessionKey, Uptime};

/// How long an offer of which nothing came counts, and how long one does of which too little came.
const UNBEGUN: Duration = Duration::from_secs(10 * 60);
const ABANDONED: Duration = Duration::from_secs(24 * 60 * 60);

/// See the [module](super).
pub(crate) struct Blobs {
    folder: PathBuf,
    room: Room,
    clock: Arc<Clock>,
    index: Mutex<HashMap<BlobId, Entry>>,
}

struct Entry {
    label: Label,
    /// None once all of it is kept.
    coming: Option<Arc<Coming>>,
}

/// A blob of which more is to come. The part may be locked for as long as the disk takes, so nobody waits for
/// that who holds the index: what others want to know stands beside it.
struct Coming {
    part: Mutex<Part>,
    share: Share,
    /// How much of it there is, in bytes.
    have: AtomicU64,
    /// When enough of it last came; an [`Uptime`].
    touched: AtomicU64,
}

impl Entry {
    /// How much of it there is, in bytes.
    fn has(&self) -> u64 {
        self.coming.as_ref().map_or(self.label.size, |coming| coming.have())
    }
}

impl Coming {
    fn of(part: Part, now: Uptime) -> Arc<Self> {
        let (have, touched) = (part.have(), part.touched.min(now).0.into());
        Arc::new(Self {
            part: Mutex::new(part),
            share: Share::of(have),
            have: have.into(),
            touched,
        })
    }

    fn part(&self) -> MutexGuard<'_, Part> {
        self.part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn have(&self) -> u64 {
        self.have.load(Ordering::Relaxed)
    }

    /// Whether nobody has gone on with it for too long.
    fn is_abandoned(&self, clock: &Clock) -> bool {
        let patience = if self.have() == 0 { UNBEGUN } else { ABANDONED };
        clock.overdue(patience).is_some_and(|it| self.touched.load(Ordering::Relaxed) < it.0)
    }
}

/// How many files somebody has here, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Those that wait for them.
    pub(crate) received: (u64, u64),
    /// Those of theirs that wait for others, or are on their way.
    pub(crate) sent: (u64, u64),
}

/// An upload, to go on with. The last that was given goes on; an earlier one finds itself out of place.
pub(crate) struct Upload {
    id: BlobId,
    coming: Arc<Coming>,
}

/// What may be gone on with.
pub(crate) enum Resumed {
    /// The upload, how much there is, and what that has to hash to, if that is in doubt.
    Part(Upload, u64, Option<blake3::Hash>),
    /// All of it is kept already.
    Kept,
}

impl Blobs {
    /// Opens the folder below a data folder, and makes it the first time. What is no blob is left alone.
    pub(crate) fn open(data: &Path, limits: FileLimits, clock: Arc<Clock>) -> io::Result<Self> {
        let folder = data.join(FOLDER);
        DirBuilder::new().mode(0o700).recursive(true).create(&folder)?;
        // What was stamped later came before a loss of the mailbox, which counts the uptime.
        let (mut index, now) = (HashMap::new(), clock.uptime());
        for Found { id, path, label, is_part, .. } in survey(&folder)? {
            match label {
                Ok(label) if is_part => match Part::found(path) {
                    Ok(part) => {
                        let coming = Some(Coming::of(part, now));
                        index.insert(id, Entry { label, coming });
                    }
                    Err(error) => log::error!("an upload that cannot go on: {error}"),
                },
                Ok(label) => {
                    let label = Label { kept: label.kept.map(|kept| kept.min(now)), ..label };
                    index.insert(id, Entry { label, coming: None });
                }
                // A crash came before it was written whose it is: nobody can go on with it.
                Err(error) if is_part && error.kind() != io::ErrorKind::Unsupported => {
                    _ = is_removed(&path);
                }
                Err(error) => log::error!("{}: {error}", path.display()),
            }
        }
        let room = Room::new(folder.clone(), limits, index.values().map(Entry::has).sum());
        Ok(Self { folder, room, clock, index: Mutex::new(index) })
    }

    /// How much there may be, where nobody has limits of their own.
    pub(crate) fn limits(&self) -> FileLimits {
        self.room.limits.get()
    }

    /// Says how much there may be from now on. What is kept already stays.
    pub(crate) fn set_limits(&self, limits: FileLimits) {
        self.room.limits.set(limits);
    }

    #[cfg(test)]
    fn offer(&self, key: &SessionKey, size: u64) -> Result<(BlobId, Upload), BlobError> {
        self.offer_within(self.limits(), key, size)
    }

    /// Begins an upload, if its sender may have it wait, by these limits, and if there is room for it now.
    pub(crate) fn offer_within(
        &self,
        limits: FileLimits,
        key: &SessionKey,
        size: u64,
    ) -> Result<(BlobId, Upload), BlobError> {
        let (from, to) = (key.sender().clone(), key.receiver().clone());
        let now = self.clock.uptime();
        let label = Label { from, to, size, touched: now, kept: None };
        let id = new_id();
        // Counted under the lock: else two at once could both be a person's last.
        let mut index = self.index();
        self.admit(&index, limits, &label)?;
        let part = Part::create(&self.folder, id, label.clone()).map_err(BlobError::Disk)?;
        let coming = Coming::of(part, now);
        index.insert(id, Entry { label, coming: Some(coming.clone()) });
        Ok((id, Upload { id, coming }))
    }

    fn admit(
        &self,
        index: &HashMap<BlobId, Entry>,
        FileLimits { file, person, .. }: FileLimits,
        label: &Label,
    ) -> Result<(), BlobError> {
        let size = label.size;
        if file > 0 && size > file {
            return Err(BlobError::TooLarge { size, limit: file });
        }
        let (mut count, mut parts, mut used) = (0, 0, 0_u64);
        let own = |it: &&Entry| it.label.from == label.from && !it.label.is_orphan();
        for Entry { label: other, coming } in index.values().filter(own) {
            count += 1;
            parts += usize::from(coming.is_some());
            used = used.saturating_add(other.size);
        }
        if count >= FILES_OF_ONE || parts >= PARTS_OF_ONE {
            return Err(BlobError::TooMany);
        }
        if person > 0 && used.saturating_add(size) > person {
            return Err(BlobError::Quota { size, used, limit: person });
        }
        let room = self.room.left().map_err(BlobError::Disk)?;
        if size > room { Err(BlobError::Space { size, room }) } else { Ok(()) }
    }

    /// Goes on with an upload of somebody.
    pub(crate) fn resume(&self, id: BlobId, from: &Name) -> Result<Resumed, BlobError> {
        let coming = {
            let index = self.index();
            let entry = index.get(&id).filter(|entry| entry.label.from == *from);
            match entry.ok_or(BlobError::Gone)?.coming.clone() {
                Some(coming) => coming,
                None => return Ok(Resumed::Kept),
            }
        };
        let (have, hash) = {
            let mut part = coming.part();
            (part.have(), part.doubt().map_err(|error| BlobError::from(WriteError::from(error)))?)
        };
        Ok(Resumed::Part(Upload { id, coming }, have, hash))
    }

    /// Puts the next bytes to an upload. Returns whether that is all of it; then it is on the disk. To be
    /// called with nothing too: an empty file is whole at once, and the end may have failed before.
    pub(crate) fn write(
        &self,
        Upload { id, coming }: &Upload,
        offset: u64,
        bytes: &[u8],
    ) -> Result<bool, BlobError> {
        let now = self.clock.uptime();
        let kept = {
            let mut part = coming.part();
            let end = part.end_of(offset, bytes.len())?;
            self.room.take_up_to(&coming.share, end).map_err(|error| match error {
                NoRoom::Left(room) => BlobError::Filled { lacks: part.lacks(), room },
                NoRoom::Over => BlobError::Gone,
                NoRoom::Io(error) => BlobError::Disk(error),
            })?;
            part.write(offset, bytes, now)?;
            coming.have.store(part.have(), Ordering::Relaxed);
            coming.touched.store(part.touched.0, Ordering::Relaxed);
            if !part.is_whole() {
                return Ok(false);
            }
            part.keep(&self.folder, *id, now)
        };
        let mut index = self.index();
        // It may have been dropped meanwhile.
        let Some(entry) = index.get_mut(id) else {
            let _ = fs::remove_file(whole_path(&self.folder, *id));
            return Err(BlobError::Gone);
        };
        kept?;
        entry.label.kept = Some(now);
        entry.coming = None;
        // All of it stays taken.
        coming.share.close();
        Ok(true)
    }

    /// Opens a whole blob for its receiver, and says how many bytes it has behind its label.
    pub(crate) fn fetch(&self, id: BlobId, to: &Name) -> Result<(File, u64), BlobError> {
        let size = {
            let index = self.index();
            let entry = index.get(&id).filter(|it| it.label.to == *to && it.coming.is_none());
            entry.ok_or(BlobError::Gone)?.label.size
        };
        match File::open(whole_path(&self.folder, id)) {
            Ok(file) => Ok((file, size)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(BlobError::Gone),
            Err(error) => Err(BlobError::Disk(error)),
        }
    }

    /// What everybody has here who has anything.
    pub(crate) fn held(&self) -> HashMap<Name, Held> {
        let mut all = HashMap::<Name, Held>::new();
        let add = |sum: &mut (u64, u64), size| *sum = (sum.0 + 1, sum.1.saturating_add(size));
        for Entry { label, coming } in self.index().values() {
            if coming.is_none() {
                add(&mut all.entry(label.to.clone()).or_default().received, label.size);
            }
            if !label.is_orphan() {
                add(&mut all.entry(label.from.clone()).or_default().sent, label.size);
            }
        }
        all
    }

    /// Keeps a blob no longer: its receiver has it, or its sender thinks better of it.
    pub(crate) fn drop_for(&self, id: BlobId, who: &Name) {
        let mut index = self.index();
        let entry = index.get(&id).filter(|it| it.label.to == *who || it.label.from == *who);
        if entry.is_some_and(|entry| self.is_removed(id, entry)) {
            index.remove(&id);
        }
    }

    /// A name is given up: keeps nothing that is for it, and no upload of it that is not done. Its other files
    /// stay with those for whom they are, and count for nobody. Returns how many these are.
    pub(crate) fn forget(&self, name: &Name) -> io::Result<u64> {
        self.remove_where(|Entry { label, coming }| {
            label.to == *name || (label.from == *name && coming.is_some())
        });
        let mut orphans = 0;
        for (id, entry) in self.index().iter_mut().filter(|(_, it)| it.label.from == *name) {
            match orphan(&self.folder, *id, &entry.label) {
                // Its receiver is just taking it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                done => done?,
            }
            entry.label.from = entry.label.to.clone();
            orphans += 1;
        }
        Ok(orphans)
    }

    /// The same, but keeps nothing of it either. Returns how many of its files went that were for others.
    pub(crate) fn purge(&self, name: &Name) -> io::Result<u64> {
        let (sent, _) = self.held().get(name).copied().unwrap_or_default().sent;
        self.remove_where(|Entry { label, .. }| label.to == *name || label.from == *name);
        if self.held().contains_key(name) {
            return Err(io::Error::other("a file of theirs cannot be removed"));
        }
        Ok(sent)
    }

    /// How many files wait or are coming, and how many bytes there are of them.
    pub(crate) fn count(&self) -> (u64, u64) {
        let files = self.index().len() as u64;
        (files, self.room.taken())
    }

    /// Keeps nothing that has waited for longer than `keep`, and no upload that nobody goes on with.
    pub(crate) fn sweep(&self, keep: Option<Duration>) {
        let before = keep.and_then(|keep| self.clock.overdue(keep));
        self.remove_where(|entry| match &entry.coming {
            Some(coming) => coming.is_abandoned(&self.clock),
            None => entry.label.kept.zip(before).is_some_and(|(kept, before)| kept < before),
        });
    }

    fn remove_where(&self, is_meant: impl Fn(&Entry) -> bool) {
        self.index().retain(|id, entry| !(is_meant(entry) && self.is_removed(*id, entry)));
    }

    /// Has a blob be gone from the disk. What cannot be removed still counts.
    fn is_removed(&self, id: BlobId, entry: &Entry) -> bool {
        let Some(coming) = &entry.coming else {
            let is_removed = is_removed(&whole_path(&self.folder, id));
            if is_removed {
                self.room.give_back(entry.label.size);
            }
            return is_removed;
        };
        let had = coming.share.close();
        // It may just be kept, and have either name.
        if is_removed(&part_path(&self.folder, id)) && is_removed(&whole_path(&self.folder, id)) {
            self.room.give_back(had.unwrap_or(0));
            return true;
        }
        coming.share.reopen(had);
        false
    }

    fn index(&self) -> MutexGuard<'_, HashMap<BlobId, Entry>> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_removed(path: &Path) -> bool {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::error!("removing {}: {error}", path.display());
            false
        }
        _ => true,
    }
}

fn new_id() -> BlobId {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    BlobId::from_u128(u128::from_be_bytes(bytes))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
