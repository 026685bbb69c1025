//! What a session does with connections that come late, folders beyond their number, and a channel
//! that is full.

use async_std::task::block_on;
use bytes::Bytes;

use super::super::channel::{Drain, Queued};
use super::*;
use crate::mailbox::{Account, MemoryMailbox};
use crate::server::people::Contacts;
use crate::server::sessions::window::Windows;
use crate::wire::frame::Presence;

#[test]
fn a_late_talk_of_an_old_connection_takes_nothing_from_its_successor() {
    let john = || "john".parse().unwrap();
    let key = SessionKey::new(john(), "marie".parse().unwrap()).unwrap();
    let session = Session::new(key, &Windows::new(u64::MAX));
    block_on(session.load(&MemoryMailbox::default(), &Circle::default())).unwrap();
    let link = |id| Arc::new(Link::new(ConnectionId(id), john(), INSTALLATION, Presence::Online));
    let (old, new) = (link(1), link(2));
    for entering in [&old, &new, &old] {
        session.enter(entering).unwrap();
    }
    session.leave(old.id);
    assert!(!session.retire(), "the successor has it open");
    session.leave(new.id);
    assert!(session.retire());
}

const INSTALLATION: Installation = Installation::from_u64(1);

fn message(installation: Installation, n: u64) -> Message {
    Message::text(installation.to_u64(), n, "hello")
}

fn session(mailbox: &MemoryMailbox, memory: u64) -> Session {
    let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
    let session = Session::new(key, &Windows::new(memory));
    block_on(session.load(mailbox, &Circle::default())).unwrap();
    session
}

#[test]
fn only_what_was_not_taken_needs_a_disk() {
    let mailbox = MemoryMailbox::default();
    let session = session(&mailbox, u64::MAX);
    let messages: Vec<_> = (1..=3).map(|n| message(INSTALLATION, n)).collect();
    assert_eq!(session.first_fresh(&messages), Some(1));
    session.accept(&mailbox, &Quota::default(), Offer::of(1, messages[..2].to_vec())).unwrap();
    assert_eq!(session.first_fresh(&messages), Some(3));
    assert_eq!(session.first_fresh(&messages[..2]), None);
}

#[test]
fn an_installation_whose_connection_is_still_read_does_not_give_way() {
    let mailbox = MemoryMailbox::default();
    let session = session(&mailbox, u64::MAX);
    let old = Arc::new(Link::new(
        ConnectionId(1),
        "john".parse().unwrap(),
        INSTALLATION,
        Presence::Online,
    ));
    session.enter(&old).unwrap();
    let all = MAX_REMEMBERED as u64;
    let others = (1..all).map(|number| message(Installation::from_u64(1_000 + number), 1));
    let messages = others.chain([message(INSTALLATION, 1)]).collect();
    session.accept(&mailbox, &Quota::default(), Offer::of(1, messages)).unwrap();
    let commit = |up_to, ended_up_to| {
        let key = session.key().clone();
        session.commit(&mailbox, &Commit { key, up_to, ended_up_to });
    };
    commit(all, 0);
    session.expire(&mailbox, all - 1);
    commit(0, all - 1);
    assert!(session.acknowledge(&mailbox, all).made_room);
    let newcomer = Installation::from_u64(99);
    let refused = Err(TooManyInstallations::Remembered);
    assert_eq!(session.settle(&mailbox, newcomer, 0), refused, "of the others there are records");
    session.leave(old.id);
    assert_eq!(session.settle(&mailbox, newcomer, 0), Ok(()));
}

/// Its successor was told what is there, and what the old one still has to say is in the sender's outbox.
#[test]
fn nothing_is_taken_from_a_connection_whose_successor_has_come() {
    let (mailbox, quota) = (MemoryMailbox::default(), Quota::default());
    let session = session(&mailbox, u64::MAX);
    let enter = |id, installation| {
        let link =
            Link::new(ConnectionId(id), "john".parse().unwrap(), installation, Presence::Online);
        session.enter(&Arc::new(link)).unwrap();
    };
    let other = Installation::from_u64(99);
    let accept = |id, installation, n| {
        session.accept(&mailbox, &quota, Offer::of(id, vec![message(installation, n)]))
    };
    enter(1, INSTALLATION);
    enter(2, other);
    assert_eq!(accept(1, INSTALLATION, 1), Ok(Accepted::All { fresh: 1 }), "another's is none");
    enter(3, INSTALLATION);
    assert_eq!(accept(1, INSTALLATION, 2), Err(Retired));
    assert_eq!(session.watermarks(INSTALLATION).have, 1);
    assert_eq!(accept(3, INSTALLATION, 2), Ok(Accepted::All { fresh: 1 }));
    assert_eq!(accept(2, other, 1), Ok(Accepted::All { fresh: 1 }));
}

#[test]
fn nobody_settles_what_they_never_wrote() {
    let mailbox = MemoryMailbox::default();
    let session = session(&mailbox, u64::MAX);
    let messages = vec![message(INSTALLATION, 1)];
    session.accept(&mailbox, &Quota::default(), Offer::of(1, messages)).unwrap();
    session.settle(&mailbox, INSTALLATION, 99).unwrap();
    let shelf = block_on(mailbox.load(session.key())).unwrap();
    let account = shelf.accounts.get(INSTALLATION).unwrap();
    assert_eq!((account.n, account.settled), (1, 1));
}

#[test]
fn what_a_former_owner_of_the_name_left_is_forgotten_once_it_has_arrived() {
    let mailbox = MemoryMailbox::default();
    let session = session(&mailbox, u64::MAX);
    let one = Quota { session: Usage { messages: 1, bytes: 0 }, ..Quota::default() };
    let is_taken = |installation, n| {
        let offer = Offer::of(1, vec![message(installation, n)]);
        session.accept(&mailbox, &one, offer) == Ok(Accepted::All { fresh: 1 })
    };
    let is_orphan = |installation| {
        let shelf = block_on(mailbox.load(session.key())).unwrap();
        shelf.accounts.get(installation).map(Account::is_orphan)
    };
    let next = Installation::from_u64(99);
    assert!(is_taken(INSTALLATION, 1) && !is_taken(INSTALLATION, 2));
    assert_eq!(session.forget_sender(&mailbox), 1);
    assert!(!session.is_used() && session.waiting_of_owner() == 0);
    assert!(is_taken(next, 1) && !is_taken(next, 2));
    assert!(session.is_used() && session.waiting_of_owner() == 1);
    assert_eq!((is_orphan(INSTALLATION), is_orphan(next)), (Some(true), Some(false)));
    session.acknowledge(&mailbox, 1);
    assert_eq!((is_orphan(INSTALLATION), is_orphan(next)), (None, Some(false)));
}

/// A reader that was just replaced may still say that it goes on to the mailbox.
#[test]
fn a_late_word_of_a_replaced_reader_loses_nothing_of_its_successor() {
    let (mailbox, quota) = (MemoryMailbox::default(), Quota::default());
    // The window has room for one.
    let session = session(&mailbox, 1);
    for n in [1, 2] {
        session.accept(&mailbox, &quota, Offer::of(1, vec![message(INSTALLATION, n)])).unwrap();
    }
    session.resume();
    let Drain { batches, refill_to, .. } = session.drain().ok().unwrap();
    assert_eq!(refill_to, 0, "the first one is in memory");
    assert!(matches!(batches.try_recv(), Ok(Queued::Batch(_))));
    assert!(matches!(batches.try_recv(), Ok(Queued::More)), "and the second is on disk");
}

#[test]
fn what_waits_holds_back_no_more_of_a_read_buffer_than_it_may_cost() {
    for (chunk, is_let_go) in [(100, false), (64 * 1024, true)] {
        let mailbox = MemoryMailbox::default();
        let session = session(&mailbox, u64::MAX);
        let buffer = Bytes::from(vec![b'x'; chunk]);
        let messages = vec![Message { body: buffer.slice(..1), ..message(INSTALLATION, 1) }];
        let offer = Offer { chunk, ..Offer::of(1, messages) };
        session.accept(&mailbox, &Quota::default(), offer).unwrap();
        assert_eq!(buffer.is_unique(), is_let_go, "{chunk} bytes");
        let Ok(Queued::Batch(held)) = session.state().channel.1.try_recv() else { panic!() };
        assert_eq!(held.batch().messages()[0].body, "x");
    }
}

#[test]
fn what_waits_is_nowhere_in_memory_once_its_sender_is_blocked() {
    let (mailbox, folder) = (Arc::<MemoryMailbox>::default(), tempfile::tempdir().unwrap());
    let session = session(&mailbox, u64::MAX);
    let contacts = block_on(Contacts::open(mailbox.clone(), folder.path())).unwrap();
    let buffer = Bytes::from(vec![b'x'; 1_000]);
    let accept = |n| {
        let messages = vec![Message { body: buffer.clone(), ..message(INSTALLATION, n) }];
        let accepted = session.accept(&*mailbox, &Quota::default(), Offer::of(1, messages));
        assert_eq!(accepted, Ok(Accepted::All { fresh: 1 }));
    };
    accept(1);
    assert!(!buffer.is_unique());
    block_on(contacts.set_blocked(session.key(), true)).unwrap();
    session.block(&*mailbox, contacts.circle());
    assert!(buffer.is_unique());
    accept(2);
    assert!(buffer.is_unique());
    assert_eq!(mailbox.usage(session.key().receiver()), Usage::default());
}

/// What was accepted before is no repetition for another list: it is dropped as ever.
#[test]
fn what_is_written_for_another_device_list_is_refused_unless_it_is_there_already() {
    let (mailbox, quota) = (MemoryMailbox::default(), Quota::default());
    let session = session(&mailbox, u64::MAX);
    let say = |version, numbers: std::ops::RangeInclusive<u64>| {
        let messages = numbers.map(|n| message(INSTALLATION, n)).collect();
        session.accept(&mailbox, &quota, Offer { version, ..Offer::of(1, messages) })
    };
    assert_eq!(say(0, 1..=2), Ok(Accepted::All { fresh: 2 }));
    assert_eq!(say(1, 1..=2), Ok(Accepted::All { fresh: 0 }));
    assert_eq!(say(1, 2..=4), Ok(Accepted::ForOtherDevices { refused: 3 }));
    assert_eq!(session.watermarks(INSTALLATION).have, 2);
    assert_eq!(say(0, 3..=4), Ok(Accepted::All { fresh: 2 }));
    // Whoever the name was taken from does not come back by another list.
    let link = Link::new(ConnectionId(1), "john".parse().unwrap(), INSTALLATION, Presence::Online);
    session.enter(&Arc::new(link)).unwrap();
    session.outdate();
    assert_eq!(say(1, 5..=5), Ok(Accepted::OfNobody { refused: 5 }));
}
