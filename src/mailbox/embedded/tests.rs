//! What the mailbox does while the disk is behind: who waits, what is written together, what never is.

use std::time::Duration;

use async_std::task::block_on;

use super::super::shared::{JOURNAL_HIGH, JOURNAL_LIMIT};
use super::*;
use crate::clock::fake::FakeTimes;
use crate::mailbox::Outline;
use crate::message::{Message, MessageId};

fn batch(first: u64, count: u64) -> Batch {
    let message = |n| Message::text(1, n, "hello");
    Batch::new(first, (first..first + count).map(message).collect::<Vec<_>>())
}

#[test]
fn who_appends_waits_while_the_disk_is_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    {
        // Nothing can be committed as long as this is held.
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, JOURNAL_LIMIT.messages - 1), Instant::now());
        assert!(mailbox.ready(key.sender()).now_or_never().is_some(), "there is room for one more");
        mailbox.append(&key, &batch(JOURNAL_LIMIT.messages, 1), Instant::now());
        assert!(mailbox.ready(key.sender()).now_or_never().is_none());
    }
    block_on(mailbox.ready(key.sender())).unwrap();
    block_on(mailbox.close());
}

#[test]
fn what_is_appended_together_is_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    {
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, 1), Instant::now());
        // The writer has begun with it, at the latest now.
        mailbox.shared.state().journal.seal();
        (2..=500).for_each(|n| mailbox.append(&key, &batch(n, 1), Instant::now()));
    }
    block_on(mailbox.close());
    let Counts { taken, written, commits, .. } = mailbox.counts();
    assert_eq!((taken, written, commits), (500, 500, 2));
    assert_eq!(mailbox.commit_times().times().count, 2);
    assert_eq!(mailbox.total(), Usage { messages: 500, bytes: 2_500 });
}

#[test]
fn what_is_acknowledged_before_its_commit_is_never_written() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let five = |messages| Usage { messages, bytes: 5 * messages };
    {
        let _disk = mailbox.shared.store.write().unwrap();
        mailbox.append(&key, &batch(1, 1), Instant::now());
        mailbox.shared.state().journal.seal();
        (2..=500).for_each(|n| mailbox.append(&key, &batch(n, 1), Instant::now()));
        mailbox.remove(&key, 500, five(500));
    }
    block_on(mailbox.close());
    let Counts { taken, written, delivered, .. } = mailbox.counts();
    assert_eq!((taken, written), (500, 1), "only the first one was handed over before");
    assert_eq!((delivered, mailbox.total()), (500, Usage::default()));
    let again = EmbeddedMailbox::open(folder.path()).unwrap();
    let shelf = block_on(again.load(&key)).unwrap();
    let n = shelf.accounts.get(Installation::from_u64(1)).unwrap().n;
    assert_eq!((shelf.waiting.len(), n), (0, 500), "but it is known");
}

#[test]
fn a_commit_waits_for_what_may_be_acknowledged_and_not_for_longer() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let (events, later) = (mailbox.watch(), Instant::now() + Duration::from_secs(3_600));
    let committed = || match block_on(events.recv()).unwrap() {
        Event::Committed(commits) => commits[0].up_to,
        other => panic!("{other:?}"),
    };
    // What is due wakes a writer that sleeps for another, and takes it along.
    mailbox.append(&key, &batch(1, 1), later);
    mailbox.append(&key, &batch(2, 1), Instant::now());
    assert_eq!(committed(), 2);
    // Nobody asks again: it is written in its time.
    mailbox.append(&key, &batch(3, 1), Instant::now() + Duration::from_millis(5));
    assert_eq!(committed(), 3);
    let high = batch(4, JOURNAL_HIGH.messages);
    mailbox.append(&key, &high, later);
    assert_eq!(committed(), high.last(), "too much to wait");
    block_on(mailbox.close());
}

#[test]
fn outlines_are_those_of_the_messages() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let events = mailbox.watch();
    for first in [1, 4, 7] {
        mailbox.append(&key, &batch(first, 3), Instant::now());
        block_on(events.recv()).unwrap();
    }
    let image = block_on(mailbox.image()).unwrap();
    for (after, before) in (0..11).flat_map(|after| (0..12).map(move |before| (after, before))) {
        let messages = image.walk(&key, after, before).map(|it| it.unwrap().1);
        let expected: Vec<_> = messages.map(|it| Outline::of(&it)).collect();
        let count = before.min(10).saturating_sub(after + 1);
        assert_eq!(expected.len() as u64, count, "{after}, {before}");
        assert_eq!(image.outlines(&key, after, before).unwrap(), expected, "{after}, {before}");
    }
    block_on(mailbox.close());
}

#[test]
fn others_are_answered_while_many_sessions_are_looked_through() {
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = |n| SessionKey::new(format!("john{n}").parse().unwrap(), "marie".parse().unwrap());
    let events = mailbox.watch();
    for n in 0..=SESSIONS {
        mailbox.append(&key(n).unwrap(), &batch(1, 1), Instant::now());
    }
    let mut committed = 0;
    while committed <= SESSIONS {
        match block_on(events.recv()).unwrap() {
            Event::Committed(commits) => committed += commits.len(),
            other => panic!("{other:?}"),
        }
    }
    let mut overdue = mailbox.overdue(Uptime(2));
    let mut proceed = || {
        // Nothing is answered as long as this is held.
        let _disk = mailbox.shared.store.write().unwrap();
        (&mut overdue).now_or_never()
    };
    assert!(proceed().is_none());
    // Questions are answered in turn: when this one is, so is the first of the others.
    assert_eq!(block_on(mailbox.load(&key(0).unwrap())).unwrap().waiting.len(), 1);
    assert!(proceed().is_none(), "there are more to ask");
    assert_eq!(block_on(overdue).unwrap().len(), SESSIONS + 1);
    block_on(mailbox.close());
}

const MINUTE: Duration = Duration::from_secs(60);

/// A mailbox that has run for so long.
fn open_by(times: &Arc<FakeTimes>, data: &Path) -> (EmbeddedMailbox, Uptime) {
    let mailbox = EmbeddedMailbox::open_by(times.clone(), data).unwrap();
    let uptime = mailbox.clock().uptime();
    (mailbox, uptime)
}

fn is_committed(mailbox: &EmbeddedMailbox, commits: u64) {
    // There is no event for a commit that has nothing but the time.
    while mailbox.counts().commits < commits {
        std::thread::yield_now();
    }
}

#[test]
fn uptime_is_stored_with_commits_and_once_a_minute_and_goes_on_after_a_restart() {
    let (folder, times) = (tempfile::tempdir().unwrap(), FakeTimes::new());
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let (mailbox, uptime) = open_by(&times, folder.path());
    assert_eq!(uptime, Uptime(0));
    times.pass(MINUTE);
    mailbox.append(&key, &batch(1, 1), Instant::now());
    is_committed(&mailbox, 1);
    times.pass(Duration::from_secs(30));
    // It is too soon for this one.
    mailbox.store_uptime();
    times.pass(Duration::from_secs(25));
    mailbox.store_uptime();
    is_committed(&mailbox, 2);
    times.pass(Duration::from_secs(5));
    let stored = mailbox.shared.state().stored;
    assert_eq!(stored, Uptime(0) + MINUTE + Duration::from_secs(55));
    // What a killed one has: the engine's lock alone is in the way of another.
    let copy = folder.path().join("copy");
    let disk = ["mailbox", "mailbox.watermark"].map(|it| (folder.path().join(it), copy.join(it)));
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(&disk[1].0, &disk[1].1).unwrap();
    super::super::files::copy_folder(&disk[0].0, &disk[0].1).unwrap();
    assert_eq!(open_by(&times, &copy).1, stored);
    block_on(mailbox.close());
    let (mailbox, uptime) = open_by(&times, folder.path());
    assert_eq!(uptime, Uptime(0) + 2 * MINUTE, "an orderly end takes nothing back");
    times.pass(Duration::from_millis(7));
    assert_eq!(mailbox.clock().uptime().since(uptime), Duration::from_millis(7));
}

/// How much of its journals a running mailbox has written.
fn written(data: &Path) -> usize {
    let journals = std::fs::read_dir(data.join("mailbox")).unwrap().map(|it| it.unwrap().path());
    let journals = journals.filter(|it| it.extension().is_some_and(|it| it == "jnl"));
    let length = |journal| {
        let bytes = std::fs::read(journal).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
    };
    journals.map(length).sum()
}

#[test]
fn a_commit_writes_what_it_changes_however_much_is_remembered() {
    const MANY: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let mailbox = EmbeddedMailbox::open(folder.path()).unwrap();
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let events = mailbox.watch();
    let await_commit = |done: &dyn Fn(&crate::mailbox::Commit) -> bool| loop {
        match block_on(events.recv()).unwrap() {
            Event::Committed(commits) if commits.iter().any(done) => return,
            Event::Committed(_) | Event::Listed(_) => {}
            Event::Recovered => panic!("nothing failed"),
        }
    };
    // One of them leaves out numbers, and there are thousands of others.
    let id = |position| match position % 4 {
        0 => MessageId { installation: Installation::from_u64(position), n: 1 },
        _ => MessageId { installation: Installation::from_u64(1), n: 2 * position },
    };
    let message = |position| Message { id: id(position), ..Message::text(1, 1, "x") };
    mailbox.append(
        &key,
        &Batch::new(1, (1..=MANY).map(message).collect::<Vec<_>>()),
        Instant::now(),
    );
    await_commit(&|commit| commit.up_to == MANY);
    let run = |first_position| {
        let MessageId { installation, n: first_n } = id(first_position);
        Run { first_position, installation, first_n, count: 1 }
    };
    let all: Vec<_> = (1..=MANY).map(run).collect();
    mailbox.end(&key, Fate::Expired, &all, Usage { messages: MANY, bytes: MANY });
    await_commit(&|commit| commit.ended_up_to == MANY);
    assert_eq!((mailbox.counts().expired, mailbox.total()), (MANY, Usage::default()));

    let before = written(folder.path());
    for position in MANY + 1..=MANY + 10 {
        let message = Message { id: MessageId { n: 3 * position, ..id(1) }, ..message(1) };
        mailbox.append(&key, &Batch::new(position, vec![message]), Instant::now());
        await_commit(&|commit| commit.up_to == position);
    }
    let each = (written(folder.path()) - before) / 10;
    assert!(each < 1_024, "a commit of one byte writes {each}");
    mailbox.settle(&key, Installation::from_u64(1), MANY);
    block_on(mailbox.close());
    let again = EmbeddedMailbox::open(folder.path()).unwrap();
    let accounts = block_on(again.load(&key)).unwrap().accounts;
    assert_eq!((accounts.len() as u64, accounts.expired()), (1 + MANY / 4, MANY / 4 + 7_500));
    block_on(again.close());
}
