//! What is opened of a store that is torn, damaged or not finished, and what is refused.

use std::time::Instant;

use async_std::task::block_on;

use super::super::test_stores::*;
use super::*;
use crate::mailbox::Mailbox;
use crate::mailbox::embedded::EmbeddedMailbox;

#[test]
fn a_commit_that_was_not_synced_may_be_lost_and_no_other() {
    let filled = Filled::new();
    for at in filled.bytes_of(COMMITS..COMMITS + 1) {
        for (what, damage) in LOST.iter().chain(CHANGED) {
            let copy = filled.copy(COMMITS - 1, false);
            change(copy.path(), |journal| damage(journal, at));
            let (messages, last) = opened(copy.path()).unwrap_or_else(|error| {
                panic!("{what} at {at}: {error}");
            });
            // A hole in what is zero anyhow is none.
            let expected = [(COMMITS - 1) * MESSAGES, COMMITS * MESSAGES];
            assert!(expected.contains(&messages), "{what} at {at}: {messages} messages");
            assert_eq!(messages, last * MESSAGES, "{what} at {at}");
            assert!(!copy.path().join("mailbox.journal").exists(), "{what} at {at}");
        }
    }
}

#[test]
fn a_mailbox_with_a_torn_end_goes_on() {
    let filled = Filled::new();
    let copy = filled.copy(COMMITS - 1, false);
    change(copy.path(), |journal| journal.truncate(filled.ends[COMMITS as usize] - 1));
    let mailbox = EmbeddedMailbox::open(copy.path()).unwrap();
    let next = (COMMITS - 1) * MESSAGES + 1;
    mailbox.append(&key(), &batch(next..next + 2), Instant::now());
    await_commit(&mailbox, next + 1);
    block_on(mailbox.close());
    assert_eq!(opened(copy.path()).unwrap(), (next + 1, COMMITS));
}

#[test]
fn a_journal_is_copied_unless_it_is_whole_and_one_that_is_whole_stays_so() {
    let filled = Filled::new();
    for torn in [false, true] {
        let copy = filled.copy(COMMITS - 1, false);
        if torn {
            change(copy.path(), |journal| journal.truncate(filled.ends[COMMITS as usize] - 1));
        }
        let journal = fs::read(active_journal(copy.path())).unwrap();
        let paths = Paths::new(copy.path());
        let last = COMMITS - u64::from(torn);
        assert_eq!(paths.mend_journals(paths.known().unwrap()).unwrap(), Some(last));
        match fs::read_dir(copy.path().join("mailbox.journal")) {
            Ok(mut copies) => {
                assert!(torn);
                assert_eq!(fs::read(copies.next().unwrap().unwrap().path()).unwrap(), journal);
            }
            Err(_) => assert!(!torn),
        }
        let written = filled.ends[usize::try_from(last).unwrap()];
        assert_eq!(opened(copy.path()).unwrap().1, last);
        let opened = fs::read(active_journal(copy.path())).unwrap();
        assert!(
            opened.starts_with(&journal[..written]),
            "the engine changes nothing that is whole"
        );
        assert!(!copy.path().join("mailbox.journal").exists());
    }
}

#[test]
fn what_was_synced_and_is_lost_is_told_and_left_as_it_is() {
    let filled = Filled::new();
    for at in filled.bytes_of(1..COMMITS + 1).step_by(4) {
        for (what, damage) in LOST {
            assert_refused(&filled, &format!("{what} at {at}"), |journal| damage(journal, at));
        }
    }
    // At the ends of commits nothing is torn.
    for end in &filled.ends[..filled.ends.len() - 1] {
        assert_refused(&filled, &format!("cut at {end}"), |journal| journal.truncate(*end));
    }
    assert_refused(&filled, "nothing left", Vec::clear);
}

#[test]
fn what_was_synced_and_is_changed_is_told_and_left_as_it_is() {
    let filled = Filled::new();
    let original = fs::read(active_journal(filled.copy(COMMITS, false).path())).unwrap();
    for at in filled.bytes_of(1..COMMITS + 1).step_by(4) {
        for (what, damage) in CHANGED {
            let mut journal = original.clone();
            damage(&mut journal, at);
            let begin = filled.ends.iter().rev().find(|end| **end <= at).unwrap();
            let only_its_number_in_order = (5..13).contains(&(at - begin));
            if journal != original && !only_its_number_in_order {
                assert_refused(&filled, &format!("{what} at {at}"), |it| *it = journal);
            }
        }
    }
}

/// A mailbox whose journal was changed is refused, now and later, clean or not, and not changed.
fn assert_refused(filled: &Filled, what: &str, damage: impl FnOnce(&mut Vec<u8>)) {
    let mut damage = Some(damage);
    let mut damaged = Vec::new();
    for clean in [false, true] {
        let copy = filled.copy(COMMITS, clean);
        let data = copy.path();
        change(data, |journal| match damage.take() {
            Some(damage) => {
                damage(journal);
                damaged = journal.clone();
            }
            None => *journal = damaged.clone(),
        });
        let before = contents(&data.join("mailbox"));
        for _ in 0..2 {
            let error = opened(data).expect_err(what);
            assert!(matches!(error, OpenError::Damaged { .. }), "{what}: {error}");
            assert!(contents(&data.join("mailbox")) == before, "{what}, clean={clean}: changed");
            let copied = data.join("mailbox.journal");
            assert_eq!(error.to_string().contains("mailbox.journal)"), copied.exists(), "{error}");
            assert!(clean || copied.exists(), "{what}");
            if copied.exists() {
                let journal = active_journal(data);
                let copied = copied.join(journal.file_name().unwrap());
                assert!(fs::read(copied).unwrap() == damaged, "{what}: the copy");
            }
        }
    }
}

/// The sentence of the refusal, which changes nothing.
fn refusal(data: &Path) -> String {
    let before = contents(data);
    let error = opened(data).expect_err("refused");
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    let mut kept = contents(data);
    let ours = |path: &Path| path.starts_with(data.join("mailbox.journal"));
    kept.retain(|path, _| !ours(path));
    assert!(kept == before, "a refusal changes nothing");
    error.to_string()
}

#[test]
fn a_watermark_that_is_gone_or_rubbish_is_told() {
    let filled = Filled::new();
    let copy = filled.copy(COMMITS, false);
    let watermark = copy.path().join("mailbox.watermark");
    fs::remove_file(&watermark).unwrap();
    assert!(refusal(copy.path()).contains("mailbox.watermark is gone"));
    for rubbish in [&b""[..], b"rubbish\n", &[0; 40], b"\xff\xfe\n", b"tinychat-mailbox-1 commit=6"]
    {
        fs::write(&watermark, rubbish).unwrap();
        let sentence = refusal(copy.path());
        assert!(sentence.contains("mailbox.watermark: it is not as this program"), "{sentence}");
    }
}

#[test]
fn a_store_that_is_gone_is_told() {
    let filled = Filled::new();
    for clean in [false, true] {
        let copy = filled.copy(COMMITS, clean);
        fs::remove_dir_all(copy.path().join("mailbox")).unwrap();
        assert!(refusal(copy.path()).contains("it is gone, and messages were in it"));
    }
}

#[test]
fn a_part_of_the_store_that_is_gone_is_told() {
    let filled = Filled::new();
    for part in ["keyspaces", "keyspaces/2", "keyspaces/0/current", "keyspaces/3/current", "0.jnl"]
    {
        for clean in [false, true] {
            let copy = filled.copy(COMMITS, clean);
            let path = copy.path().join("mailbox").join(part);
            match path.is_dir() {
                true => fs::remove_dir_all(&path).unwrap(),
                false => fs::remove_file(&path).unwrap(),
            }
            let sentence = refusal(copy.path());
            assert!(sentence.contains(" is missing"), "{part}: {sentence}");
        }
    }
}

#[test]
fn an_unfinished_first_start_is_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    block_on(EmbeddedMailbox::open(folder.path()).unwrap().close());
    Watermark { commit: 0, clean: false }.write(&folder.path().join("mailbox.watermark")).unwrap();
    change(folder.path(), Vec::clear);
    assert_eq!(opened(folder.path()).unwrap(), (0, 0));
    for part in ["version", "keyspaces/0/current", "keyspaces/2/current"] {
        // As a full disk leaves it.
        fs::write(folder.path().join("mailbox").join(part), "").unwrap();
        assert_eq!(opened(folder.path()).unwrap(), (0, 0), "{part}");
    }
    fs::remove_dir_all(folder.path().join("mailbox")).unwrap();
    assert_eq!(opened(folder.path()).unwrap(), (0, 0));
}

#[test]
fn a_young_mailbox_with_messages_is_not_taken_for_an_unfinished_one() {
    let filled = Filled::new();
    for part in ["version", "keyspaces/0/current", "keyspaces/2/current"] {
        // Its watermark was not renewed yet.
        let copy = filled.copy(0, false);
        fs::write(copy.path().join("mailbox").join(part), "").unwrap();
        assert!(opened(copy.path()).is_err(), "{part}");
        let before = active_journal(filled.copy(0, false).path());
        assert!(copy.path().join("mailbox").join(before.file_name().unwrap()).exists(), "{part}");
    }
}

#[test]
fn a_clean_stop_leaves_no_copy() {
    let folder = tempfile::tempdir().unwrap();
    for stop in 0..3 {
        let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
        mailbox.append(&key(), &batch(stop + 1..stop + 2), Instant::now());
        block_on(mailbox.close());
        let left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !["mailbox", "mailbox.watermark"].contains(&name.as_str()))
            .collect();
        assert_eq!(left, Vec::<String>::new());
        let watermark = Watermark::read(&folder.path().join("mailbox.watermark")).unwrap();
        assert_eq!(watermark, Some(Watermark { commit: stop + 1, clean: true }));
    }
}
