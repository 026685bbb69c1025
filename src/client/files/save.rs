//! Saving a received file where its person wants it, without overwriting anything.
//!
//! Owned by the task that saves. Invariant: a sender's name for a file is at most a name in one folder, never a path;
//! and whatever is in that folder stays as it is.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use sanitize_filename::Options;
use tempfile::Builder;
use thiserror::Error;

/// The longest name that is made, in bytes: with a number it still fits into what file systems take.
const MAX_NAME: usize = 200;

/// The longest ending that is kept when a name is cut, in bytes.
const MAX_ENDING: usize = 16;

/// What a file is called whose sender's name has nothing that can be used.
const NAMELESS: &str = "file";

/// How many names with a number are tried.
const MAX_TRIES: u32 = 10_000;

/// Why a file was not saved. Made to be read by its person.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub(crate) enum SaveError {
    #[error("cannot save in {}: {cause}", folder.display())]
    Folder { folder: PathBuf, cause: io::Error },
    #[error("cannot save {}: {cause}", path.display())]
    File { path: PathBuf, cause: io::Error },
}

/// Copies a file to `to`: into it, if that is a folder; under that name, if not; into the download folder, if
/// nothing is said. Returns where it is.
pub(crate) fn save(content: &Path, claimed: &str, to: Option<&Path>) -> Result<PathBuf, SaveError> {
    let (folder, name) = match to {
        None => (downloads(), clean_name(claimed)),
        Some(to) if to.is_dir() || to.as_os_str().as_encoded_bytes().ends_with(b"/") => {
            (to.to_path_buf(), clean_name(claimed))
        }
        Some(to) => {
            // One's own word for it.
            let name = to.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let folder = to.parent().filter(|it| !it.as_os_str().is_empty());
            (folder.unwrap_or(Path::new(".")).to_path_buf(), name)
        }
    };
    copy(content, &folder, &name)
}

fn copy(content: &Path, folder: &Path, name: &str) -> Result<PathBuf, SaveError> {
    let in_folder = |cause| SaveError::Folder { folder: folder.into(), cause };
    fs::create_dir_all(folder).map_err(in_folder)?;
    // Its name is there when all of it is. With the mode of any file that one makes.
    let mut builder = Builder::new();
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    builder.prefix(".tinychat-").permissions(permissions);
    let mut fresh = builder.tempfile_in(folder).map_err(in_folder)?;
    let mut source = File::open(content).map_err(in_folder)?;
    io::copy(&mut source, &mut fresh).map_err(in_folder)?;
    for number in 0..MAX_TRIES {
        let path = folder.join(numbered(name, number));
        match fresh.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => fresh = error.file,
            Err(error) => return Err(SaveError::File { path, cause: error.error }),
        }
    }
    let path = folder.join(name);
    Err(SaveError::File { path, cause: io::ErrorKind::AlreadyExists.into() })
}

/// Where people look for what came.
fn downloads() -> PathBuf {
    let home = || Some(dirs::home_dir()?.join("Downloads"));
    dirs::download_dir().or_else(home).unwrap_or_else(|| ".".into())
}

/// `cat.png`, `cat (1).png`, …
fn numbered(name: &str, number: u32) -> String {
    if number == 0 {
        return name.into();
    }
    let (stem, ending) = split_ending(name);
    format!("{stem} ({number}){ending}")
}

fn split_ending(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= MAX_ENDING => name.split_at(dot),
        _ => (name, ""),
    }
}

/// A name for a file out of what its sender calls it: the last part of a path, without what steers a terminal,
/// hides a file, looks like a flag, or is no name on some system.
fn clean_name(claimed: &str) -> String {
    let last = claimed.rsplit(['/', '\\']).next().unwrap_or_default();
    let visible: String = last.chars().filter(|c| !is_misleading(*c)).collect();
    // Once more, for what comes to light when the beginning is gone.
    let hides = |c: char| c.is_whitespace() || matches!(c, '.' | '-' | '~');
    let name = sanitized(sanitized(&visible).trim_start_matches(hides));
    let name = shortened(&name);
    if name.is_empty() { NAMELESS.into() } else { name }
}

/// Controls, and what turns or hides the characters around it.
fn is_misleading(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

fn sanitized(name: &str) -> String {
    // Cutting would take the ending away.
    let options = Options { truncate: false, windows: true, replacement: "" };
    sanitize_filename::sanitize_with_options(name.trim(), options)
}

fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.into();
    }
    let (stem, ending) = split_ending(name);
    let room = MAX_NAME - ending.len();
    format!("{}{ending}", &stem[..stem.floor_char_boundary(room)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_a_name_and_nothing_else() {
        let long = "ü".repeat(300) + ".tar.gz";
        let cut = clean_name(&long);
        assert!(cut.len() <= MAX_NAME && cut.ends_with(".gz"), "{cut}");
        for (claimed, name) in [
            ("cat.png", "cat.png"),
            ("Grüße 👋.txt", "Grüße 👋.txt"),
            ("../../.ssh/authorized_keys", "authorized_keys"),
            ("/etc/passwd", "passwd"),
            ("C:\\Users\\marie\\evil.exe", "evil.exe"),
            (".bashrc", "bashrc"),
            ("..\u{a0}..bashrc", "bashrc"),
            ("-rf", "rf"),
            ("~", "file"),
            ("..", "file"),
            ("", "file"),
            ("dir/", "file"),
            ("a\u{1b}[2Jb\r\n.txt", "a[2Jb.txt"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("CON", "file"),
            ("nul.txt", "file"),
            ("a:b|c?.txt", "abc.txt"),
        ] {
            assert_eq!(clean_name(claimed), name, "{claimed:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_it_is_called_it_stays_in_its_folder(claimed in "(\\.\\.|/|\\\\|.){0,40}") {
            let name = clean_name(&claimed);
            let path = Path::new(&name);
            prop_assert_eq!(path.components().count(), 1);
            prop_assert!(matches!(path.components().next(), Some(std::path::Component::Normal(_))));
            prop_assert!(!name.starts_with(['.', '-']) && !name.contains(is_misleading));
        }
    }

    #[test]
    fn nothing_that_is_there_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        fs::write(&content, "new").unwrap();
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("cat.png"), "old").unwrap();
        std::os::unix::fs::symlink("/nowhere", place.join("cat (1).png")).unwrap();
        let saved = save(&content, "x/cat.png", Some(&place)).unwrap();
        assert_eq!(saved, place.join("cat (2).png"));
        assert_eq!(fs::read_to_string(&saved).unwrap(), "new");
        assert_eq!(fs::read_to_string(place.join("cat.png")).unwrap(), "old");
        let named = place.join("deep/own name");
        assert_eq!(save(&content, "cat.png", Some(&named)).unwrap(), named);
        assert_eq!(fs::read_dir(&place).unwrap().count(), 4, "nothing else is left");
    }

    #[test]
    fn where_nothing_can_be_written_it_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let content = folder.path().join("content");
        fs::write(&content, "new").unwrap();
        let error = save(&content, "cat.png", Some(&content.join("below/it"))).unwrap_err();
        assert!(error.to_string().starts_with("cannot save in "), "{error}");
    }
}
