//! Who is there: ONLINE, PRESENCE, and the presence in TALKING.

use crate::world::story;

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
        world.sign_in("bob").await.quit().await;
        alice.expect("PRESENCE bob online").await;
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
