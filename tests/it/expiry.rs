//! Messages that wait for too long: EXPIRED, and what comes after.

use std::collections::BTreeSet;
use std::time::Duration;

use tinychat::mailbox::Usage;
use tinychat::server::Config;

use crate::world::{FIRST_INSTALLATION, Peer, SECOND_INSTALLATION, World, patiently, story_with};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

/// Everything that is stored expires, soon.
fn briefly(config: &mut Config) {
    config.keep = Some(Duration::from_millis(1));
    config.timing.sweep = Duration::from_millis(10);
}

/// Nothing expires.
fn for_ever(config: &mut Config) {
    config.keep = None;
}

/// Alice, from one of her data folders, writes these messages, and knows that they are stored.
async fn writes(world: &World, installation: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut alice = world.sign_in_from("alice", installation).await;
    alice.talk("bob").await;
    alice.say_all("bob", numbers, numbered).await;
    alice.talk_until_stored("bob").await;
}

/// All that waits expires, unseen by anybody. Then nothing does.
async fn all_expires(world: &mut World) {
    world.restart_with(briefly).await;
    let mut bob = world.sign_in("bob").await;
    let nothing_waits = async {
        while !bob.talk("alice").await.ends_with(" 0") {
            bob.send("CLOSE alice").await;
            bob.barrier().await;
        }
    };
    patiently("all has expired", nothing_waits).await;
    world.restart_with(for_ever).await;
}

/// Everything up to and with a line.
async fn lines_until(peer: &mut Peer, last: &str) -> Vec<String> {
    let mut lines = Vec::new();
    while lines.last().is_none_or(|line| line != last) {
        lines.push(peer.next().await);
    }
    lines
}

#[test]
fn a_sender_who_is_there_is_told_each_and_delivered_does_not_pass_it() {
    story_with(briefly, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=5, numbered).await;
        let lines = lines_until(&mut alice, "DELIVERED bob 5").await;
        let mut told = 0;
        for line in &lines {
            let n = |verb: &str| line.strip_prefix(verb).map(|n| n.parse::<u64>().unwrap());
            if let Some(n) = n("EXPIRED bob ") {
                assert_eq!(n, told + 1, "each once and in order: {lines:?}");
                told = n;
            } else if let Some(n) = n("DELIVERED bob ") {
                assert!(n <= told, "DELIVERED claims none that was not told: {lines:?}");
            }
        }
        assert_eq!(told, 5, "{lines:?}");
        alice.hears_nothing().await;
    });
}

#[test]
fn one_who_comes_later_is_told_ahead_of_talking_until_she_knows() {
    story_with(for_ever, async |world| {
        writes(world, FIRST_INSTALLATION, 1..=3).await;
        all_expires(world).await;
        let (one, two, three) = ("EXPIRED bob 1", "EXPIRED bob 2", "EXPIRED bob 3");
        let talking = "TALKING bob away 3 3 3 0 0";
        for _ in 0..2 {
            let mut alice = world.sign_in("alice").await;
            assert_eq!(alice.settle("bob", 0).await, [one, two, three, talking]);
            assert_eq!(alice.settle("bob", 0).await, [one, two, three, talking], "each time");
            alice.hears_nothing().await;
            world.restart().await;
        }
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.settle("bob", 2).await, [three, talking]);
        assert_eq!(alice.settle("bob", 0).await, [three, talking], "what is settled stays so");
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.settle("bob", 0).await, [three, talking], "also after a restart");
        assert_eq!(alice.settle("bob", 3).await, [talking]);
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.settle("bob", 0).await, [talking]);
    });
}

#[test]
fn each_installation_is_told_of_its_own() {
    story_with(for_ever, async |world| {
        writes(world, FIRST_INSTALLATION, 1..=2).await;
        writes(world, SECOND_INSTALLATION, 7..=7).await;
        all_expires(world).await;
        let mut second = world.sign_in_from("alice", SECOND_INSTALLATION).await;
        let told = second.settle("bob", 7).await;
        assert_eq!(told, ["TALKING bob away 7 7 7 0 0"], "it settles none of the other's");
        let mut first = world.sign_in_from("alice", FIRST_INSTALLATION).await;
        let told = first.settle("bob", 0).await;
        assert_eq!(told, ["EXPIRED bob 1", "EXPIRED bob 2", "TALKING bob away 2 2 2 0 0"]);
    });
}

#[test]
fn what_expired_is_not_delivered_and_what_comes_behind_it_is() {
    story_with(for_ever, async |world| {
        writes(world, FIRST_INSTALLATION, 1..=3).await;
        all_expires(world).await;
        let mut alice = world.sign_in("alice").await;
        alice.settle("bob", 0).await;
        // A resend of what expired changes nothing: the server had it.
        alice.say_all("bob", 1..=5, numbered).await;
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 4..=5, numbered).await;
        alice.say("bob", 6, &numbered(6)).await;
        bob.hears("alice", 3, 6, &numbered(6)).await;
        bob.hears_nothing().await;
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", 3).await;
        alice.expect("DELIVERED bob 6").await;
        // Delivered speaks of all but the expired.
        let told = alice.settle("bob", 0).await;
        let expired = ["EXPIRED bob 1", "EXPIRED bob 2", "EXPIRED bob 3"];
        assert_eq!(told[..3], expired);
        assert_eq!(told[3..], ["TALKING bob online 6 6 6 0 0"]);
    });
}

/// Messages expire in the middle of a conversation, whatever way they are on; the end of none is told twice, and none
/// comes out of order. What was in flight when something before it expired may come again.
#[test]
fn each_message_of_a_conversation_is_told_once_and_comes_in_order() {
    story_with(briefly, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let (mut heard, mut last_seq, mut acknowledged) = (BTreeSet::new(), 0, 0);
        for round in 0..30 {
            let up_to = 50 * (round + 1);
            alice.say_all("bob", 50 * round + 1..=up_to, numbered).await;
            alice.barrier().await;
            for line in bob.catch_up().await {
                let Some(words) = line.strip_prefix("MSG alice ") else { continue };
                let words: Vec<_> = words.split(' ').collect();
                let [seq, n] = [0, 2].map(|word: usize| words[word].parse::<u64>().unwrap());
                if heard.insert(n) {
                    assert_eq!(heard.last(), Some(&n), "in order");
                } else {
                    assert!(n > acknowledged, "{n} was acknowledged, and comes again");
                }
                last_seq = seq;
            }
            if let Some(last) = heard.last() {
                bob.ack("alice", last_seq).await;
                acknowledged = *last;
            }
        }
        let talking = async {
            loop {
                let told = alice.settle("bob", 0).await;
                if told.last().is_some_and(|it| it.ends_with(" 1500 1500 1500 0 0")) {
                    return;
                }
            }
        };
        patiently("all is delivered or expired", talking).await;
        // Asked once more, now that no news of an expiry can come between the question and its answer.
        let told = alice.settle("bob", 0).await;
        let expired: Vec<u64> =
            told.iter().filter_map(|it| it.strip_prefix("EXPIRED bob ")?.parse().ok()).collect();
        assert!(expired.is_sorted_by(|one, next| one < next), "each once: {expired:?}");
    });
}

#[test]
fn an_acknowledgement_that_comes_too_late_counts_no_longer() {
    let soon = |config: &mut Config| {
        briefly(config);
        config.keep = Some(Duration::from_millis(500));
        config.quota.session = Usage { messages: 3, bytes: 1_000 };
    };
    story_with(soon, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let mut n = 0;
        let seq = loop {
            n += 1;
            alice.say("bob", n, &numbered(n)).await;
            lines_until(&mut alice, &format!("EXPIRED bob {n}")).await;
            // On a busy machine it may expire before it was sent.
            let heard = bob.catch_up().await;
            if let Some(heard) = heard.iter().find_map(|line| line.strip_prefix("MSG alice ")) {
                break heard.split(' ').next().unwrap().parse().unwrap();
            }
        };
        bob.ack("alice", seq).await;
        bob.hears_nothing().await;
        // It stays expired, and its place was freed once.
        let told = alice.settle("bob", 0).await;
        assert!(told.contains(&format!("EXPIRED bob {n}")), "{told:?}");
        assert_eq!(told.last(), Some(&format!("TALKING bob online {n} {n} {n} 0 0")));
        alice.say_all("bob", n + 1..=n + 4, numbered).await;
        let refused = loop {
            let line = alice.next().await;
            if line.starts_with("ERR FULL bob") {
                break line;
            }
        };
        assert!(refused.contains(" 3 messages with "), "{refused}");
    });
}

#[test]
fn what_expires_makes_room_and_that_is_told() {
    let three = Usage { messages: 3, bytes: 1_000 };
    let three_for_each_session = move |config: &mut Config| config.quota.session = three;
    let three_for_each_receiver = move |config: &mut Config| config.quota.receiver = three;
    for limit in [&three_for_each_session as &dyn Fn(&mut Config), &three_for_each_receiver] {
        let configure = |config: &mut Config| {
            briefly(config);
            config.timing.sweep = Duration::from_millis(300);
            limit(config);
        };
        story_with(configure, async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            let refused = writes_until_refused(&mut alice).await;
            let lines = lines_until(&mut alice, "ROOM bob").await;
            assert!(!lines.iter().any(|line| line.starts_with("ERR ")), "{lines:?}");
            let told = alice.settle("bob", 0).await;
            let have = format!(" {} ", refused - 1);
            assert!(told.last().unwrap().contains(&have), "nothing from {refused} on: {told:?}");
            alice.say("bob", refused, &numbered(refused)).await;
            lines_until(&mut alice, &format!("EXPIRED bob {refused}")).await;
        });
    }
}

/// Four by four, where three may wait: now and then some of them expire in between. Returns the
/// first that was refused.
async fn writes_until_refused(alice: &mut Peer) -> u64 {
    let mut last = 0;
    loop {
        alice.say_all("bob", last + 1..=last + 4, numbered).await;
        last += 4;
        let lines = alice.barrier().await;
        let refused = lines.iter().find_map(|line| line.strip_prefix("ERR FULL bob "));
        if let Some(refused) = refused {
            return refused.split(' ').next().unwrap().parse().unwrap();
        }
    }
}

#[test]
fn a_receiver_who_is_there_is_told_that_less_waits() {
    story_with(briefly, async |world| {
        let mut bob = world.sign_in("bob").await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "too late").await;
        lines_until(&mut alice, "EXPIRED bob 1").await;
        lines_until(&mut bob, "WAITING alice 0").await;
    });
}

/// It is told when it is on disk, so a crash does not bring the message back.
#[test]
fn a_crash_brings_nothing_back_that_was_told_as_expired() {
    story_with(briefly, async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.settle("bob", 0).await;
        for n in 1..=5 {
            alice.say("bob", n, &numbered(n)).await;
            lines_until(&mut alice, &format!("EXPIRED bob {n}")).await;
            let disk = world.disk();
            world.crash(disk).await;
            let mut bob = world.sign_in("bob").await;
            bob.hears_nothing().await;
            alice = world.sign_in("alice").await;
            let told = alice.settle("bob", n - 1).await;
            let talking = format!("TALKING bob online {n} {n} {n} 0 0");
            assert_eq!(told, [format!("EXPIRED bob {n}"), talking]);
            world.restart_with(briefly).await;
            alice = world.sign_in("alice").await;
            alice.settle("bob", n).await;
        }
    });
}

/// Two accomplices: one leaves out numbers, so that each of them is a record, the other has them expire at once.
#[test]
fn so_many_records_are_kept_and_who_says_that_she_knows_goes_on() {
    const MOST: u64 = 1_000;
    story_with(for_ever, async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.send("BLOCK alice").await;
        bob.expect("BLOCKED alice").await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        for round in 0..3 {
            let numbers = (1..=MOST + 1).map(|n| 2 * (round * MOST + n));
            alice.say_all("bob", numbers, numbered).await;
            let last = 2 * (round + 1) * MOST;
            let refused = format!("ERR FULL bob {} 1000 runs of messages of yours", last + 2);
            let is_refused = async { while !alice.next().await.starts_with(&refused) {} };
            patiently("one too many is refused", is_refused).await;
            bob.send("UNBLOCK alice").await;
            lines_until(&mut bob, "UNBLOCKED alice").await;
            lines_until(&mut alice, &format!("EXPIRED bob {last}")).await;
            let told = alice.settle("bob", last - 2).await;
            let expired = told.iter().filter(|line| line.starts_with("EXPIRED ")).count();
            assert_eq!(expired, 1, "one is left to tell: {told:?}");
            alice.settle("bob", last).await;
            alice.say("bob", last + 1, &numbered(last + 1)).await;
            alice.talk_until_stored("bob").await;
            bob.send("BLOCK alice").await;
            lines_until(&mut bob, "BLOCKED alice").await;
            world.restart().await;
            (bob, alice) = (world.sign_in("bob").await, world.sign_in("alice").await);
            alice.settle("bob", last).await;
        }
    });
}
