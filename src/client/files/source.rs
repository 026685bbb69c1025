//! A file of one's own that is to be sent: what it is, and whether it still is that.
//!
//! Owned by nobody. What is written down of a file is what it was when its person wanted it sent; another one that lies
//! there later is not sent.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::client::store::info::MAX_CAPTION;
use crate::client::store::rows::Source;

/// The longest name that is told, in bytes; a longer one is cut.
const MAX_NAME: usize = 255;

/// How much of a file is looked at to find out what it is.
pub(crate) const HEAD: u64 = 8 * 1024;

/// Looks at a file that is to be sent.
pub(crate) fn inspect(path: PathBuf, caption: Option<String>) -> Result<Source, String> {
    let unreadable = |error| format!("cannot send {}: {error}", path.display());
    // Before it is opened: who opens a pipe waits for somebody at its other end.
    if !std::fs::metadata(&path).map_err(unreadable)?.is_file() {
        return Err(format!("cannot send {}: it is not a file", path.display()));
    }
    let file = std::fs::File::open(&path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if caption.as_ref().is_some_and(|caption| caption.len() > MAX_CAPTION) {
        return Err(format!("a caption has at most {MAX_CAPTION} bytes"));
    }
    let (name, size, modified) = (name_of(&path), metadata.len(), modified(&metadata));
    let head = head_of(&file).map_err(unreadable)?;
    if head.len() as u64 != size.min(HEAD) {
        let why = format!("it says that it has {size} bytes, and has not; send a copy of it");
        return Err(format!("cannot send {}: {why}", path.display()));
    }
    let media = media_of(&head);
    Ok(Source { path, name, media, size, modified, caption })
}

/// When a file was last written, in nanoseconds since 1970.
pub(super) fn modified(metadata: &fs::Metadata) -> i64 {
    metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec())
}

/// What a file on the disk is called to others.
fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name[..name.floor_char_boundary(MAX_NAME)].to_owned()
}

/// What a file on the disk begins with: all of it, or [`HEAD`] bytes.
fn head_of(file: &File) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    file.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// What a file is, by what it begins with.
fn media_of(head: &[u8]) -> String {
    let known = infer::get(head).map(|kind| kind.mime_type());
    let text = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    let other = if text && !head.contains(&0) { "text/plain" } else { "application/octet-stream" };
    known.unwrap_or(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_with() {
        let folder = tempfile::tempdir().unwrap();
        for (content, media) in [
            (&b"\x89PNG\r\n\x1a\n123"[..], "image/png"),
            (b"hello there\n", "text/plain"),
            (b"", "text/plain"),
            (b"\0\x01\x02", "application/octet-stream"),
            (b"%PDF-1.7", "application/pdf"),
        ] {
            let path = folder.path().join("notes.txt");
            std::fs::write(&path, content).unwrap();
            assert_eq!(media_of(&head_of(&File::open(&path).unwrap()).unwrap()), media);
        }
    }
}
