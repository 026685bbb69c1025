//! WAITING: what people are told of conversations that they have not open.

use crate::world::{patiently, story};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

#[test]
fn signing_in_is_told_of_each_who_has_written() {
    story(async |world| {
        for (name, count) in [("alice", 2), ("carol", 1)] {
            let mut sender = world.sign_in(name).await;
            sender.talk("bob").await;
            sender.say_all("bob", 1..=count, numbered).await;
            sender.quit().await;
        }
        let mut bob = world.sign_in("bob").await;
        let mut told = bob.catch_up().await;
        told.sort();
        assert_eq!(told, ["WAITING alice 2", "WAITING carol 1"]);
    });
}

#[test]
fn nobody_is_told_of_what_was_acknowledged() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "hello").await;
        bob.hears("alice", 1, 1, "hello").await;
        bob.ack("alice", 1).await;
        alice.expect("DELIVERED bob 1").await;
        let mut bob = world.sign_in("bob").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn somebody_who_is_there_is_told_when_somebody_writes() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "psst").await;
        bob.expect("WAITING alice 1").await;
        alice.say("bob", 2, "psst!").await;
        bob.expect("WAITING alice 2").await;
        alice.quit().await;
        assert_eq!(bob.talk("alice").await.split(' ').next_back(), Some("2"));
        bob.hears("alice", 1, 1, "psst").await;
    });
}

#[test]
fn nothing_is_announced_in_an_open_conversation() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "one").await;
        alice.say("bob", 2, "two").await;
        alice.barrier().await;
        let told = bob.catch_up().await;
        assert!(told.iter().all(|line| line.starts_with("MSG alice ")), "{told:?}");
    });
}

#[test]
fn closing_tells_what_still_waits() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.ack("alice", 1).await;
        bob.send("CLOSE alice").await;
        bob.expect("WAITING alice 2").await;
        bob.ack("alice", 3).await;
        let none = async {
            loop {
                match bob.next().await.as_str() {
                    "WAITING alice 0" => return,
                    // That she wrote may be announced late: the same is said once more.
                    line => assert_eq!(line, "WAITING alice 2"),
                }
            }
        };
        patiently("nothing waits", none).await;
    });
}

/// Whatever the moment in which the conversation is closed: each message comes, or is announced.
#[test]
fn a_message_that_meets_a_close_is_delivered_or_announced() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        for n in 1..=300 {
            futures::join!(alice.say("bob", n, "now"), bob.send("CLOSE alice"));
            alice.barrier().await;
            let told = bob.catch_up().await;
            assert!(told.contains(&"WAITING alice 1".into()), "round {n}: {told:?}");
            bob.talk("alice").await;
            let seq = bob.hear().await.seq;
            bob.ack("alice", seq).await;
            alice.expect(&format!("DELIVERED bob {n}")).await;
        }
    });
}
