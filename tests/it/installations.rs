//! People who write from many data folders.

use crate::world::{Peer, World, patiently, story};

/// So many are remembered for each session.
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

#[test]
fn one_that_is_settled_and_gone_gives_way() {
    story(async |world| {
        for number in 1..=MOST {
            writes_one(world, number).await;
        }
        let mut bob = world.sign_in("bob").await;
        bob.expect(&format!("WAITING alice {MOST}")).await;
        bob.talk("alice").await;
        for number in 1..=MOST {
            bob.hears("alice", number, 1, &format!("from folder {number}")).await;
        }
        bob.ack("alice", MOST).await;
        bob.barrier().await;
        // Nobody said that they know of it, and a restart changes nothing.
        is_refused(world, MOST + 1).await;
        world.restart().await;
        is_refused(world, MOST + 1).await;

        let mut third = world.sign_in_from("alice", &folder(3)).await;
        assert_eq!(third.settle("bob", 1).await, ["TALKING bob away 1 1 1 0"]);
        third.quit().await;
        let mut newcomer = world.sign_in_from("alice", &folder(MOST + 1)).await;
        patiently("the third is gone", is_admitted(&mut newcomer)).await;
        newcomer.say("bob", 1, "at last").await;
        newcomer.talk_until_stored("bob").await;
        // Now the third is a stranger, and there is no place again.
        is_refused(world, 3).await;
        world.restart().await;
        is_refused(world, 3).await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 1, "at last").await;
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
        assert_eq!(first.settle("bob", 1).await, ["TALKING bob away 1 1 0 0"]);
        first.quit().await;
        is_refused(world, MOST + 1).await;
    });
}
