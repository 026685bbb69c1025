//! What senders are told: STORED, DELIVERED and the numbers of TALKING.

use crate::world::{FIRST_INSTALLATION, SECOND_INSTALLATION, story};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

#[test]
fn stored_comes_while_nobody_reads() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "one").await;
        alice.expect("STORED bob 1").await;
        alice.say_all("bob", 2..=5, numbered).await;
        alice.expect("STORED bob 5").await;
        assert_eq!(alice.talk("bob").await, "away 5 5 0 0");
    });
}

#[test]
fn delivered_comes_with_each_acknowledgement_and_is_cumulative() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=6, numbered).await;
        bob.hears_all("alice", 1, 1..=6, numbered).await;
        for seq in [1, 4, 6] {
            bob.ack("alice", seq).await;
            alice.expect(&format!("DELIVERED bob {seq}")).await;
        }
        // Old acknowledgements change nothing, and are not told.
        bob.ack("alice", 3).await;
        bob.barrier().await;
        assert_eq!(alice.catch_up_with_receipts().await, [""; 0]);
    });
}

#[test]
fn a_message_that_was_not_acknowledged_is_not_delivered() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "one").await;
        bob.hears("alice", 1, 1, "one").await;
        alice.expect("STORED bob 1").await;
        drop(bob);
        alice.expect("PRESENCE bob away").await;
        assert_eq!(alice.talk("bob").await, "away 1 1 0 0");
    });
}

#[test]
fn receipts_come_after_talking_only() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        drop(alice);
        bob.expect("PRESENCE alice away").await;
        let mut alice = world.sign_in("alice").await;
        bob.ack("alice", 2).await;
        bob.barrier().await;
        assert_eq!(alice.catch_up_with_receipts().await, [""; 0], "she has not it open");
        assert_eq!(alice.talk("bob").await, "online 2 2 2 0");
    });
}

#[test]
fn receipts_end_with_close() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        alice.send("CLOSE bob").await;
        alice.barrier().await;
        bob.ack("alice", 2).await;
        bob.barrier().await;
        assert_eq!(alice.catch_up_with_receipts().await, [""; 0]);
        assert_eq!(alice.talk("bob").await, "online 2 2 2 0");
    });
}

#[test]
fn each_installation_has_its_own_watermarks() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let mut first = world.sign_in_from("alice", FIRST_INSTALLATION).await;
        first.talk("bob").await;
        first.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        first.expect("STORED bob 3").await;

        let mut second = world.sign_in_from("alice", SECOND_INSTALLATION).await;
        assert_eq!(second.talk("bob").await, "online 0 0 0 0");
        second.say("bob", 7, "from the other one").await;
        bob.hears("alice", 4, 7, "from the other one").await;
        second.expect("STORED bob 7").await;
        // What the first one wrote concerns the second one's receipts in no way.
        bob.ack("alice", 3).await;
        bob.barrier().await;
        assert_eq!(second.catch_up_with_receipts().await, [""; 0]);
        bob.ack("alice", 4).await;
        second.expect("DELIVERED bob 7").await;

        let mut first = world.sign_in_from("alice", FIRST_INSTALLATION).await;
        assert_eq!(first.talk("bob").await, "online 3 3 3 0");
    });
}

#[test]
fn talking_counts_what_will_now_come() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.barrier().await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 3").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 3");
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.say_all("alice", 1..=2, numbered).await;
        bob.expect("STORED alice 2").await;
        alice.hears_all("bob", 1, 1..=2, numbered).await;
        alice.ack("bob", 1).await;
        bob.expect("DELIVERED alice 1").await;
        bob.ack("alice", 2).await;
        bob.barrier().await;
        // Bob's two messages: the first is delivered. Alice's three: the last one waits.
        assert_eq!(bob.talk("alice").await, "online 2 2 1 1");
        bob.hears("alice", 4, 3, &numbered(3)).await;
    });
}

#[test]
fn talk_answers_for_a_peer_who_never_came() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("nobody-yet").await, "away 0 0 0 0");
        assert_eq!(alice.talk("nobody-yet").await, "away 0 0 0 0");
    });
}

// What was read.

#[test]
fn what_was_read_is_told_as_far_as_it_was_delivered_and_again_to_who_comes_back() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.ack("alice", 2).await;
        bob.send(&format!("READ alice {FIRST_INSTALLATION} 3")).await;
        alice.expect("DELIVERED bob 2").await;
        alice.expect("READ bob 2").await;
        bob.send(&format!("READ alice {FIRST_INSTALLATION} 1")).await;
        bob.send(&format!("READ alice {SECOND_INSTALLATION} 1")).await;
        bob.send(&format!("READ carl {FIRST_INSTALLATION} 1")).await;
        bob.barrier().await;
        alice.hears_nothing().await;
        alice.quit().await;
        bob.expect("PRESENCE alice away").await;
        let mut alice = world.sign_in("alice").await;
        // The third may not be on the disk yet.
        let told = alice.talk("bob").await;
        assert!(["online 3 3 2 0", "online 3 2 2 0"].contains(&told.as_str()), "{told}");
        alice.expect("READ bob 2").await;
    });
}

#[test]
fn of_what_blocked_people_wrote_nothing_is_told() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "one").await;
        bob.hears("alice", 1, 1, "one").await;
        bob.ack("alice", 1).await;
        alice.expect("DELIVERED bob 1").await;
        bob.send("BLOCK alice").await;
        bob.expect("BLOCKED alice").await;
        bob.send(&format!("READ alice {FIRST_INSTALLATION} 1")).await;
        bob.barrier().await;
        alice.expect("PRESENCE bob away").await;
        assert_eq!(alice.catch_up_with_receipts().await, [""; 0]);
    });
}
