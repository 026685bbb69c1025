//! Messages: who gets which, when, how often and in which order.

use futures::join;

use crate::world::{FIRST_INSTALLATION, SECOND_INSTALLATION, message, story};

/// As many as may wait in one session.
const BACKLOG: u64 = 10_000;

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

#[test]
fn somebody_who_was_absent_gets_what_waited() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "away 0 0 0 0");
        alice.say("bob", 1, "are you there?").await;
        alice.say("bob", 2, "call me").await;
        alice.expect("STORED bob 2").await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 2").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 2");
        bob.hears("alice", 1, 1, "are you there?").await;
        bob.hears("alice", 2, 2, "call me").await;
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
    });
}

#[test]
fn a_sender_may_be_long_gone_when_the_receiver_comes() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "sorry, must run").await;
        alice.quit().await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.until_away("alice").await;
        assert_eq!(bob.talk("alice").await, "away 0 0 0 1");
        bob.hears("alice", 1, 1, "sorry, must run").await;
        bob.ack("alice", 1).await;
        bob.barrier().await;

        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk("bob").await, "online 1 1 1 0");
    });
}

#[test]
fn both_directions_go_at_once() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=100, |n| format!("from alice {n}")).await;
        bob.say_all("alice", 1..=100, |n| format!("from bob {n}")).await;
        join!(
            bob.hears_all("alice", 1, 1..=100, |n| format!("from alice {n}")),
            alice.hears_all("bob", 1, 1..=100, |n| format!("from bob {n}")),
        );
        bob.ack("alice", 100).await;
        alice.ack("bob", 100).await;
        alice.expect("DELIVERED bob 100").await;
        bob.expect("DELIVERED alice 100").await;
    });
}

#[test]
fn ten_thousand_messages_arrive_in_order() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        join!(alice.say_all("bob", 1..=BACKLOG, numbered), async {
            for n in 1..=BACKLOG {
                bob.hears("alice", n, n, &numbered(n)).await;
                if n % 1_000 == 0 {
                    bob.ack("alice", n).await;
                }
            }
        });
        alice.expect(&format!("DELIVERED bob {BACKLOG}")).await;
    });
}

#[test]
fn ten_thousand_messages_wait_for_somebody_absent() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=BACKLOG, numbered).await;
        alice.expect(&format!("STORED bob {BACKLOG}")).await;

        let mut bob = world.sign_in("bob").await;
        bob.expect(&format!("WAITING alice {BACKLOG}")).await;
        assert_eq!(bob.talk("alice").await, format!("online 0 0 0 {BACKLOG}"));
        bob.hears_all("alice", 1, 1..=BACKLOG, numbered).await;
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", BACKLOG).await;
        alice.expect(&format!("DELIVERED bob {BACKLOG}")).await;
    });
}

#[test]
fn what_comes_while_the_backlog_is_being_sent_comes_behind_it() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=1_000, numbered).await;
        alice.barrier().await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1000").await;
        bob.send("TALK alice 0").await;
        alice.say_all("bob", 1_001..=2_000, numbered).await;
        // Some of the rest may be announced before the server reads the TALK.
        while !bob.next().await.starts_with("TALKING alice online 0 0 0 ") {}
        bob.hears_all("alice", 1, 1..=2_000, numbered).await;
    });
}

#[test]
fn one_connection_holds_three_conversations() {
    story(async |world| {
        let friends = ["bob", "carol", "dave"];
        let mut alice = world.sign_in("alice").await;
        let mut others = Vec::new();
        for friend in friends {
            alice.talk(friend).await;
            let mut peer = world.sign_in(friend).await;
            alice.expect(&format!("PRESENCE {friend} online")).await;
            assert_eq!(peer.talk("alice").await, "online 0 0 0 0");
            others.push(peer);
        }
        for (friend, peer) in friends.iter().zip(&mut others) {
            alice.say(friend, 1, &format!("for {friend} alone")).await;
            peer.hears("alice", 1, 1, &format!("for {friend} alone")).await;
            peer.say("alice", 1, &format!("{friend} greets")).await;
            alice.hears(friend, 1, 1, &format!("{friend} greets")).await;
            alice.ack(friend, 1).await;
            peer.expect("DELIVERED alice 1").await;
        }
        for peer in &mut others {
            peer.hears_nothing().await;
        }
    });
}

#[test]
fn conversations_may_be_interleaved_in_one_write() {
    story(async |world| {
        let friends = ["bob", "carol", "dave"];
        let mut alice = world.sign_in("alice").await;
        let mut talk_and_write = String::new();
        for friend in friends {
            talk_and_write += &format!("TALK {friend} 0\r\n");
        }
        for n in 1..=50 {
            for friend in friends {
                talk_and_write += &message(friend, n, &format!("{n} for {friend}"));
            }
        }
        alice.send_bytes(talk_and_write.as_bytes()).await;
        for friend in friends {
            let mut peer = world.sign_in(friend).await;
            peer.send("TALK alice 0").await;
            loop {
                if peer.next().await.starts_with("TALKING alice online ") {
                    break;
                }
            }
            peer.hears_all("alice", 1, 1..=50, |n| format!("{n} for {friend}")).await;
        }
    });
}

#[test]
fn a_body_is_passed_on_byte_for_byte() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let long = "ö".repeat(32 * 1024);
        let texts = ["", "\r\n", "MSG bob 9 text 3\r\nabc\r\n", "a\0b\u{1b}[31m", "👋🏽", &long];
        for (n, text) in (1..).zip(texts) {
            alice.say("bob", n, text).await;
            bob.hears("alice", n, n, text).await;
        }
    });
}

#[test]
fn a_message_that_comes_again_is_dropped() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "once").await;
        alice.say("bob", 1, "once").await;
        bob.hears("alice", 1, 1, "once").await;
        bob.ack("alice", 1).await;
        alice.expect("DELIVERED bob 1").await;
        // Also when the server has long forgotten the message itself.
        alice.say("bob", 1, "once").await;
        alice.say_all("bob", [2, 1, 2, 3], |n| format!("number {n}")).await;
        bob.hears("alice", 2, 2, "number 2").await;
        bob.hears("alice", 3, 3, "number 3").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn a_message_that_comes_again_on_a_new_connection_is_dropped() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "once").await;
        bob.hears("alice", 1, 1, "once").await;
        drop(alice);
        bob.expect("PRESENCE alice away").await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.talk_until_stored("bob").await, "online 1 1 0 0");
        alice.say("bob", 1, "once").await;
        alice.say("bob", 2, "twice").await;
        bob.hears("alice", 2, 2, "twice").await;
    });
}

#[test]
fn missing_numbers_are_no_obstacle() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", [3, 7, 1_000_000], numbered).await;
        bob.hears_all("alice", 1, [3, 7, 1_000_000], numbered).await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 999999").await;
        bob.ack("alice", 3).await;
        alice.expect("DELIVERED bob 1000000").await;
        // What was left out is left out for good.
        alice.say_all("bob", [5, 1_000_001], numbered).await;
        bob.hears("alice", 4, 1_000_001, &numbered(1_000_001)).await;
    });
}

#[test]
fn two_installations_may_use_the_same_numbers() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        for (seq, installation) in (1..).zip([FIRST_INSTALLATION, SECOND_INSTALLATION]) {
            let mut alice = world.sign_in_from("alice", installation).await;
            alice.talk("bob").await;
            alice.say("bob", 1, &format!("from {installation}")).await;
            let heard = bob.hear().await;
            assert_eq!((heard.seq, heard.n, heard.installation.as_str()), (seq, 1, installation));
            assert_eq!(heard.text, format!("from {installation}"));
        }
    });
}

#[test]
fn what_was_not_acknowledged_comes_again_with_fresh_numbers() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=5, numbered).await;
        bob.hears_all("alice", 1, 1..=5, numbered).await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        drop(bob);
        alice.expect("PRESENCE bob away").await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 3").await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 3");
        bob.hears_all("alice", 1, 3..=5, numbered).await;
        bob.hears_nothing().await;
        alice.say("bob", 6, "and on").await;
        bob.hears("alice", 4, 6, "and on").await;
    });
}

#[test]
fn after_close_and_talk_it_begins_again_and_no_seq_is_used_twice() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.ack("alice", 1).await;
        bob.send("CLOSE alice").await;
        bob.barrier().await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 2");
        bob.hears_all("alice", 4, 2..=3, numbered).await;
        bob.ack("alice", 5).await;
        alice.expect("DELIVERED bob 3").await;
    });
}

#[test]
fn an_ack_counts_also_after_close() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        bob.send("CLOSE alice").await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        bob.catch_up().await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 0");
        alice.say("bob", 3, "next").await;
        bob.hears("alice", 3, 3, "next").await;
    });
}

#[test]
fn what_was_sent_before_a_close_can_be_acknowledged_after_the_next_talk() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.send("CLOSE alice").await;
        bob.catch_up().await;
        bob.talk("alice").await;
        bob.hears_all("alice", 4, 1..=3, numbered).await;
        // Seq 2 is the second message, of the first time; seq 6 is the third one, of the second time.
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        bob.ack("alice", 6).await;
        alice.expect("DELIVERED bob 3").await;
    });
}

#[test]
fn nothing_comes_after_close_until_the_next_talk() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        bob.send("CLOSE alice").await;
        bob.catch_up().await;
        alice.say("bob", 1, "hello?").await;
        alice.barrier().await;
        assert_eq!(bob.catch_up().await, ["WAITING alice 1"]);
        assert_eq!(bob.talk("alice").await, "online 0 0 0 1");
        bob.hears("alice", 1, 1, "hello?").await;
    });
}

#[test]
fn talk_in_an_open_conversation_begins_again() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=4, numbered).await;
        bob.hears_all("alice", 1, 1..=4, numbered).await;
        bob.ack("alice", 1).await;
        assert_eq!(bob.talk("alice").await, "online 0 0 0 3");
        bob.hears_all("alice", 5, 2..=4, numbered).await;
        alice.say("bob", 5, "only once").await;
        bob.hears("alice", 8, 5, "only once").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn a_conversation_goes_on_after_its_sender_came_back() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        for n in 1..=5 {
            let mut alice = world.sign_in("alice").await;
            let told = alice.talk("bob").await;
            assert_eq!(told, format!("online {0} {0} {0} 0", n - 1));
            alice.say("bob", n, &numbered(n)).await;
            bob.hears("alice", n, n, &numbered(n)).await;
            bob.ack("alice", n).await;
            alice.expect(&format!("DELIVERED bob {n}")).await;
            alice.quit().await;
            bob.expect("PRESENCE alice away").await;
        }
    });
}
