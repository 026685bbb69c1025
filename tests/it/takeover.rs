//! One name on two connections: the newer one takes over.

use tinychat::trust::tls::Channel;
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::world::{FIRST_INSTALLATION, Peer, SECOND_INSTALLATION, message, story};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

#[test]
fn the_same_key_takes_over_at_once() {
    story(async |world| {
        let mut first = world.sign_in("alice").await;
        let mut second = world.sign_in("alice").await;
        first.expect("BYE replaced").await;
        first.end().await;
        second.send("ONLINE").await;
        second.expect("ONLINE 1 6\nalice").await;
    });
}

#[test]
fn another_installation_takes_over_likewise() {
    story(async |world| {
        let mut first = world.sign_in("alice").await;
        let mut second = world.sign_in_from("alice", SECOND_INSTALLATION).await;
        first.expect("BYE replaced").await;
        first.end().await;
        assert_eq!(second.talk("bob").await, "away 0 0 0 0");
    });
}

#[test]
fn a_connection_that_never_answers_is_taken_over() {
    story(async |world| {
        let (mut bob, silent) = world.conversation("bob", "alice").await;
        bob.say("alice", 1, "into the void").await;
        bob.expect("STORED alice 1").await;
        // `silent` is open, and neither reads nor writes any more.
        let mut alice = world.sign_in("alice").await;
        alice.expect("WAITING bob 1").await;
        assert_eq!(alice.talk("bob").await, "online 0 0 0 1");
        alice.hears("bob", 1, 1, "into the void").await;
        alice.ack("bob", 1).await;
        bob.expect("DELIVERED alice 1").await;
        bob.hears_nothing().await;
        drop(silent);
        bob.say("alice", 2, "still there?").await;
        alice.hears("bob", 2, 2, "still there?").await;
    });
}

#[test]
fn a_connection_whose_socket_is_full_is_taken_over() {
    story(async |world| {
        let (mut bob, full) = world.conversation("bob", "alice").await;
        let long = "x".repeat(64 * 1024);
        bob.say_all("alice", 1..=200, |_| long.clone()).await;
        bob.expect("STORED alice 200").await;
        let mut alice = world.sign_in("alice").await;
        alice.expect("WAITING bob 200").await;
        assert_eq!(alice.talk("bob").await, "online 0 0 0 200");
        alice.hears_all("bob", 1, 1..=200, |_| long.clone()).await;
        alice.ack("bob", 200).await;
        bob.expect("DELIVERED alice 200").await;
        drop(full);
    });
}

#[test]
fn what_was_under_way_to_the_old_one_comes_to_the_new_one() {
    story(async |world| {
        let (mut bob, mut old) = world.conversation("bob", "alice").await;
        bob.say_all("alice", 1..=10, numbered).await;
        old.hears_all("bob", 1, 1..=10, numbered).await;
        old.ack("bob", 4).await;
        bob.expect("DELIVERED alice 4").await;
        let mut new = world.sign_in("alice").await;
        new.expect("WAITING bob 6").await;
        new.talk("bob").await;
        new.hears_all("bob", 1, 5..=10, numbered).await;
        bob.say("alice", 11, &numbered(11)).await;
        new.hears("bob", 7, 11, &numbered(11)).await;
        old.expect("BYE replaced").await;
        old.end().await;
    });
}

#[test]
fn what_the_old_one_wrote_is_told_to_the_new_one() {
    story(async |world| {
        let (mut old, mut bob) = world.conversation("alice", "bob").await;
        old.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        let mut new = world.sign_in("alice").await;
        assert_eq!(new.talk_until_stored("bob").await, "online 3 3 0 0");
        bob.ack("alice", 3).await;
        new.expect("DELIVERED bob 3").await;
        new.say("bob", 4, &numbered(4)).await;
        bob.hears("alice", 4, 4, &numbered(4)).await;
    });
}

#[test]
fn the_end_of_the_old_one_closes_nothing_of_the_new_one() {
    story(async |world| {
        for goodbye in ["", "CLOSE bob\r\n", "CLOSE bob\r\nQUIT\r\n"] {
            let (mut old, mut bob) = world.conversation("alice", "bob").await;
            let mut new = world.sign_in("alice").await;
            assert!(new.talk("bob").await.starts_with("online "));
            old.try_to_send(goodbye.as_bytes()).await;
            drop(old);
            // Nothing tells when the server has seen the end of the old one: chat on meanwhile.
            for _ in 0..20 {
                let heard = exchange(&mut new, &mut bob).await;
                assert_eq!(heard, "still here", "after {goodbye:?}");
            }
            new.quit().await;
            bob.quit().await;
            world.restart().await;
        }
    });
}

/// One message each way, with the next number that the server has not.
async fn exchange(alice: &mut Peer, bob: &mut Peer) -> String {
    let told = alice.talk("bob").await;
    let next = told.split(' ').nth(1).unwrap().parse::<u64>().unwrap() + 1;
    alice.say("bob", next, "still here").await;
    let heard = bob.hear().await;
    bob.ack("alice", heard.seq).await;
    alice.expect(&format!("DELIVERED bob {next}")).await;
    heard.text
}

/// Both connections act in the same moments; whichever frames the old one still gets through, the new
/// one's conversation is whole.
#[test]
fn a_late_close_and_a_takeover_may_meet() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let mut current = world.sign_in("alice").await;
        current.talk("bob").await;
        for round in 1..=50 {
            let late = message("bob", round, "late") + &"CLOSE bob\r\nTALK bob 0\r\n".repeat(100);
            let (mut new, ()) =
                futures::join!(world.sign_in("alice"), current.try_to_send(late.as_bytes()));
            new.talk("bob").await;
            new.say("bob", round, "late").await;
            let heard = bob.hear().await;
            assert_eq!((heard.n, heard.text.as_str()), (round, "late"));
            bob.ack("alice", heard.seq).await;
            new.expect(&format!("DELIVERED bob {round}")).await;
            current = new;
        }
    });
}

/// The earlier one may be dead: its client has made the later one since.
#[test]
fn an_earlier_connection_whose_proof_comes_late_takes_nothing_over() {
    story(async |world| {
        let alices = world.identity("alice");
        let mut old = world.connect().await;
        let key = alices.public();
        old.send(&format!("HELLO tinychat/2 alice {key} {FIRST_INSTALLATION} online")).await;
        let text = sign_in_text(&"alice".parse().unwrap(), &old.challenge().await, &Channel::Plain);
        let (mut new, mut bob) = world.conversation("alice", "bob").await;
        old.send_proof(&alices.sign(SIGN_IN_NAMESPACE, &text).unwrap()).await;
        old.expect("WELCOME alice").await;
        old.expect("BYE replaced").await;
        old.end().await;
        new.say("bob", 1, "still here").await;
        bob.hears("alice", 1, 1, "still here").await;
        bob.ack("alice", 1).await;
        new.expect("DELIVERED bob 1").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn a_chain_of_takeovers_leaves_the_last_one() {
    story(async |world| {
        let mut all = Vec::new();
        for _ in 0..20 {
            all.push(world.sign_in("alice").await);
        }
        let mut last = all.pop().unwrap();
        for mut replaced in all {
            replaced.expect("BYE replaced").await;
            replaced.end().await;
        }
        last.send("ONLINE").await;
        last.expect("ONLINE 1 6\nalice").await;
    });
}
