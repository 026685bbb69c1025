//! Who thinks what of whom, in memory and in the mailbox.

use async_std::task::block_on;
use futures::future::{join, ready};

use super::*;
use crate::mailbox::{EmbeddedMailbox, MemoryMailbox};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn from(sender: &str) -> SessionKey {
    SessionKey::new(name(sender), name("marie")).unwrap()
}

/// From eve to marie.
fn key() -> SessionKey {
    from("eve")
}

/// Contacts in a mailbox in memory, and that one.
fn contacts() -> (Contacts, Arc<MemoryMailbox>) {
    let mailbox = Arc::<MemoryMailbox>::default();
    let empty = tempfile::tempdir().unwrap();
    (block_on(Contacts::open(mailbox.clone(), empty.path())).unwrap(), mailbox)
}

/// What the journal has of a session.
fn kept(mailbox: &MemoryMailbox, key: &SessionKey) -> Option<Standing> {
    let all = block_on(mailbox.standings()).unwrap();
    all.into_iter().find(|(it, _)| it == key).map(|(_, standing)| standing)
}

/// Does something to the contacts of a folder, between two starts.
fn between_starts(folder: &Path, act: impl FnOnce(&Contacts)) {
    let mailbox = Arc::new(EmbeddedMailbox::open(folder).unwrap());
    let contacts = block_on(Contacts::open(mailbox.clone(), folder)).unwrap();
    act(&contacts);
    block_on(mailbox.close());
}

#[test]
fn who_is_blocked_stays_so_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let is_so = |contacts: &Contacts| {
        assert!(contacts.circle().is_blocked(&key()));
        assert!(!contacts.circle().is_blocked(&key().reverse()));
        assert_eq!(contacts.circle().blocked_by(&name("marie")), [name("eve")]);
        assert_eq!(contacts.circle().blockers_of(&name("eve")), [name("marie")]);
    };
    between_starts(folder.path(), |contacts| {
        block_on(contacts.set_blocked(&key(), true)).unwrap();
        contacts.accept(&key());
        is_so(contacts);
    });
    between_starts(folder.path(), |contacts| {
        is_so(contacts);
        block_on(contacts.set_blocked(&key(), false)).unwrap();
    });
    between_starts(folder.path(), |contacts| {
        assert_eq!(contacts.circle().standing(&key()), None);
        assert!(contacts.circle().blockers_of(&name("eve")).is_empty());
        contacts.accept(&key());
    });
    between_starts(folder.path(), |contacts| assert!(contacts.circle().has_accepted(&key())));
}

#[test]
fn it_is_remembered_that_who_is_blocked_was_accepted() {
    let (contacts, mailbox) = contacts();
    contacts.accept(&key());
    assert_eq!(kept(&mailbox, &key()), Some(Standing::Accepted));
    block_on(contacts.set_blocked(&key(), true)).unwrap();
    assert_eq!(contacts.circle().standing(&key()), Some(Standing::BlockedFriend));
    assert_eq!(kept(&mailbox, &key()), Some(Standing::BlockedFriend));
    assert!(contacts.circle().is_blocked(&key()) && contacts.circle().has_accepted(&key()));
    block_on(contacts.set_blocked(&key(), false)).unwrap();
    assert_eq!((contacts.circle().standing(&key()), kept(&mailbox, &key())), (None, None));
}

#[test]
fn a_block_is_one_once_it_is_on_the_disk_and_an_acceptance_before() {
    let (contacts, mailbox) = contacts();
    let held_up = mailbox.hold_up();
    let meanwhile = async {
        contacts.accept(&from("bob"));
        contacts.accept(&key());
        assert!(contacts.circle().has_accepted(&from("bob")));
        assert!(!contacts.circle().is_blocked(&key()));
        assert_eq!(kept(&mailbox, &from("bob")), None, "it follows");
        drop(held_up);
    };
    let (blocked, ()) = block_on(join(contacts.set_blocked(&key(), true), meanwhile));
    assert_eq!(blocked, Ok(()));
    assert!(contacts.circle().is_blocked(&key()));
    for key in [key(), from("bob")] {
        assert_eq!(kept(&mailbox, &key), contacts.circle().standing(&key));
    }
    assert_eq!(kept(&mailbox, &from("bob")), Some(Standing::Accepted));
}

#[test]
fn nobody_is_blocked_whom_the_disk_does_not_take() {
    let (contacts, mailbox) = contacts();
    contacts.accept(&key());
    mailbox.fails(true);
    let blocked = block_on(contacts.set_blocked(&key(), true));
    assert_eq!(blocked, Err(ContactsError::NotWritten));
    let forgotten = block_on(contacts.forget(&name("eve")));
    assert_eq!(forgotten, Err(ContactsError::NotWritten));
    assert_eq!(contacts.circle().standing(&key()), Some(Standing::Accepted));
    assert_eq!(kept(&mailbox, &key()), Some(Standing::Accepted), "should it take that later");
    mailbox.fails(false);
    assert_eq!(block_on(contacts.set_blocked(&key(), true)), Ok(()));
}

/// Its connection was cut.
#[test]
fn nor_is_anybody_blocked_by_who_does_not_wait_for_it() {
    let (contacts, mailbox) = contacts();
    let held_up = mailbox.hold_up();
    let key = key();
    let blocking = Box::pin(contacts.set_blocked(&key, true));
    let _ = block_on(futures::future::select(blocking, ready(())));
    assert_eq!((contacts.circle().standing(&key), kept(&mailbox, &key)), (None, None));
    drop(held_up);
    assert_eq!(block_on(contacts.set_blocked(&key, true)), Ok(()));
}

#[test]
fn one_more_who_is_accepted_takes_the_place_of_another() {
    let circle = Circle::default();
    circle.set(&from("mallory"), Some(Standing::Blocked));
    let others = ["a", "b", "c"].map(from);
    for (key, changed) in others.iter().zip([1, 1, 2]) {
        assert_eq!(circle.accept(key, 2).len(), changed);
        assert_eq!(circle.standing(key), Some(Standing::Accepted));
    }
    assert!(circle.accept(&others[2], 2).is_empty());
    assert_eq!(others.iter().filter(|it| circle.has_accepted(it)).count(), 2);
    assert!(circle.is_blocked(&from("mallory")));
}

#[test]
fn there_is_an_end_to_blocking() {
    let (contacts, _) = contacts();
    let set = |who, blocked| block_on(contacts.set_blocked_up_to(2, &from(who), blocked));
    assert_eq!((set("a", true), set("b", true)), (Ok(()), Ok(())));
    assert_eq!(set("c", true), Err(ContactsError::Full));
    assert_eq!((set("a", false), set("c", true)), (Ok(()), Ok(())));
}

#[test]
fn a_name_that_is_given_up_is_forgotten_by_everybody() {
    let (contacts, mailbox) = contacts();
    let theirs = SessionKey::new(name("bob"), name("eve")).unwrap();
    for key in [key(), theirs.clone()] {
        block_on(contacts.set_blocked(&key, true)).unwrap();
    }
    contacts.accept(&from("bob"));
    let held_up = mailbox.hold_up();
    let meanwhile = async {
        contacts.accept(&theirs.reverse());
        drop(held_up);
    };
    assert_eq!(block_on(join(contacts.forget(&name("eve")), meanwhile)).0, Ok(()));
    for key in [key(), theirs.clone(), theirs.reverse()] {
        assert_eq!((contacts.circle().standing(&key), kept(&mailbox, &key)), (None, None));
    }
    assert!(contacts.circle().blockers_of(&name("eve")).is_empty());
    assert_eq!(kept(&mailbox, &from("bob")), Some(Standing::Accepted));
}
