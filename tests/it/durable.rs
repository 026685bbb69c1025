//! What the server's disk keeps: across a restart and a crash, and beyond what memory has room for.

use tinychat::mailbox::Usage;
use tinychat::server::Config;

use crate::world::{FIRST_INSTALLATION, Peer, World, story, story_with};

fn numbered(n: u64) -> String {
    format!("message {n}")
}

/// Hears so many messages in order and acknowledges them, once for each hundred.
async fn fetch(peer: &mut Peer, from: &str, numbers: std::ops::RangeInclusive<u64>) {
    for n in numbers {
        let heard = peer.hear().await;
        assert_eq!((heard.from.as_str(), heard.n), (from, n));
        assert!(heard.text.starts_with(&numbered(n)), "{:.40}", heard.text);
        if n % 100 == 0 {
            peer.ack(from, heard.seq).await;
        }
    }
}

#[test]
fn what_is_stored_survives_a_restart_in_order() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=250, numbered).await;
        alice.expect("STORED bob 250").await;
        world.restart().await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 250").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=250, numbered).await;
        bob.ack("alice", 100).await;
        bob.barrier().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "online 250 250 100 0");
        world.restart().await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 150").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 101..=250, numbered).await;
    });
}

#[test]
fn what_was_taken_is_known_after_a_restart_and_not_taken_again() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=10, numbered).await;
        bob.hears_all("alice", 1, 1..=10, numbered).await;
        bob.ack("alice", 10).await;
        alice.expect("DELIVERED bob 10").await;
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "away 10 10 10 0", "also what was never written");
        alice.say_all("bob", 1..=11, numbered).await;
        alice.expect("STORED bob 11").await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 11, "message 11").await;
    });
}

#[test]
fn messages_above_a_gap_are_taken() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        // As after a crash, which may lose what was delivered without being written.
        alice.say_all("bob", [5, 6], numbered).await;
        bob.hears_all("alice", 1, [5, 6], numbered).await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 6").await;
    });
}

#[test]
fn what_the_window_has_no_room_for_comes_from_the_disk() {
    let tiny = |config: &mut Config| {
        config.memory = 1;
        config.quota.session = Usage { messages: 0, bytes: 0 };
    };
    for configure in [tiny, |_: &mut Config| {}] {
        story_with(configure, async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            // Far more than a window has, in batches of what one read brings.
            alice.say_all("bob", 1..=4_000, numbered).await;
            alice.expect("STORED bob 4000").await;
            let mut bob = world.sign_in("bob").await;
            bob.talk("alice").await;
            fetch(&mut bob, "alice", 1..=1_500).await;
            // She goes on while he fetches, and another connection of his takes over.
            alice.say_all("bob", 4_001..=5_000, numbered).await;
            let mut bob = world.sign_in("bob").await;
            bob.talk("alice").await;
            fetch(&mut bob, "alice", 1_501..=5_000).await;
            bob.barrier().await;
            let lines = alice.catch_up_with_receipts().await;
            assert!(lines.contains(&"DELIVERED bob 5000".into()), "{:?}", lines.last());
        });
    }
}

#[test]
fn long_messages_beyond_the_window_come_in_order_too() {
    let long = |n: u64| format!("{} {}", numbered(n), "x".repeat(60 * 1024));
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=100, long).await;
        alice.expect("STORED bob 100").await;
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        fetch(&mut bob, "alice", 1..=100).await;
        alice.expect("PRESENCE bob online").await;
        alice.expect("DELIVERED bob 100").await;
    });
}

#[test]
fn a_folder_too_many_gives_way_or_is_refused() {
    let folder = |number: u64| format!("{number:016x}");
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        for number in 1..=16 {
            let mut alice = write_from(world, &folder(number)).await;
            alice.expect("STORED bob 1").await;
        }
        bob.catch_up().await;
        let mut alice = world.sign_in_from("alice", &folder(17)).await;
        alice.send("TALK bob 0").await;
        alice.expect("ERR INSTALLATIONS bob").await;
        alice.say("bob", 1, "not open").await;
        alice.expect("ERR CLOSED bob").await;
        // All of it arrives, and the first folder learns of it.
        bob.ack("alice", 16).await;
        bob.barrier().await;
        let mut first = world.sign_in_from("alice", &folder(1)).await;
        assert_eq!(first.talk_settled("bob", 1).await, "online 1 1 1 0");
        drop(first);
        let mut alice = world.sign_in_from("alice", &folder(17)).await;
        talk_until_admitted(&mut alice, "bob").await;
        alice.say("bob", 1, "at last").await;
        alice.expect("STORED bob 1").await;
        let mut first = world.sign_in_from("alice", &folder(1)).await;
        first.send("TALK bob 0").await;
        first.expect("ERR INSTALLATIONS bob").await;
    });
}

async fn write_from(world: &World, folder: &str) -> Peer {
    assert_ne!(folder, FIRST_INSTALLATION);
    let mut alice = world.sign_in_from("alice", folder).await;
    alice.talk("bob").await;
    alice.say("bob", 1, "from one more folder").await;
    alice
}

/// Nothing tells when the server has seen the end of an old connection.
async fn talk_until_admitted(peer: &mut Peer, whom: &str) {
    let admitted = async {
        loop {
            peer.send(&format!("TALK {whom} 0")).await;
            let line = peer.next().await;
            if line.starts_with("TALKING ") {
                return;
            }
            assert!(line.starts_with("ERR INSTALLATIONS "), "{line}");
        }
    };
    crate::world::patiently("a place for another folder", admitted).await;
}
