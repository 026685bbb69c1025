//! Messages that their receiver does not take: BOUNCE, BOUNCED, and what is told of the others.

use crate::world::{Peer, patiently, story};

fn numbered(n: u64) -> String {
    format!("message {n}")
}

/// What somebody is told who asks, once the end of a message is on the disk.
async fn told(alice: &mut Peer, settled: u64) -> Vec<String> {
    let told = async {
        loop {
            let told = alice.settle("bob", settled).await;
            if told.len() > 1 {
                return told;
            }
        }
    };
    patiently("it is on the disk", told).await
}

#[test]
fn what_bounces_goes_back_to_its_sender_and_the_rest_is_delivered() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=4, numbered).await;
        bob.hears_all("alice", 1, 1..=4, numbered).await;
        bob.send("BOUNCE alice 3").await;
        bob.barrier().await;
        alice.expect("BOUNCED bob 3").await;
        assert_eq!(told(&mut alice, 0).await, ["BOUNCED bob 3", "TALKING bob online 4 4 3 0 0"]);
        bob.ack("alice", 4).await;
        bob.barrier().await;
        let again = told(&mut alice, 2).await;
        assert_eq!(again, ["BOUNCED bob 3", "TALKING bob online 4 4 4 0 0"], "until it is known");
        assert_eq!(alice.settle("bob", 3).await, ["TALKING bob online 4 4 4 0 0"]);
        // It comes with another number.
        alice.say("bob", 5, "message 3").await;
        bob.hears("alice", 5, 5, "message 3").await;
    });
}

#[test]
fn what_bounced_is_still_known_behind_a_restart() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        bob.send("BOUNCE alice 1").await;
        bob.send("BOUNCE alice 2").await;
        alice.expect("BOUNCED bob 1").await;
        alice.expect("BOUNCED bob 2").await;
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        let told = alice.settle("bob", 0).await;
        assert_eq!(told, ["BOUNCED bob 1", "BOUNCED bob 2", "TALKING bob away 2 2 2 0 0"]);
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        bob.hears_nothing().await;
    });
}

/// It is told when it is on disk, so a crash does not bring the message back.
#[test]
fn a_crash_brings_nothing_back_that_was_told_as_bounced() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        for n in 1..=5 {
            alice.say("bob", n, &numbered(n)).await;
            bob.hears("alice", 1, n, &numbered(n)).await;
            bob.send("BOUNCE alice 1").await;
            alice.expect(&format!("BOUNCED bob {n}")).await;
            let disk = world.disk();
            world.crash(disk).await;
            (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
            let told = alice.settle("bob", n - 1).await;
            let talking = format!("TALKING bob online {n} {n} {n} 0 0");
            assert_eq!(told, [format!("BOUNCED bob {n}"), talking]);
            assert_eq!(bob.talk("alice").await, "online 0 0 0 0");
            bob.hears_nothing().await;
        }
    });
}

#[test]
fn what_was_acknowledged_does_not_bounce() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "hi").await;
        bob.hears("alice", 1, 1, "hi").await;
        bob.ack("alice", 1).await;
        bob.send("BOUNCE alice 1").await;
        bob.expect("ERR STATE -").await;
    });
}
