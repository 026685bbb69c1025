//! How many files there may be, how large, and why one is not taken, or not given.
//!
//! Owned by nobody. Invariant: whoever is refused learns nothing of others' files.

use std::io;

use bytesize::ByteSize;
use thiserror::Error;

use super::file::WriteError;
use crate::wire::frame::FileError;

/// How many files of one person may wait or be on their way, and how many of them may not be whole.
pub(super) const FILES_OF_ONE: usize = 1_000;
pub(super) const PARTS_OF_ONE: usize = 32;

/// How much there may be, in bytes; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimits {
    /// Of one file.
    pub file: u64,
    /// Of all that one person has sent and that waits.
    pub person: u64,
    /// Of all that waits.
    pub all: u64,
    /// What is left free on the disk.
    pub reserve: u64,
}

impl FileLimits {
    /// What is enough for friends, and leaves the disk some room.
    pub const DEFAULT: Self = Self { file: 2 * GIB, person: 4 * GIB, all: 64 * GIB, reserve: GIB };
}

const GIB: u64 = 1024 * 1024 * 1024;

/// Why a file is not taken, or not given. Told to whoever asked; nobody learns of others' files.
#[derive(Debug, Error)]
pub(crate) enum BlobError {
    #[error("a file may have {} here; this one has {}", ByteSize(*limit), ByteSize(*size))]
    TooLarge { size: u64, limit: u64 },
    #[error(
        "files of yours with {} wait here already, of {} that may; this one has {}",
        ByteSize(*used), ByteSize(*limit), ByteSize(*size)
    )]
    Quota { size: u64, used: u64, limit: u64 },
    #[error("{FILES_OF_ONE} files of yours wait here already, or {PARTS_OF_ONE} are not whole")]
    TooMany,
    #[error("the server has room for {} more; the file has {}", ByteSize(*room), ByteSize(*size))]
    Space { size: u64, room: u64 },
    #[error(
        "the server has room for {} more now, and {} of the file are still to come; what came of it stays",
        ByteSize(*room), ByteSize(*lacks)
    )]
    Filled { lacks: u64, room: u64 },
    #[error("the server does not have this file for you any more")]
    Gone,
    #[error("somebody else goes on with this file, or more comes than was offered")]
    OutOfPlace,
    #[error("the server cannot use its disk now")]
    Disk(#[source] io::Error),
}

impl BlobError {
    /// What to answer.
    pub(crate) fn code(&self) -> FileError {
        match self {
            Self::TooLarge { .. } => FileError::Size,
            Self::Quota { .. } | Self::TooMany => FileError::Quota,
            Self::Space { .. } => FileError::Space,
            Self::Gone => FileError::Gone,
            Self::OutOfPlace => FileError::Bad,
            Self::Filled { .. } | Self::Disk(_) => FileError::Store,
        }
    }
}

impl From<WriteError> for BlobError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::OutOfPlace => Self::OutOfPlace,
            WriteError::Gone => Self::Gone,
            WriteError::Io(error) => Self::Disk(error),
        }
    }
}
