//! Who is there: ONLINE, PRESENCE, and the presence in TALKING.

use crate::programs::Launch;
use crate::world::{Peer, World, story};

#[test]
fn online_lists_everybody_once_and_in_order() {
    story(async |world| {
        let mut carol = world.sign_in("carol").await;
        let mut alice = world.sign_in("alice").await;
        let _bob = world.sign_in("bob").await;
        let _nobody = world.connect().await;
        for peer in [&mut alice, &mut carol] {
            peer.send("ONLINE").await;
            peer.expect("ONLINE 3 16\nalice\nbob\ncarol").await;
        }
    });
}

#[test]
fn online_does_not_list_those_who_left() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        world.sign_in("bob").await.quit().await;
        drop(world.sign_in("carol").await);
        alice.until_away("bob").await;
        alice.until_away("carol").await;
        alice.send("ONLINE").await;
        alice.expect("ONLINE 1 6\nalice").await;
    });
}

#[test]
fn talking_says_who_is_there() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "away 0 0 0 0");
        let mut bob = world.sign_in("bob").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 0");
    });
}

#[test]
fn coming_and_going_is_told_in_open_conversations_only() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("alice").await;
        let mut dave = world.sign_in("dave").await;
        dave.talk("bob").await;
        dave.send("CLOSE bob").await;
        dave.barrier().await;
        for _ in 0..3 {
            let bob = world.sign_in("bob").await;
            alice.expect("PRESENCE bob online").await;
            drop(bob);
            alice.expect("PRESENCE bob away").await;
        }
        let bob = world.sign_in("bob").await;
        // Whoever has left by the time that this is told was never there.
        alice.expect("PRESENCE bob online").await;
        bob.quit().await;
        alice.expect("PRESENCE bob away").await;
        carol.hears_nothing().await;
        dave.hears_nothing().await;
    });
}

#[test]
fn presence_is_told_although_the_peer_has_not_opened_the_conversation() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let mut bob = world.sign_in("bob").await;
        alice.expect("PRESENCE bob online").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn a_takeover_is_no_coming_and_going() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let first = world.sign_in("bob").await;
        alice.expect("PRESENCE bob online").await;
        let mut second = world.sign_in("bob").await;
        assert_eq!(first.rest().await.len(), 1, "only a farewell");
        second.talk("alice").await;
        alice.hears_nothing().await;
        drop(second);
        alice.expect("PRESENCE bob away").await;
    });
}

#[test]
fn an_away_connection_is_served_like_any_other_and_nobody_hears_of_it() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        assert_eq!(bob.talk("alice").await, "away 0 0 0 0");
        bob.say("alice", 1, "are you there?").await;
        bob.expect("STORED alice 1").await;
        let mut alice = world.sign_in_away("alice").await;
        alice.expect("WAITING bob 1").await;
        assert_eq!(alice.talk("bob").await, "online 0 0 0 1");
        alice.hears("bob", 1, 1, "are you there?").await;
        alice.ack("bob", 1).await;
        bob.expect("DELIVERED alice 1").await;
        alice.say("bob", 1, "not me").await;
        brings(&mut bob, "alice", 1).await;
        bob.ack("alice", 1).await;
        alice.expect("DELIVERED bob 1").await;
        assert_eq!(bob.talk("alice").await, "away 1 1 1 0");
        for peer in [&mut alice, &mut bob] {
            peer.send("ONLINE").await;
            peer.expect("ONLINE 1 4\nbob").await;
        }
        alice.quit().await;
        bob.hears_nothing().await;
    });
}

/// A message is the next thing that somebody hears, ahead of all that is no receipt.
async fn brings(to: &mut Peer, from: &str, seq: u64) {
    let line = to.next_but_receipts().await;
    assert!(line.starts_with(&format!("MSG {from} {seq} ")), "{line}");
}

#[test]
fn after_a_takeover_the_word_of_the_new_connection_counts() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let mut last = world.sign_in_away("bob").await;
        alice.hears_nothing().await;
        for _ in 0..2 {
            let desk = world.sign_in("bob").await;
            alice.expect("PRESENCE bob online").await;
            last.expect("BYE replaced").await;
            last = desk;
            let script = world.sign_in_away("bob").await;
            alice.expect("PRESENCE bob away").await;
            last.expect("BYE replaced").await;
            last = script;
            alice.send("ONLINE").await;
            alice.expect("ONLINE 1 6\nalice").await;
        }
        let again = world.sign_in_away("bob").await;
        last.expect("BYE replaced").await;
        again.quit().await;
        alice.hears_nothing().await;
    });
}

/// Alice's program, as she calls it in a script.
fn alice(world: &World, words: &[&str]) -> Launch {
    Launch::of(world, "alice").with(words)
}

#[test]
fn a_script_makes_nobody_come_and_leave() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let words = ["send", "--to", "bob", "--wait", "delivered", "from cron"];
        let send = alice(world, &words).start();
        brings(&mut bob, "alice", 1).await;
        // She is connected until bob has it.
        bob.send("ONLINE").await;
        bob.expect("ONLINE 1 4\nbob").await;
        bob.ack("alice", 1).await;
        send.finish().await.exited(0);
        alice(world, &["--to", "bob"]).pipe("from a pipe\n").await.exited(0);
        brings(&mut bob, "alice", 2).await;
        bob.ack("alice", 2).await;
        alice(world, &["status"]).pipe("").await.exited(0);
        bob.hears_nothing().await;
    });
}

#[test]
fn whoever_listens_is_there() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        for words in [&["tail"][..], &["--to", "bob", "--follow"]] {
            let listens = alice(world, words).start();
            bob.expect("PRESENCE alice online").await;
            listens.signal("INT");
            listens.end().await.exited(130);
            bob.expect("PRESENCE alice away").await;
        }
        let tail = alice(world, &["tail"]).start();
        bob.expect("PRESENCE alice online").await;
        alice(world, &["send", "--to", "bob", "beside it"]).pipe("").await.exited(0);
        brings(&mut bob, "alice", 1).await;
        bob.ack("alice", 1).await;
        bob.hears_nothing().await;
        drop(tail);
    });
}
