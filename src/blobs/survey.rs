//! What lies in the folder of blobs, for the server that opens it and for an operator's `check`.
//!
//! Owned by whoever asks. Invariant: it only looks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::file::{LABEL, Label, named};
use crate::message::BlobId;

/// The folder's name in the server's data folder.
pub(crate) const FOLDER: &str = "blobs";

/// A file in the folder that is named as blobs are.
pub(crate) struct Found {
    pub(crate) id: BlobId,
    pub(crate) path: PathBuf,
    /// How long it is, with its label.
    pub(crate) length: u64,
    pub(crate) is_part: bool,
    /// Whose it is, if it is what its name says.
    pub(crate) label: io::Result<Label>,
}

/// What is in a folder of blobs, by id. What is not named as blobs are is left out.
pub(crate) fn survey(folder: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        let Some((id, is_part)) = path.file_name().and_then(|it| named(it.to_str()?)) else {
            continue;
        };
        match look(&path, is_part) {
            // It was taken meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
            Ok((length, label)) => all.push(Found { id, path, length, is_part, label }),
        }
    }
    all.sort_by_key(|found| found.id);
    Ok(all)
}

fn look(path: &Path, is_part: bool) -> io::Result<(u64, io::Result<Label>)> {
    let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let label = match Label::read(&file) {
        Ok(label) if is_part => Ok(Label { kept: None, ..label }),
        Ok(label) if label.length() != length => wrong("it is not as long as it says"),
        Ok(label) if label.kept.is_none() => wrong("it does not say since when it is whole"),
        label => label,
    };
    Ok((length, label))
}

/// What an operator's `check` says of the files that wait.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stock {
    /// Whole ones, and their bytes.
    pub(crate) kept: (u64, u64),
    /// Uploads that are not done, and the bytes that came of them.
    pub(crate) coming: (u64, u64),
    /// What is not as it should be, each a sentence.
    pub(crate) problems: Vec<String>,
}

/// Looks whether all that is in the folder below a data folder belongs there.
pub(crate) fn inspect(data: &Path) -> io::Result<Stock> {
    let (folder, mut stock) = (data.join(FOLDER), Stock::default());
    for Found { path, length, label, .. } in survey(&folder)? {
        let content = length.saturating_sub(LABEL as u64);
        match label {
            Ok(label) => {
                let sum = if label.kept.is_some() { &mut stock.kept } else { &mut stock.coming };
                *sum = (sum.0 + 1, sum.1 + content);
            }
            Err(error) => stock.problems.push(format!("{}: {error}", path.display())),
        }
    }
    for stray in strays(&folder)? {
        stock.problems.push(format!("{}: it belongs to no message", stray.display()));
    }
    Ok(stock)
}

fn strays(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let is_stray = |path: &PathBuf| path.file_name().and_then(|it| named(it.to_str()?)).is_none();
    paths.filter(|path| path.as_ref().map_or(true, is_stray)).collect()
}
