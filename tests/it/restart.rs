//! What a server knows after it was stopped, killed, or lost the end of its disk.

use crate::programs::{Launch, free_address};
use crate::world::{FIRST_INSTALLATION, Peer, SECOND_INSTALLATION, World, story};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

#[test]
fn what_waits_survives_a_restart_in_order_and_once() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2_000, numbered).await;
        alice.expect("STORED bob 2000").await;
        world.restart().await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 2000").await;
        assert_eq!(bob.talk("alice").await, "away 0 0 0 2000");
        bob.hears_all("alice", 1, 1..=2_000, numbered).await;
        bob.hears_nothing().await;
    });
}

#[test]
fn talking_tells_the_same_after_a_restart() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=5, numbered).await;
        bob.hears_all("alice", 1, 1..=5, numbered).await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        assert_eq!(alice.talk_until_stored("bob").await, "online 5 5 2 0");
        world.restart().await;

        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "away 5 5 2 0");
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 3").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 3");
        bob.hears_all("alice", 1, 3..=5, numbered).await;
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", 3).await;
        alice.expect("DELIVERED bob 5").await;
    });
}

#[test]
fn a_sender_who_sends_all_of_it_again_after_a_restart_doubles_nothing() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=6, numbered).await;
        bob.hears_all("alice", 1, 1..=6, numbered).await;
        bob.ack("alice", 3).await;
        alice.expect("DELIVERED bob 3").await;
        alice.talk_until_stored("bob").await;
        world.restart().await;

        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=8, numbered).await;
        bob.hears_all("alice", 1, 4..=8, numbered).await;
        alice.barrier().await;
        bob.hears_nothing().await;
        assert_eq!(alice.talk_until_stored("bob").await, "online 8 8 3 0");
    });
}

#[test]
fn what_was_acknowledged_does_not_come_again() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=5, numbered).await;
        bob.hears_all("alice", 1, 1..=5, numbered).await;
        bob.ack("alice", 5).await;
        alice.expect("DELIVERED bob 5").await;
        world.restart().await;

        let mut bob = world.sign_in("bob").await;
        bob.hears_nothing().await;
        assert_eq!(bob.talk("alice").await, "away 0 0 0 0");
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "online 5 5 5 0");
        alice.say_all("bob", 5..=6, numbered).await;
        bob.hears("alice", 1, 6, &numbered(6)).await;
    });
}

#[test]
fn each_installation_is_remembered_for_itself() {
    story(async |world| {
        let installations = [(FIRST_INSTALLATION, 3), (SECOND_INSTALLATION, 7)];
        for (installation, last) in installations {
            let mut alice = world.sign_in_from("alice", installation).await;
            alice.talk("bob").await;
            alice.say_all("bob", 1..=last, numbered).await;
            alice.expect(&format!("STORED bob {last}")).await;
        }
        world.restart().await;

        for (installation, last) in installations {
            let mut alice = world.sign_in_from("alice", installation).await;
            assert_eq!(alice.talk("bob").await, format!("away {last} {last} 0 0"));
        }
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 10").await;
        bob.talk("alice").await;
        for (seq, (installation, n)) in
            (1..).zip(installations.iter().flat_map(|(it, last)| (1..=*last).map(move |n| (it, n))))
        {
            let heard = bob.hear().await;
            assert_eq!((heard.seq, heard.installation.as_str(), heard.n), (seq, *installation, n));
        }
        bob.hears_nothing().await;
    });
}

async fn have_and_stored(alice: &mut Peer) -> (u64, u64) {
    let told = alice.talk("bob").await;
    let number = |word| told.split(' ').nth(word).unwrap().parse().unwrap();
    (number(1), number(2))
}

/// The disk has all that was told as stored, whatever the server still had in mind.
#[test]
fn a_crash_takes_nothing_that_was_stored() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        for round in 0..5 {
            let last = 100 * (round + 1);
            alice.say_all("bob", 100 * round + 1..=last, numbered).await;
            alice.expect(&format!("STORED bob {last}")).await;
            // More is under way while the disk is copied.
            alice.say_all("bob", last + 1..=last + 50, numbered).await;
            let (_, told) = have_and_stored(&mut alice).await;
            let disk = world.disk();
            world.crash(disk).await;

            alice = world.sign_in("alice").await;
            let (have, stored) = have_and_stored(&mut alice).await;
            assert_eq!(have, stored, "all that the disk has is stored");
            assert!(told >= last && (told..=last + 50).contains(&have), "{have} after {told}");
            alice.say_all("bob", have + 1..=last, numbered).await;
        }
        alice.talk_until_stored("bob").await;
        let (last, _) = have_and_stored(&mut alice).await;
        let mut bob = world.sign_in("bob").await;
        bob.expect(&format!("WAITING alice {last}")).await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=last, numbered).await;
        bob.hears_nothing().await;
    });
}

/// An acknowledged message need not have been written, so `have` may lie below what was delivered.
#[test]
fn a_server_that_lost_what_was_delivered_takes_what_comes_behind_it() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        let disk = world.disk();
        alice.say_all("bob", 3..=5, numbered).await;
        bob.hears_all("alice", 3, 3..=5, numbered).await;
        bob.ack("alice", 5).await;
        alice.expect("DELIVERED bob 5").await;
        world.crash(disk).await;

        let mut alice = world.sign_in("alice").await;
        let told = alice.settle("bob", 5).await;
        let [talking] = told.as_slice() else { panic!("TALKING alone: {told:?}") };
        assert!(!talking.ends_with(" 5 5 5 0 0"), "the disk is an older one: {talking}");
        alice.say("bob", 6, &numbered(6)).await;
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        // The removal of the first two may have been lost as well: then bob drops them.
        let mut heard = bob.hear().await;
        while heard.n < 6 {
            assert!(heard.n <= 2, "only what the disk has: {heard:?}");
            heard = bob.hear().await;
        }
        assert_eq!((heard.n, heard.text), (6, numbered(6)));
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", heard.seq).await;
        alice.expect("DELIVERED bob 6").await;
        assert_eq!(alice.talk("bob").await, "online 6 6 6 0");
    });
}

/// Somebody who has signed in at a server that runs as a program of its own.
async fn sign_in(world: &World, address: std::net::SocketAddr, name: &str) -> Peer {
    let mut peer = world.connect_to(address).await;
    peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

#[test]
fn a_kill_takes_nothing_that_was_stored() {
    story(async |world| {
        let (address, data) = (free_address(), world.path("killed"));
        let (mut stored, mut acknowledged) = (0, 0);
        for _ in 0..3 {
            let mut server = Launch::server(address, &data).start();
            server.says("listening on").await;
            let mut alice = sign_in(world, address, "alice").await;
            let told = alice.talk("bob").await;
            assert_eq!(told.split(' ').nth(1), Some(stored.to_string().as_str()), "have: {told}");
            let mut bob = sign_in(world, address, "bob").await;
            alice.expect("PRESENCE bob online").await;
            let waiting = stored - acknowledged;
            if waiting > 0 {
                bob.expect(&format!("WAITING alice {waiting}")).await;
            }
            assert_eq!(bob.talk("alice").await, format!("online 0 0 0 {waiting}"));
            // All of it again, and more.
            alice.say_all("bob", 1..=stored + 100, numbered).await;
            bob.hears_all("alice", 1, acknowledged + 1..=stored + 100, numbered).await;
            stored += 100;
            bob.ack("alice", 60).await;
            acknowledged += 60;
            alice.expect(&format!("DELIVERED bob {acknowledged}")).await;
            alice.talk_until_stored("bob").await;
            // The removal may be synced after its receipt; the next message is stored behind it.
            stored += 1;
            alice.say("bob", stored, &numbered(stored)).await;
            alice.talk_until_stored("bob").await;
            server.kill().await;
        }
    });
}
