//! Who thinks what of whom, in memory and in the book.

use std::fs;
use std::sync::mpsc;

use async_std::task::block_on;

use super::*;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// From eve to marie.
fn key() -> SessionKey {
    SessionKey::new(name("eve"), name("marie")).unwrap()
}

#[test]
fn who_is_blocked_stays_so_across_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let contacts = Contacts::open(&path).unwrap();
    block_on(contacts.set_blocked(&key(), true)).unwrap();
    contacts.accept(&key());
    for contacts in [contacts, Contacts::open(&path).unwrap()] {
        assert!(contacts.circle().is_blocked(&key()));
        assert!(!contacts.circle().is_blocked(&key().reverse()));
        assert_eq!(contacts.circle().blocked_by(&name("marie")), [name("eve")]);
    }
    let contacts = Contacts::open(&path).unwrap();
    block_on(contacts.set_blocked(&key(), false)).unwrap();
    let contacts = Contacts::open(&path).unwrap();
    assert_eq!(contacts.circle().standing(&key()), None);
    assert_eq!(contacts.circle().len(), 0);
}

#[test]
fn it_is_remembered_that_who_is_blocked_was_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let contacts = Contacts::open(&path).unwrap();
    contacts.accept(&key());
    block_on(contacts.set_blocked(&key(), true)).unwrap();
    let look = |contacts: &Contacts| {
        assert_eq!(contacts.circle().standing(&key()), Some(Standing::BlockedFriend));
        assert!(contacts.circle().is_blocked(&key()) && contacts.circle().has_accepted(&key()));
    };
    look(&contacts);
    assert_eq!(fs::read_to_string(&path).unwrap(), contacts.circle().lines(None));
    let contacts = Contacts::open(&path).unwrap();
    look(&contacts);
    block_on(contacts.set_blocked(&key(), false)).unwrap();
    assert_eq!(contacts.circle().standing(&key()), None);
}

#[test]
fn whoever_changes_their_mind_all_day_does_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let (book, _) = Book::open(&path).unwrap();
    let mut clerk = Clerk { book, circle: Arc::default(), lines: 0 };
    for standing in [Some(Standing::Blocked), None] {
        clerk.set(&key(), standing, 9).unwrap();
    }
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, "marie blocks eve\nmarie forgets eve\n");
    clerk.lines = SLACK + 2;
    clerk.set(&key(), Some(Standing::Blocked), 9).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "marie blocks eve\n");
}

/// As an earlier version left it.
#[test]
fn a_book_that_says_much_that_holds_no_more_is_written_anew_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let changes = "marie blocks eve\nmarie forgets eve\n".repeat(SLACK);
    fs::write(&path, format!("{changes}marie accepts bob\nmarie blocks bob\n")).unwrap();
    for _ in 0..2 {
        drop(Contacts::open(&path).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "marie accepts bob\nmarie blocks bob\n");
    }
}

/// Each of those for whom there is no room any more leaves a line.
#[test]
fn whoever_is_accepted_all_day_does_not_fill_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let (book, _) = Book::open(&path).unwrap();
    let mut clerk = Clerk { book, circle: Arc::default(), lines: SLACK + 2 };
    clerk.circle.accept(&key(), 9);
    clerk.write_accepted();
    assert_eq!(fs::read_to_string(&path).unwrap(), "marie accepts eve\n");
    assert_eq!(clerk.lines, 1);
}

/// However long the disk takes, and however much waits for it.
#[test]
fn who_is_accepted_is_so_before_that_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let contacts = Contacts::open(&path).unwrap();
    let (go_on, held_up) = mpsc::channel::<()>();
    contacts.clerk.suggest(move |_| _ = held_up.recv());
    let from = |n: usize| SessionKey::new(name(&format!("eve{n}")), name("marie")).unwrap();
    for n in 0..2 * QUEUE {
        contacts.accept(&from(n));
        assert_eq!(contacts.circle().standing(&from(n)), ACCEPTED);
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    drop(go_on);
    block_on(contacts.flush());
    let contacts = Contacts::open(&path).unwrap();
    assert!((0..2 * QUEUE).all(|n| contacts.circle().standing(&from(n)) == ACCEPTED));
}

#[test]
fn who_is_blocked_is_not_accepted_whichever_is_written_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    let contacts = Contacts::open(&path).unwrap();
    let (go_on, held_up) = mpsc::channel::<()>();
    contacts.clerk.suggest(move |_| _ = held_up.recv());
    let key = key();
    let blocking = contacts.set_blocked(&key, true);
    let meanwhile = async {
        contacts.accept(&key);
        drop(go_on);
    };
    assert_eq!(block_on(futures::future::join(blocking, meanwhile)).0, Ok(()));
    contacts.accept(&key);
    block_on(contacts.flush());
    for contacts in [contacts, Contacts::open(&path).unwrap()] {
        assert!(contacts.circle().is_blocked(&key));
    }
}

#[test]
fn one_more_who_is_accepted_takes_the_place_of_another() {
    let circle = Circle::default();
    let from = |sender: &str| SessionKey::new(name(sender), name("marie")).unwrap();
    circle.set(&name("marie"), &name("mallory"), Some(Standing::Blocked));
    for sender in ["a", "b", "c", "c"] {
        circle.accept(&from(sender), 2);
        assert_eq!(circle.standing(&from(sender)), ACCEPTED);
    }
    let accepted = ["a", "b", "c"].iter().filter(|it| circle.has_accepted(&from(it)));
    assert_eq!(accepted.count(), 2);
    assert!(circle.is_blocked(&from("mallory")));
}

#[test]
fn there_is_an_end_to_blocking() {
    let folder = tempfile::tempdir().unwrap();
    let (book, _) = Book::open(&folder.path().join("contacts")).unwrap();
    let mut clerk = Clerk { book, circle: Arc::default(), lines: 0 };
    let from = |sender: &str| SessionKey::new(name(sender), name("marie")).unwrap();
    let mut block = |who| clerk.set(&from(who), Some(Standing::Blocked), 2);
    assert_eq!((block("a"), block("b")), (Ok(()), Ok(())));
    assert_eq!(block("c"), Err(ContactsError::Full));
    clerk.set(&from("a"), None, 2).unwrap();
    clerk.set(&from("c"), Some(Standing::Blocked), 2).unwrap();
}

#[test]
fn a_name_that_is_given_up_is_forgotten_by_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    fs::write(&path, "marie blocks eve\neve blocks bob\nmarie accepts bob\n").unwrap();
    let contacts = Contacts::open(&path).unwrap();
    block_on(contacts.forget(&name("eve"))).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "marie accepts bob\n");
    assert_eq!(contacts.circle().standing(&key()), None);
}

#[test]
fn a_damaged_book_is_refused_with_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contacts");
    for bad in ["rubbish", "marie likes eve", "marie blocks", "marie blocks eve now", ""] {
        fs::write(&path, format!("marie blocks eve\n{bad}\n")).unwrap();
        let Err(error) = Contacts::open(&path) else { panic!("{bad}") };
        assert!(error.to_string().contains("line 2 of"), "{error}");
    }
}
