//! People who write from many data folders.

use std::time::Duration;

use tinychat::server::Config;

use crate::world::{Peer, World, patiently, story, story_with};

/// Of so many something may wait in each session.
const MOST: u64 = 16;

fn folder(number: u64) -> String {
    format!("{number:016x}")
}

/// Alice, from one of her data folders, writes its first message, and knows that it is stored.
async fn writes_one(world: &World, number: u64) -> Peer {
    let mut alice = world.sign_in_from("alice", &folder(number)).await;
    alice.talk("bob").await;
    alice.say("bob", 1, &format!("from folder {number}")).await;
    alice.talk_until_stored("bob").await;
    alice
}

async fn is_refused(world: &World, number: u64) -> Peer {
    let mut alice = world.sign_in_from("alice", &folder(number)).await;
    alice.send("TALK bob 0").await;
    alice.expect("ERR INSTALLATIONS bob").await;
    alice
}

/// Until the conversation is open: the server may say goodbye just before it has cleared up.
async fn is_admitted(alice: &mut Peer) {
    loop {
        alice.send("TALK bob 0").await;
        match alice.next().await {
            line if line.starts_with("TALKING bob ") => return,
            line => assert!(line.starts_with("ERR INSTALLATIONS bob "), "{line}"),
        }
    }
}

#[test]
fn a_seventeenth_is_refused_and_its_conversation_is_not_open() {
    story(async |world| {
        for number in 1..=MOST {
            writes_one(world, number).await;
        }
        let mut alice = is_refused(world, MOST + 1).await;
        alice.say("bob", 1, "one too many").await;
        alice.expect("ERR CLOSED bob").await;
        // Nobody's messages come here, and nobody else is concerned.
        assert_eq!(alice.talk("carol").await, "away 0 0 0 0");
        let mut bob = world.sign_in("bob").await;
        bob.expect(&format!("WAITING alice {MOST}")).await;
        bob.talk("alice").await;
        bob.say("alice", 1, "which one are you?").await;
        alice.expect("WAITING bob 1").await;
        alice.hears_nothing().await;
        for number in 1..=MOST {
            bob.hears("alice", number, 1, &format!("from folder {number}")).await;
        }
        bob.hears_nothing().await;
        // Those that are known go on.
        let mut alice = world.sign_in_from("alice", &folder(MOST)).await;
        assert_eq!(alice.talk("bob").await, "online 1 1 0 1");
    });
}

/// Bob takes all that waits of so many folders.
async fn takes_all(world: &World, folders: impl Iterator<Item = u64> + Clone) {
    let mut bob = world.sign_in("bob").await;
    bob.expect(&format!("WAITING alice {}", folders.clone().count())).await;
    bob.talk("alice").await;
    let count = folders.clone().count() as u64;
    for (seq, number) in (1..).zip(folders) {
        bob.hears("alice", seq, 1, &format!("from folder {number}")).await;
    }
    bob.ack("alice", count).await;
    bob.quit().await;
}

#[test]
fn folders_that_never_come_back_keep_no_other_from_writing_once_all_has_arrived() {
    story(async |world| {
        for round in 0..3 {
            let folders = round * MOST + 1..=round * MOST + MOST;
            for number in folders.clone() {
                writes_one(world, number).await;
            }
            is_refused(world, 999).await;
            // None of them ever says that it knows.
            takes_all(world, folders).await;
            world.restart().await;
        }
        // What was taken of each of them is remembered nevertheless.
        for number in [1, MOST, 3 * MOST] {
            let mut alice = world.sign_in_from("alice", &folder(number)).await;
            assert_eq!(alice.talk("bob").await, "away 1 1 1 0");
            alice.say("bob", 1, "once more").await;
            alice.say("bob", 2, &format!("from folder {number}")).await;
            alice.talk_until_stored("bob").await;
            alice.quit().await;
        }
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 3").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 2, "from folder 1").await;
        bob.hears("alice", 2, 2, &format!("from folder {MOST}")).await;
        bob.hears("alice", 3, 2, &format!("from folder {}", 3 * MOST)).await;
    });
}

#[test]
fn folders_of_which_all_has_expired_keep_no_other_from_writing_and_are_told() {
    let for_ever = |config: &mut Config| config.keep = None;
    let briefly = |config: &mut Config| {
        config.keep = Some(Duration::from_millis(1));
        config.timing.sweep = Duration::from_millis(10);
    };
    story_with(for_ever, async |world| {
        for number in 1..=MOST {
            writes_one(world, number).await;
        }
        world.restart_with(briefly).await;
        let mut newcomer = world.sign_in_from("alice", &folder(MOST + 1)).await;
        patiently("some has expired", is_admitted(&mut newcomer)).await;
        newcomer.quit().await;
        let mut bob = world.sign_in("bob").await;
        let gone =
            async { while !bob.settle("alice", 0).await.last().unwrap().ends_with(" 0 0") {} };
        patiently("all has expired", gone).await;
        bob.quit().await;
        world.restart_with(for_ever).await;
        writes_one(world, MOST + 1).await;
        for number in 1..=MOST {
            let mut alice = world.sign_in_from("alice", &folder(number)).await;
            let told = ["EXPIRED bob 1", "TALKING bob away 1 1 1 0 0"];
            assert_eq!(alice.settle("bob", 0).await, told);
            alice.quit().await;
        }
    });
}

#[test]
fn one_whose_message_waits_does_not_give_way() {
    story(async |world| {
        for number in 1..=MOST {
            writes_one(world, number).await;
        }
        // It says so, but it cannot know.
        let mut first = world.sign_in_from("alice", &folder(1)).await;
        assert_eq!(first.settle("bob", 1).await, ["TALKING bob away 1 1 0 0 0"]);
        first.quit().await;
        is_refused(world, MOST + 1).await;
    });
}
