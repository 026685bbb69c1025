//! Quotas: FULL with its numbers, what is dropped behind it, ROOM, and the resend that heals it.

use tinychat::mailbox::Usage;
use tinychat::server::Config;

use crate::world::{Peer, story_with};

const MANY: u64 = 1_000_000;

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

fn three_for_each_session(config: &mut Config) {
    config.quota.session = Usage { messages: 3, bytes: MANY };
}

fn three_for_each_receiver(config: &mut Config) {
    config.quota.receiver = Usage { messages: 3, bytes: MANY };
}

/// The next line but receipts is `ERR FULL` for this message; returns its sentence.
async fn refused(peer: &mut Peer, whom: &str, n: u64) -> String {
    let lines = peer.catch_up().await;
    let beginning = format!("ERR FULL {whom} {n} ");
    match lines.as_slice() {
        [line] if line.starts_with(&beginning) => line[beginning.len()..].into(),
        other => panic!("one {beginning:?}, not {other:?}"),
    }
}

#[test]
fn a_full_backlog_is_refused_with_its_numbers() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=4, |_| "12345".into()).await;
        let text = refused(&mut alice, "bob", 4).await;
        assert!(text.contains("3 messages with 15 bytes"), "{text}");
        assert!(text.contains(&format!("at most 3 and {MANY}")), "{text}");
        assert_eq!(alice.talk_until_stored("bob").await, "away 3 3 0 0");
    });
}

#[test]
fn welcome_announces_the_backlog() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.connect().await;
        let identity = world.identity("alice");
        alice.prove("alice", &identity, crate::world::FIRST_INSTALLATION).await;
        let welcome = alice.next().await;
        for limit in ["backlog=3", "backlog-bytes=1000000", "body=81920", "conversations=1000"] {
            assert!(welcome.split(' ').any(|word| word == limit), "{limit} in {welcome}");
        }
    });
}

#[test]
fn bytes_are_counted_too() {
    let ten_bytes = |config: &mut Config| {
        config.quota.session = Usage { messages: MANY, bytes: 10 };
    };
    story_with(ten_bytes, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "1234567").await;
        alice.say("bob", 2, "1234").await;
        refused(&mut alice, "bob", 2).await;
        alice.talk("bob").await;
        alice.say("bob", 2, "123").await;
        assert_eq!(alice.talk_until_stored("bob").await, "away 2 2 0 0");
    });
}

#[test]
fn everything_behind_a_refusal_is_dropped_until_talk() {
    story_with(three_for_each_session, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=5, numbered).await;
        refused(&mut alice, "bob", 4).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.ack("alice", 3).await;
        alice.expect("DELIVERED bob 3").await;
        alice.expect("ROOM bob").await;
        // There is room, but 5 must not slip in before 4.
        alice.say("bob", 5, &numbered(5)).await;
        alice.hears_nothing().await;
        assert_eq!(alice.talk("bob").await, "online 3 3 3 0");
        alice.say_all("bob", 4..=5, numbered).await;
        bob.hears_all("alice", 4, 4..=5, numbered).await;
    });
}

#[test]
fn room_is_told_once_and_the_resend_is_neither_lost_nor_doubled() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=6, numbered).await;
        refused(&mut alice, "bob", 4).await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 3").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        alice.expect("PRESENCE bob online").await;
        for seq in 1..=3 {
            bob.ack("alice", seq).await;
        }
        bob.barrier().await;
        let told = alice.catch_up_with_receipts().await;
        assert_eq!(told.iter().filter(|line| *line == "ROOM bob").count(), 1, "{told:?}");
        assert!(told.contains(&"DELIVERED bob 3".into()), "{told:?}");

        assert_eq!(alice.talk("bob").await, "online 3 3 3 0");
        alice.say_all("bob", 4..=6, numbered).await;
        bob.hears_all("alice", 4, 4..=6, numbered).await;
        bob.hears_nothing().await;
        bob.ack("alice", 6).await;
        alice.expect("DELIVERED bob 6").await;
        assert_eq!(alice.talk("bob").await, "online 6 6 6 0");
    });
}

#[test]
fn talk_while_it_is_still_full_is_refused_again() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=4, numbered).await;
        refused(&mut alice, "bob", 4).await;
        assert_eq!(alice.talk_until_stored("bob").await, "away 3 3 0 0");
        alice.say_all("bob", 4..=5, numbered).await;
        refused(&mut alice, "bob", 4).await;
    });
}

#[test]
fn what_the_server_has_is_not_refused_when_it_comes_again() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.hears_nothing().await;
    });
}

#[test]
fn a_refusal_concerns_one_conversation_alone() {
    story_with(three_for_each_session, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.talk("carol").await;
        alice.say_all("carol", 1..=4, numbered).await;
        refused(&mut alice, "carol", 4).await;
        alice.say("bob", 1, "you still hear me").await;
        bob.hears("alice", 1, 1, "you still hear me").await;
        // Bob's own session is another one than the one to him.
        bob.say("alice", 1, "loud and clear").await;
        alice.hears("bob", 1, 1, "loud and clear").await;
    });
}

#[test]
fn all_senders_share_what_one_receiver_may_have_waiting() {
    story_with(three_for_each_receiver, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2, numbered).await;
        alice.barrier().await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        carol.say_all("bob", 1..=2, numbered).await;
        let text = refused(&mut carol, "bob", 2).await;
        assert!(text.contains("3 messages"), "{text}");
        assert!(text.contains("for this receiver"), "{text}");
        // Somebody else's backlog is another one.
        carol.talk("dave").await;
        carol.say_all("dave", 1..=3, numbered).await;
        carol.hears_nothing().await;

        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 2").await;
        bob.expect("WAITING carol 1").await;
        carol.expect("PRESENCE bob online").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=2, numbered).await;
        bob.ack("alice", 2).await;
        bob.barrier().await;
        carol.expect("ROOM bob").await;
        assert_eq!(carol.talk_until_stored("bob").await, "online 1 1 0 0");
        carol.say("bob", 2, &numbered(2)).await;
        assert_eq!(carol.talk_until_stored("bob").await, "online 2 2 0 0");
    });
}

#[test]
fn room_that_another_conversation_made_is_told() {
    story_with(three_for_each_receiver, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.barrier().await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        carol.say("bob", 1, "me too").await;
        refused(&mut carol, "bob", 1).await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        bob.ack("alice", 3).await;
        carol.expect("ROOM bob").await;
    });
}

#[test]
fn a_receivers_bytes_are_counted_too_from_all_senders() {
    let ten_bytes = |config: &mut Config| {
        config.quota.receiver = Usage { messages: MANY, bytes: 10 };
    };
    story_with(ten_bytes, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "1234567").await;
        alice.barrier().await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        carol.say("bob", 1, "1234").await;
        let text = refused(&mut carol, "bob", 1).await;
        assert!(text.contains("1 messages with 7 bytes wait for this receiver"), "{text}");
        assert!(text.contains(&format!("at most {MANY} and 10")), "{text}");
        carol.talk("bob").await;
        carol.say("bob", 1, "123").await;
        carol.hears_nothing().await;
        bob.hears("alice", 1, 1, "1234567").await;
        bob.ack("alice", 1).await;
        // For the refusal before, though carol found room herself.
        carol.expect("ROOM bob").await;
        carol.say("bob", 2, "1234567").await;
        assert_eq!(carol.talk_until_stored("bob").await, "online 2 2 0 0");
    });
}

#[test]
fn welcome_announces_all_limits_of_what_may_wait() {
    let some = |config: &mut Config| {
        config.quota.session = Usage { messages: 1, bytes: 2 };
        config.quota.receiver = Usage { messages: 3, bytes: 4 };
        config.keep = Some(std::time::Duration::from_secs(5));
    };
    let none = |config: &mut Config| {
        config.quota.session = Usage::default();
        config.quota.receiver = Usage::default();
        config.keep = None;
    };
    let announced = |numbers: [u64; 5]| {
        let words = ["backlog", "backlog-bytes", "recipient", "recipient-bytes", "keep"];
        words.into_iter().zip(numbers).map(|(word, n)| format!("{word}={n}"))
    };
    for (configure, numbers) in
        [(some as fn(&mut Config), [1, 2, 3, 4, 5]), (none as fn(&mut Config), [0; 5])]
    {
        story_with(configure, async |world| {
            let mut alice = world.connect().await;
            let identity = world.identity("alice");
            alice.prove("alice", &identity, crate::world::FIRST_INSTALLATION).await;
            let welcome = alice.next().await;
            for limit in announced(numbers) {
                assert!(welcome.split(' ').any(|word| word == limit), "{limit} in {welcome}");
            }
        });
    }
}

#[test]
fn zero_is_no_limit() {
    let none = |config: &mut Config| {
        config.quota.session = Usage::default();
        config.quota.receiver = Usage::default();
    };
    story_with(none, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        // More than by default, in messages and in bytes.
        alice.say_all("bob", 1..=10_001, |_| "x".into()).await;
        alice.barrier().await;
        alice.say_all("bob", 10_002..=10_300, |_| "x".repeat(64 * 1024)).await;
        assert_eq!(alice.talk_until_stored("bob").await, "away 10300 10300 0 0");
    });
}

/// What is refused in the middle of what one read brought, and a restart with less room than waits.
#[test]
fn what_waits_is_counted_also_after_a_restart() {
    story_with(three_for_each_session, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2, |_| "12345".into()).await;
        alice.talk_until_stored("bob").await;
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=4, |_| "12345".into()).await;
        let text = refused(&mut alice, "bob", 4).await;
        assert!(text.contains("3 messages with 15 bytes"), "{text}");
        world.restart_with(three_for_each_receiver).await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        carol.say("bob", 1, "me too").await;
        let text = refused(&mut carol, "bob", 1).await;
        assert!(text.contains("3 messages with 15 bytes wait for this receiver"), "{text}");
    });
}
