//! What is left of a store that was refused: an operator looks at it in a copy, and may go on with it.
//!
//! Owned by an operator's `check`. Invariant: what was refused stays as it was, also when something else takes its place.

use std::fs;
use std::path::{Path, PathBuf};

use super::files::{copy_folder, cut, journals, read_written, remove_folder};
use super::image::Image;
use super::opening::{OpenError, Paths, try_open};
use super::scan::{Scan, Verdict, scan};
use super::store::Store;
use super::upgrade::Unreadable;

/// What is left of a mailbox that was refused, in a copy.
pub struct Salvage {
    paths: Paths,
    store: Option<Store>,
}

impl Salvage {
    /// Copies a refused store and opens what can be read of the copy.
    pub fn open(data: &Path) -> Result<Self, OpenError> {
        let paths = Paths::new(data);
        let unusable = |cause| OpenError::Unusable { path: paths.salvage.clone(), cause };
        remove_folder(&paths.salvage).map_err(unusable)?;
        copy_folder(&paths.store, &paths.salvage).map_err(unusable)?;
        for journal in journals(&paths.salvage).map_err(unusable)? {
            let Scan { verdict, .. } = scan(&read_written(&journal).map_err(unusable)?);
            let (Verdict::Whole { end } | Verdict::Torn { end } | Verdict::Damaged { end }) =
                verdict;
            cut(&journal, end).map_err(unusable)?;
        }
        // The engine makes a keyspace anew that is missing, and takes what the journal has for it only
        // when it opens the next time.
        let twice = try_open(&paths.salvage, Unreadable::Left).and_then(|first| {
            drop(first);
            try_open(&paths.salvage, Unreadable::Left)
        });
        let (store, _) = twice.map_err(|error| paths.explain(error))?;
        Ok(Self { paths, store: Some(store) })
    }

    /// What is left.
    pub fn image(&self) -> Option<Image> {
        self.store.as_ref().map(Store::image)
    }

    /// Puts what is left in the place of the refused mailbox. Returns where that lies from now on.
    pub fn accept(mut self) -> Result<PathBuf, OpenError> {
        let paths = self.paths.clone();
        let mended = self.store.take().map(|store| store.mend().and_then(|()| store.last_commit()));
        let last = mended.unwrap_or(Ok(0)).map_err(|error| paths.explain(error))?;
        let refused = (1..).map(|n| paths.store.with_extension(format!("refused.{n}")));
        let refused = refused.into_iter().find(|path| !path.exists());
        let refused = refused.expect("one of so many numbers is free");
        let replace = || {
            if paths.store.exists() {
                fs::rename(&paths.store, &refused)?;
            }
            fs::rename(&paths.salvage, &paths.store)?;
            paths.hold(last)
        };
        replace().map_err(|cause| paths.unusable(cause))?;
        Ok(refused)
    }
}

impl Drop for Salvage {
    fn drop(&mut self) {
        self.store = None;
        let _ = remove_folder(&self.paths.salvage);
    }
}

#[cfg(test)]
#[path = "salvage_tests.rs"]
mod tests;
