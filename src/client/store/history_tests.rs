//! What is taken, what is not, and what is known.

use bytes::Bytes;

use super::super::thread::tests::{in_memory, run};
use super::*;
use crate::message::Origin;
use crate::trust::PublicKey;

/// A message comes that is not sealed.
pub(crate) fn receive_plain(
    tx: &Transaction<'_>,
    server: &Server,
    peer: Name,
    message: Message,
) -> Result<Verdict> {
    let identity = PublicKey::from_bytes([0; 32]);
    let me = Me { name: "john".parse().unwrap(), identity, writer: None };
    let receiver = &mut Receiver {
        keyring: &mut Keyring::default(),
        me: &me,
        installation: Installation::from_u64(0),
        unasked: Unasked::NONE,
        now: Timestamp(0),
        is_device: true,
        is_last: false,
        noticed: &mut Noticed::default(),
    };
    super::receive(tx, receiver, server, peer, message)
}

fn message(installation: u64, n: u64) -> Message {
    Message::text(installation, n, format!("{installation}/{n}"))
}

fn is_new(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::New(_))
}

fn bodies(messages: &[Incoming]) -> Vec<&str> {
    messages.iter().map(|it| std::str::from_utf8(&it.body).unwrap()).collect()
}

#[test]
fn what_comes_again_is_dropped_for_each_sender_and_installation() {
    let server: Server = "localhost".parse().unwrap();
    let (marie, anna): (Name, Name) = ("marie".parse().unwrap(), "anna".parse().unwrap());
    run(&mut in_memory(), |tx| {
        for (peer, installation, n, new) in [
            (&marie, 1, 1, true),
            (&marie, 1, 3, true),
            (&marie, 1, 3, false),
            (&marie, 1, 1, false),
            (&marie, 2, 1, true),
            (&anna, 1, 1, true),
        ] {
            let received = receive_plain(tx, &server, peer.clone(), message(installation, n))?;
            assert_eq!(is_new(&received), new, "{peer} {installation} {n}");
        }
        assert_eq!(bodies(&unshown(tx, &server, &marie, 0, 10)?), ["1/1", "1/3", "2/1"]);
        Ok(())
    });
}

#[test]
fn another_message_with_a_used_number_comes_back_each_time_and_is_taken_with_another() {
    let server: Server = "localhost".parse().unwrap();
    let marie: Name = "marie".parse().unwrap();
    let other = |n| Message { origin: Origin::from_bytes([3; 16]), ..message(1, n) };
    let words = Bytes::from_static(b"1/3");
    let same_words = |n| Message { body: words.clone(), ..other(n) };
    run(&mut in_memory(), |tx| {
        for (message, came, expected) in [
            (message(1, 1), 1, "New"),
            (message(1, 3), 2, "New"),
            (other(1), 2, "Bounced"),
            (other(1), 2, "Bounced"),
            // The same words, written once more.
            (same_words(3), 2, "Bounced"),
            (same_words(4), 3, "New"),
            // It is there, under whatever number it comes once more.
            (same_words(3), 3, "Known"),
            (same_words(5), 3, "Known"),
        ] {
            let verdict = receive_plain(tx, &server, marie.clone(), message)?;
            assert!(format!("{verdict:?}").starts_with(expected), "{verdict:?}, not {expected}");
            assert_eq!(unshown(tx, &server, &marie, 0, 10)?.len(), came);
        }
        Ok(())
    });
}

/// It is done for each message that comes, and whoever writes chooses the origin.
#[test]
fn a_duplicate_is_looked_up_by_its_origin_and_its_hash() {
    run(&mut in_memory(), |tx| {
        let mut plan = tx.prepare(&format!("EXPLAIN QUERY PLAN {DUPLICATE}"))?;
        let steps = plan.query_map(["", "", "", ""], |row| row.get(3))?;
        let steps: Vec<String> = steps.collect::<Result<_>>()?;
        let looks_up = "SEARCH message USING INDEX received (origin=? AND hash=?)";
        assert!(steps.iter().any(|step| step == looks_up), "{steps:?}");
        Ok(())
    });
}

#[test]
fn what_comes_again_under_another_number_is_dropped_by_its_origin() {
    let server: Server = "localhost".parse().unwrap();
    let (marie, anna): (Name, Name) = ("marie".parse().unwrap(), "anna".parse().unwrap());
    let first = Message { origin: Origin::from_bytes([1; 16]), ..message(1, 1) };
    let again = Message { body: first.body.clone(), origin: first.origin, ..message(2, 9) };
    let twin = Message { origin: Origin::from_bytes([2; 16]), ..again.clone() };
    let other = Message { origin: first.origin, ..message(2, 10) };
    run(&mut in_memory(), |tx| {
        for (peer, message, new) in [
            (&marie, &first, true),
            (&marie, &again, false),
            (&anna, &again, true),
            // The same words once more, and an origin that somebody gave to other words.
            (&marie, &twin, true),
            (&marie, &other, true),
        ] {
            let received = receive_plain(tx, &server, peer.clone(), message.clone())?;
            assert_eq!(is_new(&received), new, "{peer} {message:?}");
        }
        Ok(())
    });
}

#[test]
fn what_was_shown_is_not_shown_again_but_stays() {
    let server: Server = "localhost".parse().unwrap();
    let marie: Name = "marie".parse().unwrap();
    run(&mut in_memory(), |tx| {
        let first = receive_plain(tx, &server, marie.clone(), message(1, 1))?;
        let Verdict::New(first) = first else { panic!("{first:?}") };
        receive_plain(tx, &server, marie.clone(), message(1, 2))?;
        mark_shown(tx, &[first.id])?;
        assert_eq!(bodies(&unshown(tx, &server, &marie, 0, 10)?), ["1/2"]);
        assert_eq!(unshown_counts(tx, &server)?[&marie], 1);
        let again = receive_plain(tx, &server, marie.clone(), message(1, 1))?;
        assert_eq!(again, Verdict::Known);
        Ok(())
    });
}
