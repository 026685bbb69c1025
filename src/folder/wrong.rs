//! Why a folder cannot be used, in words: what is in its place, whose it is, what its disk says.
//!
//! Owned by nobody. Invariant: it only looks.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::owners::not_owned_by;

/// What stands behind an error about a folder.
pub(super) fn because(folder: &Path, error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AlreadyExists | ErrorKind::NotADirectory => in_its_place(folder, error),
        ErrorKind::PermissionDenied => whose(folder),
        ErrorKind::ReadOnlyFilesystem => "its disk is read-only".into(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => format!("its disk is full ({error})"),
        ErrorKind::InvalidFilename => "its path is too long".into(),
        ErrorKind::Unsupported => format!("its file system cannot do what is needed ({error})"),
        _ => error.to_string(),
    }
}

fn in_its_place(folder: &Path, error: &io::Error) -> String {
    let wrong = |it: &&Path| it.symlink_metadata().is_ok() && !it.is_dir();
    match folder.ancestors().find(wrong) {
        Some(link) if !link.exists() => format!("{} is a link that leads nowhere", link.display()),
        Some(file) => format!("{} is not a folder", file.display()),
        None => error.to_string(),
    }
}

/// Who may write there instead.
fn whose(folder: &Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    match fs::metadata(folder) {
        Ok(metadata) if metadata.uid() != user => "it belongs to somebody else".into(),
        Ok(_) => match not_owned_by(user, folder) {
            Ok(Some(found)) => format!("{} belongs to somebody else", found.display()),
            _ => "you may not write there".into(),
        },
        Err(_) => "you may not enter it, or make it".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_another() {
        let place = tempfile::tempdir().unwrap();
        let (file, link) = (place.path().join("file"), place.path().join("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
        let below = file.join("data");
        for (folder, kind, words) in [
            (&*file, ErrorKind::AlreadyExists, format!("{} is not a folder", file.display())),
            (&*below, ErrorKind::NotADirectory, format!("{} is not a folder", file.display())),
            (&*link, ErrorKind::AlreadyExists, "a link that leads nowhere".into()),
            (place.path(), ErrorKind::PermissionDenied, "you may not write there".into()),
            (Path::new("/nowhere"), ErrorKind::PermissionDenied, "you may not enter it".into()),
            (place.path(), ErrorKind::ReadOnlyFilesystem, "read-only".into()),
            (place.path(), ErrorKind::StorageFull, "full".into()),
            (place.path(), ErrorKind::InvalidFilename, "too long".into()),
        ] {
            let because = because(folder, &kind.into());
            assert!(because.contains(&words), "{folder:?}, {kind}: {because}");
        }
    }
}
