//! Why a data folder cannot be used, for its owner to read.
//!
//! Owned by nobody. Invariant: each says what can be done instead.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::wrong;

/// Why a data folder cannot be used. Made to be read by its owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum FolderError {
    #[error("the data folder {} is in use by another process; stop that one or choose another with --data", path.display())]
    InUse { path: PathBuf },
    #[error("cannot use {} as data folder: {because}; choose another with --data", path.display())]
    Unusable { path: PathBuf, because: String },
    #[error(
        "cannot have a Unix socket in the data folder {}, as others need who ask the program that uses it: {cause}; choose a folder of another file system with --data",
        path.display()
    )]
    NoSocket { path: PathBuf, cause: io::Error },
    #[error("there is no home folder to put data into; name a folder with --data")]
    Homeless,
    #[error(
        "others may enter {}, and {because}; use a folder that is yours alone (chmod 700), or choose another with --data",
        path.display()
    )]
    Shared { path: PathBuf, because: &'static str },
    #[error(
        "others could write in the data folder {}, and {} is not yours: look at what it is, and remove it or choose another folder with --data",
        path.display(), found.display()
    )]
    Planted { path: PathBuf, found: PathBuf },
}

pub(super) fn unusable(path: &Path, cause: &io::Error) -> FolderError {
    FolderError::Unusable { path: path.into(), because: wrong::because(path, cause) }
}
