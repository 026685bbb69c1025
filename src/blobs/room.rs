//! How much room all files together may take: on the disk, and by the operator's limit.
//!
//! Room is taken as bytes arrive, not when they are offered: whoever offers much and sends nothing occupies nothing.
//! Invariant: the room taken is the size of kept files plus the bytes that arrived of partial ones.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::LABEL;
use super::refusal::FileLimits;
use crate::folder::free_space;
use crate::live::Live;

/// See the [module](self).
pub(super) struct Room {
    folder: PathBuf,
    pub(super) limits: Live<FileLimits>,
    taken: AtomicU64,
}

/// What an upload has taken. None once it is over with it: then it takes no more.
pub(super) struct Share(Mutex<Option<u64>>);

/// Why an upload takes no more room.
#[derive(Debug)]
pub(super) enum NoRoom {
    /// So much is left.
    Left(u64),
    /// It is over with this upload.
    Over,
    Io(io::Error),
}

impl Room {
    /// Where so much is taken already.
    pub(super) fn new(folder: PathBuf, limits: FileLimits, taken: u64) -> Self {
        Self { folder, limits: Live::new(limits), taken: taken.into() }
    }

    /// How much there is.
    pub(super) fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// How much more there may be.
    pub(super) fn left(&self) -> io::Result<u64> {
        let (FileLimits { all, reserve, .. }, taken) = (self.limits.get(), self.taken());
        let by_limit = if all > 0 { all.saturating_sub(taken) } else { u64::MAX };
        // Beside that each file has a label.
        let reserve = reserve.saturating_add(LABEL as u64);
        Ok(by_limit.min(free_space(&self.folder)?.saturating_sub(reserve)))
    }

    /// Gives back what is not there any more.
    pub(super) fn give_back(&self, bytes: u64) {
        // Wraps only if more was given than taken.
        self.taken.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Takes what an upload needs to have so many bytes. What it has already it need not take again.
    pub(super) fn take_up_to(&self, share: &Share, end: u64) -> Result<(), NoRoom> {
        let mut share = share.lock();
        let had = share.as_mut().ok_or(NoRoom::Over)?;
        let more = end.saturating_sub(*had);
        if more > 0 {
            let left = self.left().map_err(NoRoom::Io)?;
            let all = self.limits.get().all;
            let fits = |taken: u64| taken.checked_add(more).filter(|sum| all == 0 || *sum <= all);
            let taken = || self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
            if more > left || taken().is_err() {
                return Err(NoRoom::Left(left));
            }
        }
        *had = end.max(*had);
        Ok(())
    }
}

impl Share {
    pub(super) fn of(bytes: u64) -> Self {
        Self(Mutex::new(Some(bytes)))
    }

    /// Ends an upload: it takes no more. What it had is to be given back once that is not there any more.
    pub(super) fn close(&self) -> Option<u64> {
        self.lock().take()
    }

    /// What was ended goes on.
    pub(super) fn reopen(&self, had: Option<u64>) {
        *self.lock() = had;
    }

    fn lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn room(all: u64, reserve: u64) -> Room {
        let limits = FileLimits { file: 0, person: 0, all, reserve };
        Room::new(std::env::temp_dir(), limits, 0)
    }

    proptest! {
        /// Whatever uploads do, what is taken is what they have, and no more than there may be.
        #[test]
        fn what_is_taken_is_what_uploads_have(steps in prop::collection::vec((0_usize..4, 0_u64..60), 0..60)) {
            let (room, mut had) = (room(100, 0), [0_u64; 4]);
            let mut shares: Vec<Share> = had.iter().map(|it| Share::of(*it)).collect();
            for (which, end) in steps {
                let more = end.saturating_sub(had[which]);
                let fits = had.iter().sum::<u64>() + more <= 100;
                if end == 0 {
                    room.give_back(shares[which].close().unwrap());
                    prop_assert!(matches!(room.take_up_to(&shares[which], 1), Err(NoRoom::Over)));
                    (shares[which], had[which]) = (Share::of(0), 0);
                } else {
                    prop_assert_eq!(room.take_up_to(&shares[which], end).is_ok(), fits);
                    had[which] = if fits { end.max(had[which]) } else { had[which] };
                }
                prop_assert_eq!(room.left().unwrap(), 100 - had.iter().sum::<u64>());
            }
        }
    }

    #[test]
    fn what_is_left_free_on_the_disk_is_not_taken_and_nothing_takes_nothing() {
        let (full, share) = (room(0, u64::MAX), Share::of(3));
        assert!(matches!(full.take_up_to(&share, 4), Err(NoRoom::Left(0))));
        assert!(full.take_up_to(&share, 3).is_ok());
        assert!(room(0, 0).take_up_to(&share, 4).is_ok());
    }
}
