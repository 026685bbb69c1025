//! What is sealed, in which session, and what is sealed anew.

use super::super::super::bounced::bounce;
use super::super::super::outbox::{begin_anew, expire, receive_receipt};
use super::super::super::servers::{self, Arrival, Home};
use super::*;
use crate::client::outcome::Trust;

/// Sends everything again.
fn again(folder: &mut Folder, to: &str) -> Vec<Message> {
    let sent = folder.sends(to, 0);
    sent.iter().map(|message| folder.sent(message)).collect()
}

#[test]
fn a_batch_is_sealed_in_one_session() {
    let World { mut here, mut there, .. } = world();
    let texts: Vec<String> = (1..=30).map(|n| format!("number {n}")).collect();
    texts.iter().for_each(|text| _ = here.writes("bob", text));
    let messages = again(&mut here, "bob");
    assert_eq!(here.count("session WHERE unanswered = 30"), 1);
    // Any of them may be the first to come.
    for at in (0..30).rev() {
        assert_eq!(there.reads("alice", &messages[at]), texts[at]);
    }
    assert_eq!(there.count("session"), 1);
}

#[test]
fn what_is_sent_again_is_the_same_bytes() {
    let World { mut here, .. } = world();
    ["one", "two"].into_iter().for_each(|text| _ = here.writes("bob", text));
    let first = again(&mut here, "bob");
    let sessions = here.sessions();
    assert_eq!(again(&mut here, "bob"), first);
    assert_eq!(here.sessions(), sessions);
    here.restarts();
    assert_eq!(again(&mut here, "bob"), first);
    assert_eq!(here.count("session"), 1, "nothing was begun for that");
}

#[test]
fn a_device_that_stays_keeps_its_envelope_and_one_that_comes_gets_one() {
    let World { alice, bob, mut here, mut there } = world();
    let first = here.says("bob", "hi");
    let mut phone = bob.folder(3);
    let both = bob.list(&mut [&mut there, &mut phone]);
    here.believes(&bob, &both);
    assert_eq!(here.takes("bob", 1, 0), Taken::OtherList, "for a list that is past");
    let second = again(&mut here, "bob").remove(0);
    assert_eq!(body(&second).payload(), body(&first).payload());
    let envelope = |message: &Message| body(message).envelope(there.installation).cloned();
    assert_eq!(envelope(&second), envelope(&first));
    phone.believes(&bob, &both);
    let alices = run(&mut there.store, |tx| devices::known(tx, &server(), &alice.name));
    phone.believes(&alice, &alices.bundle().unwrap());
    assert_eq!(there.reads("alice", &second), "hi");
    assert_eq!(phone.reads("alice", &second), "hi");
    // The laptop goes.
    let alone = both.list().clone().without(|it| it.installation == there.installation);
    let prekey = both.prekey(&phone.device()).unwrap().clone();
    here.believes(&bob, &bob.sign(alone).with(prekey).unwrap());
    let third = again(&mut here, "bob").remove(0);
    assert!(body(&third).envelope(there.installation).is_none());
    assert_eq!(phone.receives("alice", &third), Verdict::Known);
}

#[test]
fn what_comes_back_is_the_same_payload_in_another_session() {
    let World { mut here, mut there, .. } = world();
    let first = here.says("bob", "hi");
    let scope = here.scope("bob");
    run(&mut here.store, |tx| bounce(tx, &scope, 1, true));
    let second = again(&mut here, "bob").remove(0);
    assert_eq!((second.id.n, here.count("session")), (2, 2));
    assert_eq!(body(&second).payload(), body(&first).payload());
    assert_eq!(there.reads("alice", &second), "hi");
    assert_eq!(there.receives("alice", &first), Verdict::Known);
    assert_eq!(there.count("message"), 1);
}

#[test]
fn each_start_begins_another_session() {
    let World { mut here, mut there, .. } = world();
    let first = here.says("bob", "one");
    assert_eq!(there.reads("alice", &first), "one");
    here.restarts();
    let answer = there.says("alice", "two");
    assert_eq!(here.reads("bob", &answer), "two", "in the session from before");
    let next = here.says("bob", "three");
    assert_eq!(here.count("session"), 2);
    assert_eq!(there.reads("alice", &next), "three");
    let answer = there.says("alice", "four");
    assert_eq!(here.reads("bob", &answer), "four");
    assert_eq!(there.count("session WHERE unanswered = 1 AND taken = 2"), 1, "in the new one");
}

#[test]
fn a_session_without_an_answer_is_left_after_a_thousand_messages_or_a_week() {
    let World { mut here, mut there, .. } = world();
    here.says("bob", "one");
    here.store.execute("UPDATE session SET unanswered = 999", ()).unwrap();
    ["two", "three"].into_iter().for_each(|text| _ = here.writes("bob", text));
    let messages = again(&mut here, "bob");
    let unanswered =
        "session WHERE unanswered = 1000 AND taken = 1 OR unanswered = 1 AND taken = 2";
    assert_eq!(here.count(unanswered), 2, "within a batch");
    here.now.0 += 7 * DAY;
    let last = here.says("bob", "four");
    assert_eq!(here.count("session"), 3);
    messages.iter().for_each(|message| _ = there.reads("alice", message));
    assert_eq!(there.reads("alice", &last), "four");
    let answer = there.says("alice", "five");
    here.reads("bob", &answer);
    here.now.0 += 30 * DAY;
    ["six", "seven"].into_iter().for_each(|text| _ = here.says("bob", text));
    assert_eq!(here.count("session"), 3, "there was an answer");
}

#[test]
fn there_are_six_sessions_with_a_device_at_most() {
    let World { mut here, mut there, .. } = world();
    for start in 1..=8 {
        here.restarts();
        let message = here.says("bob", &format!("start {start}"));
        assert_eq!(there.reads("alice", &message), format!("start {start}"));
    }
    assert_eq!((here.count("session"), there.count("session")), (3, 6), "nothing came back");
    assert_eq!(here.count("session WHERE taken < 6"), 0);
    let answer = there.says("alice", "you were away");
    assert_eq!(here.reads("bob", &answer), "you were away");
}

#[test]
fn whoever_begins_again_and_again_can_read_what_was_sealed_before() {
    let World { mut here, mut there, .. } = world();
    let first = here.says("bob", "are you there?");
    there.reads("alice", &first);
    here.reads("bob", &there.says("alice", "yes"));
    let late = there.says("alice", "and I was");
    for start in 1..=8 {
        here.restarts();
        here.says("bob", &format!("start {start}"));
    }
    assert_eq!(here.reads("bob", &late), "and I was");
}

#[test]
fn there_are_sessions_with_so_many_folders_that_write() {
    let World { alice, bob, mut here, mut there } = world();
    let bobs = run(&mut here.store, |tx| devices::known(tx, &server(), &bob.name));
    let bobs = bobs.bundle().unwrap();
    there.reads("alice", &here.says("bob", "from my desk"));
    for number in 10..80 {
        let mut job = alice.folder(number);
        job.believes(&bob, &bobs);
        job.me.writer = Some(job.writer(&alice));
        there.reads("alice", &job.says("bob", "done"));
    }
    assert_eq!(there.count("(SELECT DISTINCT installation FROM session)"), 64);
    let last = Installation::from_u64(79);
    assert_eq!(there.count(&format!("session WHERE installation = '{last}'")), 1);
}

#[test]
fn of_a_transaction_that_fails_nothing_remains() {
    let World { mut here, mut there, .. } = world();
    here.writes("bob", "hi");
    let (scope, want) = (here.scope("bob"), Want { version: 1, above: 0, limit: 9 });
    let Folder { store, keyring, me, .. } = &mut here;
    let failed = store.transaction().unwrap();
    let lost = sealing::take(&failed, keyring, me, &scope, want, START).unwrap();
    drop(failed);
    assert_eq!((here.count("session"), here.count("sealed")), (0, 0));
    assert_eq!(here.count("message WHERE sent OR sealed"), 0);
    let messages = here.sends("bob", 0);
    assert_ne!(lost, Taken::Messages(messages.clone()));
    assert_eq!(there.reads("alice", &here.sent(&messages[0])), "hi");
}

#[test]
fn the_key_of_a_message_is_erased_once_its_fate_is_final() {
    let World { mut here, .. } = world();
    ["one", "two", "three"].into_iter().for_each(|text| _ = here.says("bob", text));
    assert_eq!(here.count("sealed"), 3);
    let scope = here.scope("bob");
    run(&mut here.store, |tx| receive_receipt(tx, &scope, 2, 1));
    assert_eq!(here.count("sealed"), 2, "what is stored may be asked for again");
    run(&mut here.store, |tx| expire(tx, &scope, 2));
    assert_eq!(here.count("sealed"), 1);
    run(&mut here.store, |tx| tx.execute("DELETE FROM message WHERE n = 3", ()));
    assert_eq!(here.count("sealed"), 0);
}

#[test]
fn nothing_is_sealed_for_nobody() {
    let World { bob, mut here, there, .. } = world();
    here.writes("bob", "hi");
    let list = DeviceList::first(bob.owner(), there.device(), START);
    here.believes(&bob, &bob.sign(list));
    assert_eq!(here.takes("bob", 1, 0), Taken::NoReader);
    assert_eq!(here.count("message WHERE sent"), 0);
    let Taken::Messages(plain) = here.takes("bob", 0, 0) else { panic!("there is no list") };
    assert_eq!((&plain[0].kind, &plain[0].body[..]), (&Kind::TEXT, &b"hi"[..]));
    assert_eq!(here.count("message WHERE sealed"), 0);
}

#[test]
fn what_was_sealed_for_a_list_that_was_not_believed_gets_new_envelopes() {
    let World { bob, mut here, mut there, .. } = world();
    let first = here.says("bob", "hi");
    let mut phone = bob.folder(3);
    let other = Kept::of(&bob.list(&mut [&mut there, &mut phone]));
    run(&mut here.store, |tx| devices::offer(tx, &server(), &bob.name, &other));
    let trust = run(&mut here.store, |tx| contacts::trust(tx, &server(), &bob.name));
    assert_eq!(trust, Trust::List);
    let second = again(&mut here, "bob").remove(0);
    assert_eq!(body(&second).payload(), body(&first).payload());
    let envelope = |message: &Message| body(message).envelope(there.installation).cloned();
    assert_ne!(envelope(&second), envelope(&first));
    assert_eq!(there.reads("alice", &second), "hi");
}

#[test]
fn a_folder_that_begins_anew_sends_the_same_payload_with_other_keys() {
    let World { alice, mut here, mut there, .. } = world();
    let first = here.says("bob", "hi");
    let (before, old) = (here.sessions(), here.installation);
    here.installation = run(&mut here.store, |tx| begin_anew(tx, &server(), old));
    let list = alice.list(&mut [&mut here]);
    let second = again(&mut here, "bob").remove(0);
    assert_eq!(body(&second).payload(), body(&first).payload());
    assert_eq!(here.count("session"), 1);
    assert_ne!(here.sessions(), before);
    there.believes(&alice, &list);
    assert_eq!(there.reads("alice", &second), "hi");
}

#[test]
fn sessions_end_with_the_key_of_the_server_and_not_with_its_address() {
    let mut store = in_memory();
    let arrive = |store: &mut Connection, at: &str, key: &str| -> Home {
        let arrival = Arrival { shown: Fingerprint::of(key.as_bytes()), moves: true };
        let address = at.parse().unwrap();
        let home = run(store, |tx| servers::arrive(tx, &address, arrival)).0;
        run(store, |tx| accounts::of(tx, &home.server, home.installation, START));
        home
    };
    let Home { server, installation } = arrive(&mut store, "a", "k");
    let scope = Scope { server, peer: "bob".parse().unwrap(), installation };
    let written = run(&mut store, |tx| {
        let row = "INSERT INTO session VALUES (?, 'bob', '0', 'id', '{}', 1, 1, 0, 0, 0)";
        tx.execute(row, [scope.server.as_str()])?;
        outbox::add(tx, &scope, Kind::TEXT, "hi".into(), START, false)
    });
    let row = "INSERT INTO sealed VALUES (?, '0', 1, x'', x'')";
    store.execute(row, [written.id]).unwrap();
    let counts = |store: &Connection| -> (i64, i64) {
        let query = "SELECT (SELECT count(*) FROM session), (SELECT n FROM sealed)";
        store.query_row(query, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
    };
    arrive(&mut store, "b", "k");
    assert_eq!(counts(&store), (1, 1));
    arrive(&mut store, "a", "new");
    assert_eq!(counts(&store), (0, 0));
}

#[test]
fn nothing_leaves_in_the_clear_for_somebody_who_had_a_list_or_was_sealed_for() {
    let World { bob, mut here, .. } = world();
    let may_be_plain = |folder: &mut Folder, to: &str| {
        let scope = folder.scope(to);
        run(&mut folder.store, |tx| sealing::may_be_plain(tx, &scope))
    };
    assert!(may_be_plain(&mut here, "carol") && !may_be_plain(&mut here, "bob"));
    here.says("bob", "hi");
    run(&mut here.store, |tx| devices::forget(tx, &server(), &bob.name));
    assert!(!may_be_plain(&mut here, "bob"), "it waits sealed");
    run(&mut here.store, |tx| sealing::void(tx, &server(), Some(&bob.name)));
    assert!(may_be_plain(&mut here, "bob"), "whoever has the name now is trusted, and has no list");
}

#[test]
fn what_tells_of_a_sealed_file_never_leaves_in_the_clear() {
    let World { mut here, .. } = world();
    _ = here.writes("carol", "a file");
    let scope = here.scope("carol");
    assert!(run(&mut here.store, |tx| sealing::may_be_plain(tx, &scope)));
    let upload = "INSERT INTO upload (server, peer, path, name, type, size, modified, state, seed, hash, message)
                  SELECT server, peer, x'', 'cat', '', 5, 0, 'sent', zeroblob(32), zeroblob(32), id
                  FROM message WHERE peer = 'carol'";
    assert_eq!(run(&mut here.store, |tx| tx.execute(upload, ())), 1);
    assert!(!run(&mut here.store, |tx| sealing::may_be_plain(tx, &scope)));
}
