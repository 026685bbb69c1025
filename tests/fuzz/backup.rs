//! Any bytes as a backup, or as the parts of one whose hash is right: what is verified is what can be restored, and
//! nothing of it panics, or leads out of the folder.
//!
//! Parts are written as `=== NAME` on a line of its own, and the content behind it.

#![no_main]

mod common;

use std::fs;

use libfuzzer_sys::fuzz_target;
use tinychat::server::control;

const PART: &[u8] = b"=== ";

fuzz_target!(|bytes: &[u8]| {
    let backup = if bytes.starts_with(PART) { archive(bytes) } else { bytes.to_vec() };
    // Of its own: a mailbox that was opened for an operator may still be closing when that has failed.
    let folder = common::folder();
    let (scratch, data) = (folder.path().join("scratch"), folder.path().join("data"));
    let verified = control::verify(&backup[..], &scratch).map_err(|error| error.to_string());
    let restored = control::restore(&backup[..], &data).map_err(|error| error.to_string());
    assert_eq!(verified.is_ok(), restored.is_ok(), "{verified:?}, {restored:?}");
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, usize::from(restored.is_ok()), "more is left than what was restored");
    if restored.is_ok() {
        // Its books are as they were: an operator is told what is wrong with them.
        let _ = control::check(&data, false, &mut Vec::new());
    }
});

/// A tar archive with these parts, and the hash of them.
fn archive(bytes: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut hash = blake3::Hasher::new();
    let mut rest = bytes.strip_prefix(PART).unwrap_or_default();
    while !rest.is_empty() {
        let end = rest.windows(5).position(|it| it == b"\n=== ");
        let (part, behind) = end.map_or((rest, &b""[..]), |end| (&rest[..end], &rest[end + 5..]));
        let line = part.iter().position(|byte| *byte == b'\n').unwrap_or(part.len());
        let content = &part[(line + 1).min(part.len())..];
        put(&mut archive, &part[..line], content);
        hash.update(content);
        rest = behind;
    }
    put(&mut archive, b"end", hash.finalize().to_hex().as_bytes());
    archive.into_inner().unwrap()
}

fn put(archive: &mut tar::Builder<Vec<u8>>, name: &[u8], content: &[u8]) {
    let mut header = tar::Header::new_gnu();
    // Past what the library takes for a name: it refuses `..`.
    let length = name.len().min(99);
    header.as_old_mut().name[..length].copy_from_slice(&name[..length]);
    header.set_size(content.len() as u64);
    header.set_mode(0o600);
    header.set_cksum();
    archive.append(&header, content).unwrap();
}
