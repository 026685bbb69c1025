//! What is opened, and what is not.

use super::super::super::bounced::bounce;
use super::super::super::unsealed;
use super::*;
use crate::message::Origin;
use crate::seal::{Addressed, Context, End, Envelope, Payload, PayloadKey, Session};

/// What bob has, and with which sessions.
fn state(folder: &Folder) -> (Vec<String>, i64) {
    (folder.sessions(), folder.count("message"))
}

#[test]
fn what_comes_again_is_known_and_opened_once() {
    let World { mut here, mut there, .. } = world();
    let message = here.says("bob", "hi");
    assert_eq!(there.reads("alice", &message), "hi");
    let before = state(&there);
    assert_eq!(there.receives("alice", &message), Verdict::Known);
    let renumbered = Message { id: MessageId { n: 2, ..message.id }, ..message };
    assert_eq!(there.receives("alice", &renumbered), Verdict::Known);
    assert_eq!(state(&there), before);
}

#[test]
fn what_came_before_as_it_was_written_is_known() {
    let World { mut here, mut there, .. } = world();
    here.writes("bob", "hi");
    let Taken::Messages(plain) = here.takes("bob", 0, 0) else { panic!("there is no list") };
    let Verdict::New(it) = there.receives("alice", &here.sent(&plain[0])) else { panic!("new") };
    assert_eq!(it.passage, Passage::Clear);
    let sealed = here.sends("bob", 0);
    let bounced = there.receives("alice", &here.sent(&sealed[0]));
    assert_eq!(bounced, Verdict::Bounced, "it has the same number, and is another");
    let scope = here.scope("bob");
    run(&mut here.store, |tx| bounce(tx, &scope, 1, true));
    let again = here.sends("bob", 0);
    assert_eq!(there.receives("alice", &here.sent(&again[0])), Verdict::Known);
    assert_eq!(there.count("message"), 1);
    for folder in [&here, &there] {
        assert_eq!(folder.count("message WHERE sealed = 0"), 1, "it was in the clear, for ever");
    }
}

#[test]
fn what_was_sealed_and_comes_in_the_clear_was_in_the_clear() {
    let World { mut here, mut there, .. } = world();
    assert_eq!(there.reads("alice", &here.says("bob", "hi")), "hi");
    assert_eq!(there.count("message WHERE sealed = 1"), 1);
    let Taken::Messages(plain) = here.takes("bob", 0, 0) else { panic!("there is no list") };
    assert_eq!(there.receives("alice", &here.sent(&plain[0])), Verdict::Known);
    for folder in [&here, &there] {
        assert_eq!(folder.count("message WHERE sealed = 0"), 1);
    }
}

#[test]
fn nothing_in_the_clear_is_taken_of_whoever_has_sealed_something() {
    let World { mut here, mut there, .. } = world();
    let in_the_clear = |here: &mut Folder, text: &str| {
        let n = here.writes("bob", text);
        let Taken::Messages(plain) = here.takes("bob", 0, n - 1) else {
            panic!("there is no list")
        };
        here.sent(&plain[0])
    };
    let waited = in_the_clear(&mut here, "it waited");
    assert!(matches!(there.receives("alice", &waited), Verdict::New(_)));
    assert_eq!(there.reads("alice", &here.says("bob", "hi")), "hi");
    let slipped_in = in_the_clear(&mut here, "slipped in");
    for _ in 0..2 {
        assert_eq!(there.receives("alice", &slipped_in), Verdict::Unsealed);
    }
    assert_eq!(there.receives("alice", &waited), Verdict::Known, "its acknowledgement was lost");
    assert_eq!(there.count("message"), 2);
    // If it was hers all the same it comes again.
    let scope = here.scope("bob");
    run(&mut here.store, |tx| bounce(tx, &scope, slipped_in.id.n, true));
    let again = here.sends("bob", slipped_in.id.n);
    assert_eq!(there.reads("alice", &here.sent(&again[0])), "slipped in");
}

#[test]
fn of_whoever_is_verified_nothing_is_taken_in_the_clear_where_it_can_be_sealed() {
    let World { alice, mut here, mut there, .. } = world();
    for text in ["one", "two"] {
        here.writes("bob", text);
    }
    let Taken::Messages(plain) = here.takes("bob", 0, 0) else { panic!("there is no list") };
    let plain: Vec<Message> = plain.iter().map(|message| here.sent(message)).collect();
    let (key, installation) = (alice.identity.public().fingerprint(), there.installation);
    assert!(run(&mut there.store, |tx| contacts::pin(tx, &server(), &alice.name, key)));
    assert!(matches!(there.receives("alice", &plain[0]), Verdict::New(_)), "nobody could seal it");
    run(&mut there.store, |tx| accounts::note_listed(tx, &server(), installation));
    assert_eq!(there.receives("alice", &plain[1]), Verdict::Unsealed);
    assert_eq!(there.receives("alice", &plain[0]), Verdict::Known);
}

#[test]
fn of_whoever_has_a_list_nothing_is_taken_in_the_clear_but_what_waited() {
    let World { alice, mut here, mut there, .. } = world();
    for text in ["one", "two", "three", "four"] {
        here.writes("bob", text);
    }
    let Taken::Messages(plain) = here.takes("bob", 0, 0) else { panic!("there is no list") };
    let plain: Vec<Message> = plain.iter().map(|message| here.sent(message)).collect();
    let opens = |there: &mut Folder, peer: &Name, waiting: u64| {
        let scope = there.scope(peer.as_str());
        run(&mut there.store, |tx| unsealed::opened(tx, &scope, waiting));
    };
    // The server has no list with this folder yet.
    opens(&mut there, &alice.name, 0);
    assert!(matches!(there.receives("alice", &plain[0]), Verdict::New(_)));
    let installation = there.installation;
    run(&mut there.store, |tx| accounts::note_listed(tx, &server(), installation));
    opens(&mut there, &alice.name, 2);
    assert_eq!(there.receives("alice", &plain[0]), Verdict::Known);
    assert!(matches!(there.receives("alice", &plain[1]), Verdict::New(_)));
    // It is cut, and so much is said to wait then.
    opens(&mut there, &alice.name, 9);
    assert!(matches!(there.receives("alice", &plain[2]), Verdict::New(_)));
    assert_eq!(there.receives("alice", &plain[3]), Verdict::Unsealed);
    // Somebody without a list may be a script, whose first words nobody could know as sealed.
    let carol: Name = "carol".parse().unwrap();
    opens(&mut there, &carol, 0);
    assert!(matches!(there.receives("carol", &Message::text(5, 1, "hi")), Verdict::New(_)));
}

#[test]
fn what_a_restored_folder_seals_once_more_comes_once_in_whatever_payload() {
    let World { mut here, mut there, .. } = world();
    assert_eq!(there.reads("alice", &here.says("bob", "hi")), "hi");
    // Restored from before it was sealed.
    run(&mut here.store, |tx| {
        tx.execute("DELETE FROM sealed", ())?;
        tx.execute("DELETE FROM session", ())
    });
    let bounced = here.sends("bob", 0);
    assert_eq!(there.receives("alice", &here.sent(&bounced[0])), Verdict::Bounced, "its number");
    assert_eq!(there.noticed.unopened, 0, "nobody tried to open it");
    let scope = here.scope("bob");
    run(&mut here.store, |tx| bounce(tx, &scope, 1, true));
    let again = here.sends("bob", 0);
    for _ in 0..2 {
        let verdict = there.receives("alice", &here.sent(&again[0]));
        assert_eq!(verdict, Verdict::Known, "also when its acknowledgement was lost");
    }
    assert_eq!(there.count("message"), 1);
}

#[test]
fn a_message_is_opened_as_what_it_was_sealed_as_alone() {
    let World { alice, bob, mut here, mut there } = world();
    let marie = Person::new("marie");
    let mut other = marie.folder(1);
    let list = marie.list(&mut [&mut other]);
    there.believes(&marie, &list);
    let message = here.says("bob", "hi");
    let (id, origin) = (message.id, Origin::from_bytes([7; 16]));
    let before = state(&there);
    for changed in [
        Message { id: MessageId { n: 2, ..id }, ..message.clone() },
        Message { origin, ..message.clone() },
        Message { body: "hi".into(), ..message.clone() },
        // As if it were sent back to whoever receives it.
        Message { id: MessageId { installation: there.installation, ..id }, ..message.clone() },
    ] {
        assert_eq!(there.receives("alice", &changed), Verdict::Bounced, "{changed:?}");
    }
    assert_eq!(there.receives("marie", &message), Verdict::Bounced);
    assert_eq!(state(&there), before);
    // It is not for that one.
    let mut phone = bob.folder(3);
    let list = run(&mut there.store, |tx| devices::known(tx, &server(), &alice.name));
    phone.believes(&alice, &list.bundle().unwrap());
    assert_eq!(phone.receives("alice", &message), Verdict::Bounced);
    assert_eq!(there.reads("alice", &message), "hi");
}

#[test]
fn what_is_damaged_leaves_the_session_as_it_was() {
    let World { mut here, mut there, .. } = world();
    let damaged = |message: &Message, at: usize| {
        let mut bytes = message.body.to_vec();
        bytes[at] ^= 1;
        Message { body: bytes.into(), ..message.clone() }
    };
    for text in ["it begins the session", "it goes on with it"] {
        let message = here.says("bob", text);
        let before = state(&there);
        // Behind version, count, installation and type there is the length of the envelope.
        let length = usize::from(u16::from_be_bytes([message.body[11], message.body[12]]));
        for at in [12 + length, message.body.len() - 1] {
            there.noticed.unopened = 0;
            assert_eq!(there.receives("alice", &damaged(&message, at)), Verdict::Bounced);
            assert_eq!(there.noticed.unopened, 1);
        }
        assert_eq!(state(&there), before);
        assert_eq!(there.reads("alice", &message), text);
        let answer = there.says("alice", "yes");
        here.reads("bob", &answer);
    }
}

#[test]
fn what_comes_late_is_told_with_the_time_at_which_it_was_written() {
    let World { mut here, mut there, .. } = world();
    for (late, told) in [(5 * 60 * 1_000, None), (5 * 60 * 1_000 + 1, Some(START))] {
        let message = here.says("bob", "hi");
        let message = Message { time: Timestamp(START.0 + late), ..message };
        let Verdict::New(it) = there.receives("alice", &message) else { panic!("new") };
        let alice = "alice".parse().unwrap();
        let kept = |tx: &Transaction<'_>| history::unshown(tx, &server(), &alice, it.id - 1, 1);
        assert_eq!((it.written, run(&mut there.store, kept)[0].written), (told, told));
    }
}

#[test]
fn what_is_sealed_for_the_key_before_is_opened_and_what_is_for_an_older_one_comes_back() {
    let World { bob, mut here, mut there, .. } = world();
    // Each is begun with what bob has said then.
    let [one, two] = ["one", "two"].map(|text| {
        here.restarts();
        here.says("bob", text)
    });
    there.renews();
    assert_eq!(there.reads("alice", &one), "one");
    here.believes(&bob, &bob.list(&mut [&mut there]));
    here.restarts();
    let three = here.says("bob", "three");
    there.renews();
    assert_eq!(there.receives("alice", &two), Verdict::Bounced);
    assert_eq!(there.reads("alice", &three), "three");
}

#[test]
fn a_folder_that_nobody_knows_is_asked_about_once() {
    let World { alice, bob, mut here, mut there } = world();
    let mut phone = alice.folder(3);
    let bobs = run(&mut here.store, |tx| devices::known(tx, &server(), &bob.name));
    phone.believes(&bob, &bobs.bundle().unwrap());
    let message = phone.says("bob", "hi from my phone");
    let before = state(&there);
    assert_eq!(there.receives("alice", &message), Verdict::Unknown);
    assert_eq!(there.receives_when("alice", &message, true), Verdict::Bounced);
    assert_eq!(there.receives("marie", &message), Verdict::Unknown, "nor her key");
    assert_eq!(state(&there), before);
    there.believes(&alice, &alice.list(&mut [&mut here, &mut phone]));
    assert_eq!(there.reads("alice", &message), "hi from my phone");
}

#[test]
fn a_folder_in_no_list_is_known_by_its_statement() {
    let World { alice, bob, mut here, mut there } = world();
    let mut job = alice.folder(3);
    let bobs = run(&mut here.store, |tx| devices::known(tx, &server(), &bob.name));
    job.believes(&bob, &bobs.bundle().unwrap());
    job.me.writer = Some(there.writer(&bob));
    let message = job.says("bob", "the backup is done");
    assert_eq!(there.receives("alice", &message), Verdict::Unknown, "it is another's statement");
    job.me.writer = Some(job.writer(&alice));
    let [again] = &job.sends("bob", 0)[..] else { panic!("one") };
    let again = job.sent(again);
    assert_eq!(body(&again).payload(), body(&message).payload());
    assert_eq!(there.reads("alice", &again), "the backup is done");
    let next = job.says("bob", "and cleaned up");
    assert_eq!(there.reads("alice", &next), "and cleaned up");
    // It was in the list, which calls it gone.
    let last = job.says("bob", "and cleaned up again");
    let list = DeviceList::first(alice.owner(), job.device(), START);
    let moved = Device { installation: Installation::from_u64(9), ..job.device() };
    there.believes(&alice, &alice.sign(list.with(moved, START).unwrap()));
    assert_eq!(there.receives("alice", &last), Verdict::Bounced);
}

#[test]
fn what_a_device_sealed_before_it_was_gone_is_opened_and_nothing_else_of_it() {
    let World { alice, mut here, mut there, .. } = world();
    let [begun, on_its_way] = ["hi", "still on its way"].map(|text| here.says("bob", text));
    assert_eq!(there.reads("alice", &begun), "hi");
    // Alice's folder was restored, and is another device now.
    let restored = alice.folder(3);
    let list = run(&mut here.store, |tx| devices::known(tx, &server(), &alice.name));
    let list = list.bundle().unwrap();
    let anew = Device { installation: restored.installation, key: here.key.public() };
    let list = list.list().with(anew, START).unwrap();
    assert_eq!(list.gone(), [here.device()]);
    let list = alice.sign(list);
    there.believes(&alice, &list);
    assert_eq!(there.reads("alice", &on_its_way), "still on its way");
    assert_eq!(there.noticed.lists[&alice.name], 1);
    // Whoever goes on with the old one has seen the list by now.
    let before = state(&there);
    here.believes(&alice, &list);
    let late = here.says("bob", "from the past");
    assert_eq!(there.receives("alice", &late), Verdict::Bounced);
    // Also once there is a newer one, which the late one does not know.
    let next = list.list().with(alice.folder(4).device(), START).unwrap();
    there.believes(&alice, &alice.sign(next));
    assert_eq!(there.receives("alice", &late), Verdict::Bounced);
    assert_eq!(state(&there), before);
}

#[test]
fn whoever_is_gone_and_names_an_old_list_is_heard_until_what_waited_has_come() {
    let World { alice, mut here, mut there, .. } = world();
    let texts = ["on its way", "behind it", "years later"];
    let [waited, behind, late] = texts.map(|text| here.says("bob", text));
    let gone = |there: &mut Folder, installation: u64| {
        let list = run(&mut there.store, |tx| devices::known(tx, &server(), &alice.name));
        let list = list.bundle().unwrap();
        let anew = alice.folder(installation).device();
        let next = list.list().with(Device { key: here.key.public(), ..anew }, START).unwrap();
        there.believes(&alice, &alice.sign(next).joined(Some(&list)).unwrap());
    };
    let drained = |there: &mut Folder, version| {
        run(&mut there.store, |tx| devices::drained(tx, &server(), &alice.name, version));
        run(&mut there.store, |tx| devices::has_former(tx, &server(), &alice.name))
    };
    gone(&mut there, 3);
    assert!(drained(&mut there, 1), "it waited before it was known who is gone");
    assert_eq!(there.reads("alice", &waited), "on its way");
    assert_eq!(there.reads("alice", &behind), "behind it");
    assert!(!drained(&mut there, 2));
    assert_eq!(there.receives("alice", &late), Verdict::Bounced);
    // The next list has its prekey, too.
    gone(&mut there, 4);
    assert_eq!(there.receives("alice", &late), Verdict::Bounced);
    assert_eq!(there.receives("alice", &waited), Verdict::Known);
}

fn end(folder: &Folder, curve: CurveKey) -> End<'_> {
    let Me { name, identity, .. } = &folder.me;
    End { name, identity: *identity, installation: folder.installation, curve }
}

/// An envelope of message 1 in which somebody puts any key.
fn envelope(from: &mut Folder, to: &mut Folder, key: &PayloadKey, payload: &Payload) -> Addressed {
    let (own, theirs) = (from.keys().account, to.keys().account);
    let (curve, fallback) = (theirs.curve(), theirs.fallback());
    let (from, to) = (end(from, own.curve()), end(to, curve));
    let context = Context { server: server().key(), from, to, n: 1 };
    let envelope = Envelope::new(key.clone(), payload, &context);
    let session = Session::begin(&own, curve, fallback).unwrap();
    Addressed::new(context.to.installation, &session.seal(&envelope).unwrap().1)
}

/// A cipher alone may let one text open under two keys, as two others.
#[test]
fn of_devices_that_got_different_keys_one_opens_the_message_at_most() {
    let World { alice, bob, mut here, mut there } = world();
    let mut phone = bob.folder(3);
    let both = bob.list(&mut [&mut there, &mut phone]);
    let alices = run(&mut there.store, |tx| devices::known(tx, &server(), &alice.name));
    there.believes(&bob, &both);
    phone.believes(&bob, &both);
    phone.believes(&alice, &alices.bundle().unwrap());
    let origin = Origin::from_bytes([7; 16]);
    let (kind, body) = (Kind::TEXT, "hi".into());
    let content = Content { origin, lists: [None; 2], got: Vec::new(), kind, time: START, body };
    let (key, payload) = Payload::seal(&content).unwrap();
    let (other, _) = Payload::seal(&content).unwrap();
    let mut message = |key_of_phone: &PayloadKey| {
        let envelopes = vec![
            envelope(&mut here, &mut there, &key, &payload),
            envelope(&mut here, &mut phone, key_of_phone, &payload),
        ];
        let body = Body::new(envelopes, payload.clone()).unwrap().encode().into();
        let id = MessageId { installation: here.installation, n: 1 };
        Message { id, origin, time: START, kind: Kind::SEAL, body }
    };
    let (lie, honest) = (message(&other), message(&key));
    let before = state(&phone);
    assert_eq!(there.reads("alice", &lie), "hi");
    assert_eq!(phone.receives("alice", &lie), Verdict::Bounced);
    assert_eq!(state(&phone), before);
    assert_eq!(phone.reads("alice", &honest), "hi");
}
