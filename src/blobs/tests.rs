use super::*;
use crate::blobs::{LABEL, Stock, inspect};
use crate::clock::fake::FakeTimes;
use crate::message::Timestamp;
use crate::wire::frame::FileError;

const SMALL: FileLimits = FileLimits { file: 100, person: 150, all: 220, reserve: 0 };

fn open(data: &Path, limits: FileLimits) -> Blobs {
    open_by(&FakeTimes::new(), Uptime(0), data, limits)
}

/// By these clocks, after so much uptime.
fn open_by(times: &Arc<FakeTimes>, before: Uptime, data: &Path, limits: FileLimits) -> Blobs {
    let clock = Clock::resume(times.clone(), before);
    Blobs::open(data, limits, Arc::new(clock)).unwrap()
}

fn key(from: &str, to: &str) -> SessionKey {
    SessionKey::new(name(from), name(to)).unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn refusal<T>(result: Result<T, BlobError>) -> (FileError, String) {
    let Err(error) = result else { panic!("it was taken") };
    (error.code(), error.to_string())
}

/// Somebody sends somebody a file, wholly.
fn send(blobs: &Blobs, from: &str, to: &str, bytes: &[u8]) -> BlobId {
    let (id, upload) = blobs.offer(&key(from, to), bytes.len() as u64).unwrap();
    assert!(blobs.write(&upload, 0, bytes).unwrap());
    id
}

#[test]
fn a_file_is_there_for_its_receiver_alone_and_until_it_is_dropped() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let (id, upload) = blobs.offer(&key("john", "marie"), 6).unwrap();
    assert!(!blobs.write(&upload, 0, b"abc").unwrap());
    assert_eq!(refusal(blobs.fetch(id, &name("marie"))).0, FileError::Gone, "half of it");
    assert!(blobs.write(&upload, 3, b"def").unwrap());
    let (mut file, size) = blobs.fetch(id, &name("marie")).unwrap();
    assert_eq!(Label::read(&mut file).unwrap().size, size);
    assert_eq!(io::read_to_string(file).unwrap(), "abcdef");
    assert_eq!(refusal(blobs.fetch(id, &name("john"))).0, FileError::Gone);
    blobs.drop_for(id, &name("mallory"));
    assert!(blobs.fetch(id, &name("marie")).is_ok());
    blobs.drop_for(id, &name("marie"));
    assert_eq!(refusal(blobs.fetch(id, &name("marie"))).0, FileError::Gone);
    assert_eq!(inspect(data.path()).unwrap(), Stock::default());
}

#[test]
fn what_is_offered_counts_for_its_sender_with_all_its_bytes_and_for_all_as_they_come() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let (code, text) = refusal(blobs.offer(&key("john", "marie"), 101));
    assert_eq!(
        (code, text.as_str()),
        (FileError::Size, "a file may have 100 B here; this one has 101 B")
    );
    blobs.offer(&key("john", "marie"), 90).unwrap();
    let (code, text) = refusal(blobs.offer(&key("john", "anna"), 61));
    assert_eq!(code, FileError::Quota);
    assert!(text.contains("90 B") && text.contains("150 B") && text.contains("61 B"), "{text}");
    for mallory in ["mallory", "malcolm", "malone"] {
        blobs.offer(&key(mallory, "marie"), 100).unwrap();
    }
    send(&blobs, "anna", "marie", &[b'x'; 100]);
    send(&blobs, "anna", "marie", &[b'x'; 50]);
    let (_, upload) = blobs.offer(&key("peter", "marie"), 70).unwrap();
    assert!(!blobs.write(&upload, 0, &[b'x'; 40]).unwrap());
    let (code, text) = refusal(blobs.offer(&key("paul", "marie"), 31));
    assert_eq!(
        (code, text.as_str()),
        (FileError::Space, "the server has room for 30 B more; the file has 31 B")
    );
    let full = FileLimits { file: 0, person: 0, all: 0, reserve: u64::MAX };
    let elsewhere = tempfile::tempdir().unwrap();
    let full = open(elsewhere.path(), full);
    assert_eq!(refusal(full.offer(&key("john", "marie"), 1)).0, FileError::Space);
}

#[test]
fn where_there_is_no_room_an_upload_waits_and_goes_on_when_there_is() {
    let data = tempfile::tempdir().unwrap();
    let kept = {
        let blobs = open(data.path(), FileLimits { person: 0, ..SMALL });
        let (_, upload) = blobs.offer(&key("john", "marie"), 100).unwrap();
        blobs.write(&upload, 0, &[b'x'; 60]).unwrap();
        let others = [90, 70].map(|size| send(&blobs, "anna", "marie", &vec![b'x'; size]));
        let (code, text) = refusal(blobs.write(&upload, 60, &[b'x'; 40]));
        assert_eq!(code, FileError::Store, "which the client tries again");
        assert!(text.contains("room for 0 B more now, and 40 B of the file are"), "{text}");
        assert_eq!(refusal(blobs.write(&upload, 60, b"x")).0, FileError::Store);
        blobs.drop_for(others[0], &name("marie"));
        assert!(!blobs.write(&upload, 60, &[b'x'; 30]).unwrap());
        others[1]
    };
    // The next server knows what is taken: 90 of the upload, 70 of what is kept.
    let blobs = open(data.path(), FileLimits { person: 0, ..SMALL });
    assert_eq!(refusal(blobs.offer(&key("anna", "marie"), 61)).0, FileError::Space);
    blobs.drop_for(kept, &name("anna"));
    assert_eq!(blobs.forget(&name("john")).unwrap(), 0);
    for size in [100, 100, 20] {
        send(&blobs, "anna", "marie", &vec![b'x'; size]);
    }
    assert_eq!(refusal(blobs.offer(&key("anna", "marie"), 1)).0, FileError::Space);
}

#[test]
fn an_upload_goes_on_with_the_next_server_which_is_believed_by_its_hash() {
    let data = tempfile::tempdir().unwrap();
    let id = {
        let blobs = open(data.path(), SMALL);
        let (id, upload) = blobs.offer(&key("john", "marie"), 6).unwrap();
        blobs.write(&upload, 0, b"abcd").unwrap();
        let Resumed::Part(_, 4, None) = blobs.resume(id, &name("john")).unwrap() else { panic!() };
        id
    };
    let blobs = open(data.path(), SMALL);
    assert!(matches!(blobs.resume(id, &name("marie")), Err(BlobError::Gone)));
    let Resumed::Part(upload, 4, Some(hash)) = blobs.resume(id, &name("john")).unwrap() else {
        panic!()
    };
    assert_eq!(hash, blake3::hash(b"abcd"));
    assert!(blobs.write(&upload, 4, b"ef").unwrap());
    assert!(matches!(blobs.resume(id, &name("john")), Ok(Resumed::Kept)));
    let again = open(data.path(), SMALL);
    assert_eq!(again.fetch(id, &name("marie")).unwrap().1, 6);
    assert_eq!(inspect(data.path()).unwrap().kept, (1, 6));
}

#[test]
fn who_went_on_first_finds_themselves_out_of_place() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let (id, stale) = blobs.offer(&key("john", "marie"), 4).unwrap();
    let Resumed::Part(upload, ..) = blobs.resume(id, &name("john")).unwrap() else { panic!() };
    blobs.write(&upload, 0, b"ab").unwrap();
    assert_eq!(refusal(blobs.write(&stale, 0, b"xy")).0, FileError::Bad);
    assert!(blobs.write(&upload, 2, b"cd").unwrap());
}

#[test]
fn what_nobody_wants_any_more_goes_and_the_rest_stays() {
    let data = tempfile::tempdir().unwrap();
    let (times, moment) = (FakeTimes::new(), Duration::from_millis(1));
    let blobs = open_by(&times, Uptime(0), data.path(), SMALL);
    let kept = send(&blobs, "john", "marie", b"abc");
    let (unbegun, _) = blobs.offer(&key("anna", "marie"), 10).unwrap();
    let (begun, upload) = blobs.offer(&key("anna", "marie"), 10).unwrap();
    blobs.write(&upload, 0, b"x").unwrap();
    let is_there = |id| blobs.index().contains_key(&id);
    times.pass(UNBEGUN);
    blobs.sweep(None);
    assert_eq!([kept, unbegun, begun].map(is_there), [true; 3]);
    times.pass(moment);
    blobs.sweep(None);
    assert_eq!([kept, unbegun, begun].map(is_there), [true, false, true]);
    times.pass(ABANDONED - moment);
    // Neither nothing nor somebody who only asks goes on with it.
    blobs.write(&upload, 1, b"").unwrap();
    blobs.resume(begun, &name("anna")).unwrap();
    times.pass(moment);
    blobs.sweep(Some(2 * ABANDONED));
    assert_eq!([kept, begun].map(is_there), [true, false]);
    blobs.sweep(Some(ABANDONED));
    assert!(!is_there(kept));
    send(&blobs, "john", "anna", b"abc");
    assert_eq!(blobs.forget(&name("marie")).unwrap(), 0);
    assert_eq!(inspect(data.path()).unwrap().kept, (1, 3));
    assert_eq!(blobs.forget(&name("anna")).unwrap(), 0);
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 0);
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn files_age_while_the_server_runs_and_not_by_the_wall_clock() {
    let data = tempfile::tempdir().unwrap();
    let times = FakeTimes::new();
    let blobs = open_by(&times, Uptime(0), data.path(), SMALL);
    let id = send(&blobs, "john", "marie", b"abc");
    let (part, upload) = blobs.offer(&key("anna", "marie"), 10).unwrap();
    times.pass(DAY / 2);
    blobs.write(&upload, 0, b"x").unwrap();
    // Off for a month; then the clock is ahead by a year, and behind.
    let mut before = Uptime(0) + DAY / 2;
    for wall in [31, 400, 0] {
        times.set_wall(Timestamp(0).after(wall * DAY));
        let blobs = open_by(&times, before, data.path(), SMALL);
        times.pass(DAY / 4);
        blobs.sweep(Some(2 * DAY));
        before = before + DAY / 4;
        assert!([id, part].iter().all(|it| blobs.index().contains_key(it)), "{wall}");
    }
    let blobs = open_by(&times, before, data.path(), SMALL);
    times.pass(DAY / 2);
    blobs.sweep(Some(2 * DAY));
    assert_eq!([id, part].map(|it| blobs.index().contains_key(&it)), [true, false]);
    times.pass(DAY / 2);
    blobs.sweep(Some(2 * DAY));
    assert!(!blobs.index().contains_key(&id));
}

/// A server that lost its mailbox begins to count anew.
#[test]
fn a_file_that_came_later_than_now_is_as_old_as_this_start() {
    let data = tempfile::tempdir().unwrap();
    let times = FakeTimes::new();
    let id =
        send(&open_by(&times, Uptime(0) + 99 * DAY, data.path(), SMALL), "john", "marie", b"abc");
    let blobs = open_by(&times, Uptime(0) + DAY, data.path(), SMALL);
    times.pass(DAY);
    blobs.sweep(Some(DAY));
    assert!(blobs.index().contains_key(&id));
    times.pass(Duration::from_millis(1));
    blobs.sweep(Some(DAY));
    assert!(!blobs.index().contains_key(&id));
}

#[test]
fn what_somebody_left_for_others_stays_and_counts_for_nobody() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), FileLimits { person: 3, ..SMALL });
    let kept = send(&blobs, "john", "marie", b"abc");
    assert!(matches!(blobs.offer(&key("john", "anna"), 1), Err(BlobError::Quota { .. })));
    assert_eq!(blobs.forget(&name("john")).unwrap(), 1);
    let again = open(data.path(), FileLimits { person: 3, ..SMALL });
    for (blobs, to) in [(blobs, "anna"), (again, "bob")] {
        assert!(blobs.fetch(kept, &name("marie")).is_ok());
        for from in ["john", "marie"] {
            let (id, _) = blobs.offer(&key(from, to), 3).unwrap();
            blobs.drop_for(id, &name(from));
        }
    }
}

#[test]
fn a_file_that_was_dropped_while_it_came_is_not_kept() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let (id, upload) = blobs.offer(&key("john", "marie"), 4).unwrap();
    blobs.write(&upload, 0, b"ab").unwrap();
    blobs.drop_for(id, &name("john"));
    assert_eq!(refusal(blobs.write(&upload, 2, b"c")).0, FileError::Gone, "not even the next byte");
    assert_eq!(fs::read_dir(data.path().join(FOLDER)).unwrap().count(), 0);
}

#[test]
fn what_is_begun_is_bounded_and_holds_no_file_open() {
    let data = tempfile::tempdir().unwrap();
    let none = FileLimits { file: 0, person: 0, all: 0, reserve: 0 };
    let blobs = open(data.path(), none);
    let files = || fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let (before, mut uploads) = (files(), Vec::new());
    for _ in 0..PARTS_OF_ONE {
        uploads.push(blobs.offer(&key("john", "marie"), 1).unwrap());
    }
    assert!(files() < before + PARTS_OF_ONE / 2, "other tests may open some, too");
    assert_eq!(refusal(blobs.offer(&key("john", "marie"), 1)).0, FileError::Quota);
    blobs.offer(&key("anna", "marie"), 1).unwrap();
    assert!(blobs.write(&uploads[0].1, 0, b"x").unwrap());
    blobs.offer(&key("john", "marie"), 1).unwrap();
}

#[test]
fn what_a_crash_left_without_a_label_goes_and_what_cannot_be_kept_is_tried_again() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let (id, upload) = blobs.offer(&key("john", "marie"), 2).unwrap();
    let folder = data.path().join(FOLDER);
    // In the way of what is to be kept.
    let whole = folder.join(id.to_string());
    fs::create_dir(&whole).unwrap();
    assert_eq!(refusal(blobs.write(&upload, 0, b"ab")).0, FileError::Store);
    fs::remove_dir(&whole).unwrap();
    assert!(blobs.write(&upload, 2, b"").unwrap());
    fs::write(folder.join(format!("{}.part", BlobId::from_u128(9))), vec![0; 5_000]).unwrap();
    drop(open(data.path(), SMALL));
    assert_eq!(inspect(data.path()).unwrap(), Stock { kept: (1, 2), ..Stock::default() });
    let newer = [&b"tinychat blob 9\nfrom john\n"[..], &[0; LABEL]].concat();
    fs::write(folder.join(format!("{}.part", BlobId::from_u128(9))), newer).unwrap();
    drop(open(data.path(), SMALL));
    let problems = inspect(data.path()).unwrap().problems;
    assert!(problems[0].ends_with("a newer version wrote its label"), "and stays: {problems:?}");
}

#[test]
fn check_finds_what_belongs_to_nobody_and_what_is_not_whole() {
    let data = tempfile::tempdir().unwrap();
    let blobs = open(data.path(), SMALL);
    let id = send(&blobs, "john", "marie", b"abc");
    blobs.offer(&key("john", "marie"), 4).unwrap();
    let folder = data.path().join(FOLDER);
    let path = folder.join(id.to_string());
    fs::write(folder.join("notes.txt"), "x").unwrap();
    let stock = inspect(data.path()).unwrap();
    assert_eq!((stock.kept, stock.coming, stock.problems.len()), ((1, 3), (1, 0), 1));
    File::options().write(true).open(&path).unwrap().set_len(LABEL as u64 + 2).unwrap();
    fs::write(folder.join(BlobId::from_u128(9).to_string()), "no label").unwrap();
    let stock = inspect(data.path()).unwrap();
    assert_eq!((stock.kept, stock.problems.len()), ((0, 0), 3), "{:?}", stock.problems);
    // Nor is it given to anybody.
    let again = open(data.path(), SMALL);
    assert_eq!(refusal(again.fetch(id, &name("marie"))).0, FileError::Gone);
}
