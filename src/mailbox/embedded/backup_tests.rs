//! What is written is read back, and what cannot be restored is told.

use std::time::Instant;

use async_std::task::block_on;

use super::*;
use crate::mailbox::embedded::EmbeddedMailbox;
use crate::mailbox::{Event, KeptList, Mailbox, Standing};
use crate::message::{Batch, Message, Name, SessionKey, Timestamp};
use crate::trust::Identity;
use crate::trust::devices::{Bundle, Device, DeviceList, Owner, SignedList, device_key, prekey_of};

fn key() -> SessionKey {
    SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

/// A data folder in which three messages wait, as a server leaves it.
fn filled() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(data.path()).unwrap();
    let message = |n| Message::text(7, n, "hello");
    let batch = Batch::new(1, (1..=3).map(message).collect::<Vec<_>>());
    mailbox.append(&key(), &batch, Instant::now());
    while !matches!(block_on(mailbox.watch().recv()).unwrap(), Event::Committed(_)) {}
    block_on(mailbox.close());
    data
}

fn written(data: &Path) -> Vec<u8> {
    let (store, _) = Paths::new(data).open().unwrap();
    let mut archive = Vec::new();
    write(&store.image(), data, Timestamp(7), &mut archive).unwrap();
    archive
}

/// What stands in the books is the server's own business.
fn any_books(_: &Path) -> Result<(), BackupError> {
    Ok(())
}

/// What reading it back and restoring it say: the same.
fn verdict(archive: &[u8]) -> Result<(), String> {
    let home = tempfile::tempdir().unwrap();
    let (scratch, data) = (home.path().join("scratch"), home.path().join("data"));
    let verified = verify(archive, &scratch, any_books).map_err(|error| {
        let partial = format!("{}.restoring", data.display());
        error.to_string().replace(&scratch.display().to_string(), &partial)
    });
    assert!(!scratch.exists(), "nothing is left");
    let restored = restore(archive, &data, any_books).map(drop).map_err(|error| error.to_string());
    assert_eq!(verified, restored);
    assert_eq!(data.exists(), restored.is_ok());
    restored
}

#[test]
fn what_is_written_can_be_restored() {
    assert_eq!(verdict(&written(filled().path())), Ok(()));
}

#[test]
fn a_folder_behind_a_link_is_filled_and_the_link_stays() {
    let home = tempfile::tempdir().unwrap();
    let (folder, link) = (home.path().join("private"), home.path().join("data"));
    fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&folder, &link).unwrap();
    restore(&*written(filled().path()), &link, any_books).unwrap();
    assert!(link.is_symlink() && folder.join(NAMES).exists());
}

#[test]
fn what_is_cut_or_changed_cannot() {
    let archive = written(filled().path());
    // Behind the hash, which has 64 bytes, there are zeros.
    for at in (0..archive.len() - 1_024 - 512).step_by(2_531) {
        verdict(&archive[..at]).unwrap_err();
        let mut changed = archive.clone();
        changed[at] ^= 1;
        // Of a tar header not everything matters.
        let _ = verdict(&changed);
    }
}

#[test]
fn a_mailbox_that_is_not_sound_has_no_backup_that_is() {
    let data = filled();
    let (store, _) = Paths::new(data.path()).open().unwrap();
    store.lose(&key(), 1..=3, false);
    drop(store);
    let refused = verdict(&written(data.path())).unwrap_err();
    assert!(refused.contains("3 messages should wait, 0 do"), "{refused}");
}

#[test]
fn a_file_whose_label_is_damaged_is_told() {
    let mut archive = Archive { tar: tar::Builder::new(Vec::new()), hash: blake3::Hasher::new() };
    archive.put("tinychat-backup", version(layout::VERSION).as_bytes()).unwrap();
    [NAMES].iter().chain(&KEY_FILES).for_each(|name| archive.put(name, b"").unwrap());
    archive.put("mailbox/1", b"").unwrap();
    let blob = format!("{}/{}", blobs::FOLDER, "00112233445566778899aabbccddeeff");
    archive.put(&blob, &[b'x'; 3 * blobs::LABEL]).unwrap();
    let end = archive.hash.finalize().to_hex();
    archive.put("end", end.as_bytes()).unwrap();
    let refused = verdict(&archive.tar.into_inner().unwrap()).unwrap_err();
    assert!(refused.contains("it has no label of a blob"), "{refused}");
}

#[test]
fn one_that_has_less_than_it_says_is_told_and_so_is_one_that_does_not_say_it() {
    for (counts, problem) in [
        (Some("taken 7 messages 1 bytes 5 files 0 bytes 0"), "it says that it has 1 messages of 5"),
        (Some("taken 7 messages 0 bytes 0 files 1 bytes 9"), "and has 0 messages of 0 bytes and 0"),
        (Some("plenty"), "its counts are damaged"),
        (None, "it does not say how much is in it"),
    ] {
        let mut archive =
            Archive { tar: tar::Builder::new(Vec::new()), hash: blake3::Hasher::new() };
        archive.put("tinychat-backup", version(layout::VERSION).as_bytes()).unwrap();
        [NAMES].iter().chain(&KEY_FILES).for_each(|name| archive.put(name, b"").unwrap());
        archive.put("mailbox/1", b"").unwrap();
        counts.iter().for_each(|it| archive.put(COUNTS, it.as_bytes()).unwrap());
        let end = archive.hash.finalize().to_hex();
        archive.put("end", end.as_bytes()).unwrap();
        let refused = verdict(&archive.tar.into_inner().unwrap()).unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
}

#[test]
fn a_backup_says_when_it_was_made_and_how_much_is_in_it() {
    let home = tempfile::tempdir().unwrap();
    let archive = written(filled().path());
    let tally = restore(&archive[..], &home.path().join("data"), any_books).unwrap();
    let messages = Usage { messages: 3, bytes: 15 };
    assert_eq!(tally, Some(Tally { taken: Timestamp(7), messages, files: (0, 0) }));
}

/// Layout 1 kept them in the session's row, which its own program could not restore any more.
#[test]
fn a_backup_of_layout_1_with_more_records_than_its_program_could_read_is_restored() {
    const RECORDS: u64 = 170_000;
    let mut row = vec![1];
    [RECORDS, RECORDS, 0].iter().for_each(|number| row.put_u64(*number));
    row.put_u32(1);
    [7, 2 * RECORDS, 0].iter().for_each(|number| row.put_u64(*number));
    row.put_u32(u32::try_from(RECORDS).unwrap());
    for n in 1..=RECORDS {
        [n, 7, 2 * n, 1].iter().for_each(|number| row.put_u64(*number));
    }
    let mut piece = Vec::new();
    let entry = (layout::session_key(&key()).into(), row.into());
    encode_entry(&mut piece, &(Table::Sessions, entry));
    let mut archive = Archive { tar: tar::Builder::new(Vec::new()), hash: blake3::Hasher::new() };
    archive.put("tinychat-backup", b"1 1").unwrap();
    [NAMES, CONTACTS].iter().chain(&KEY_FILES).for_each(|name| archive.put(name, b"").unwrap());
    archive.put("mailbox/1", &piece).unwrap();
    let end = archive.hash.finalize().to_hex();
    archive.put("end", end.as_bytes()).unwrap();
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data");
    restore(&archive.tar.into_inner().unwrap()[..], &data, any_books).unwrap();
    let (store, _) = Paths::new(&data).open().unwrap();
    assert_eq!(store.image().accounts(&key()).unwrap().expired(), RECORDS);
    drop(store);
    assert_eq!(verdict(&written(&data)), Ok(()));
}

#[test]
fn whom_people_block_is_in_a_backup() {
    let (home, whole) = (tempfile::tempdir().unwrap(), filled());
    let mailbox = EmbeddedMailbox::open(whole.path()).unwrap();
    mailbox.keep_standing(&key(), Some(Standing::BlockedFriend));
    block_on(mailbox.close());
    drop(mailbox);
    let data = home.path().join("data");
    restore(&written(whole.path())[..], &data, any_books).unwrap();
    let mailbox = EmbeddedMailbox::open(&data).unwrap();
    assert_eq!(block_on(mailbox.standings()).unwrap(), [(key(), Standing::BlockedFriend)]);
}

fn list(name: &Name) -> KeptList {
    let identity = Identity::generate().unwrap();
    let owner = Owner { server: None, name: name.clone(), identity: identity.public() };
    let installation = crate::message::Installation::from_u64(1);
    let key = device_key();
    let device = Device { installation, key: key.public() };
    let list = DeviceList::first(owner, device, Timestamp(0));
    let prekey = prekey_of(&list, &key, 1, 1);
    let signed = SignedList::sign(list, &identity).unwrap();
    KeptList::of(&Bundle::of(signed).with(prekey).unwrap())
}

/// Keeps a device list in a folder that nobody uses.
fn keep(data: &Path, name: &Name, list: &KeptList) {
    let mailbox = EmbeddedMailbox::open(data).unwrap();
    mailbox.keep_list(name, Some(list));
    block_on(mailbox.close());
}

#[test]
fn a_device_list_is_in_a_backup_if_it_is_sound_and_one_that_is_not_is_told() {
    let (marie, anna): (Name, Name) = ("marie".parse().unwrap(), "anna".parse().unwrap());
    let (home, whole) = (tempfile::tempdir().unwrap(), filled());
    let sound = list(&marie);
    keep(whole.path(), &marie, &sound);
    let data = home.path().join("data");
    restore(&written(whole.path())[..], &data, any_books).unwrap();
    let mailbox = EmbeddedMailbox::open(&data).unwrap();
    assert_eq!(block_on(mailbox.committed_list(&marie)).unwrap(), Some(sound.clone()));
    assert_eq!(mailbox.list_of(&marie), Some(sound.id));
    let inspection = block_on(mailbox.image()).unwrap().inspect().unwrap();
    assert_eq!((inspection.lists, inspection.usage.messages), (1, 3));

    let changed = [&sound.bundle[..], b"\n"].concat();
    let other = crate::mailbox::ListId { version: 2, ..sound.id };
    for (name, list, problem) in [
        (&anna, sound.clone(), "the device list of anna: it is another's"),
        (&marie, KeptList { id: other, ..sound.clone() }, "of marie: it is another version"),
        (&marie, KeptList { bundle: changed.into(), ..sound }, "of marie: a signed text"),
    ] {
        let data = filled();
        keep(data.path(), name, &list);
        let refused = verdict(&written(data.path())).unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
}
