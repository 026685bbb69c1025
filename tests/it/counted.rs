//! That every frame a client may say is counted: whoever says it too often is too fast for a message, too.

use tinychat::server::{Config, Rate, Rates};
use tinychat::wire::codec::{Frame, When};
use tinychat::wire::frame::ClientFrame;

use crate::lists::{first, lists};
use crate::world::{Peer, World, story_with};

/// How much may come at once here; a second later there is one more.
const BURST: u64 = 10;

/// How somebody is too fast with each verb, or with a word of it that is no name.
const COUNTED: &[(&str, &str)] = &[
    ("MSG", "MSG bob 1 00000000000000000000000000000001 text 0 5\r\nhello"),
    ("MSG", "MSG nobody 1 00000000000000000000000000000001 text 0 5\r\nhello"),
    ("MSG", "MSG no/name 1 00000000000000000000000000000001 text 0 5\r\nhello"),
    ("BOUNCE", "BOUNCE no/name 1"),
    ("ACK", "ACK carol 1"),
    ("ACK", "ACK no/name 1"),
    ("READ", "READ bob 00000000000000a1 1"),
    ("READ", "READ nobody 00000000000000a1 1"),
    ("TALK", "TALK bob 0"),
    ("TALK", "TALK no/name 0"),
    ("CLOSE", "CLOSE nobody"),
    ("PING", "PING"),
    ("PONG", "PONG"),
    ("ONLINE", "ONLINE"),
    ("KEY", "KEY bob"),
    ("KEY", "KEY no/name"),
    ("DEVICES", "DEVICES bob"),
    ("DEVICES", "DEVICES no/name"),
    ("LIST", "LIST 1\r\nx"),
    ("BLOCK", "BLOCK dave"),
    ("UNBLOCK", "UNBLOCK dave"),
    ("BLOCKS", "BLOCKS"),
    ("TICKET", "TICKET"),
];

/// The verbs that end the connection.
const ENDING: &[(&str, &str)] = &[
    ("QUIT", "QUIT"),
    ("HELLO", "HELLO tinychat/2 alice AAAA 00000000000000a1 online"),
    ("PROVE", "PROVE 1\r\nx"),
    ("CARRY", "CARRY tinychat/2 00000000000000000000000000000000"),
];

fn few(config: &mut Config) {
    let messages = Rate { each_second: 1, burst: BURST as u32 };
    config.rates = Rates { messages, ..Rates::UNLIMITED };
}

#[test]
fn each_verb_has_a_row_here() {
    for verb in ClientFrame::VERBS {
        let ends = verb.when() != When::SignedIn || verb.word() == "QUIT";
        let mut rows = if ends { ENDING } else { COUNTED }.iter();
        assert!(rows.any(|(word, _)| *word == verb.word()), "{}", verb.word());
    }
}

#[test]
fn whatever_one_says_too_often_one_is_too_fast() {
    story_with(few, async |world| {
        // At once: each is told so only after a moment.
        let all = COUNTED.iter().enumerate();
        futures::future::join_all(all.map(|(row, (_, frame))| is_counted(world, row, frame))).await;
    });
}

async fn is_counted(world: &World, row: usize, frame: &str) {
    let name = format!("person{row}");
    let mut person = world.sign_in(&name).await;
    person.talk("bob").await;
    if frame.starts_with("ACK carol") {
        hear_from(world, &mut person, &name, &format!("carol{row}")).await;
    }
    let frame = frame.replace("carol", &format!("carol{row}"));
    let mut frames = format!("{frame}\r\n").repeat(BURST as usize);
    for n in 2..2 + BURST {
        frames += &crate::world::message("bob", n, "are you there?");
    }
    person.send_bytes(frames.as_bytes()).await;
    while !person.next().await.starts_with("ERR SLOW bob ") {}
}

/// Hears one message, and acknowledges it.
async fn hear_from(world: &World, person: &mut Peer, name: &str, friend: &str) {
    person.talk(friend).await;
    let mut carol = world.sign_in(friend).await;
    carol.talk(name).await;
    carol.say(name, 1, "hello").await;
    person.hear().await;
    person.ack(friend, 1).await;
    person.barrier().await;
}

#[test]
fn what_is_out_of_place_ends_the_connection() {
    story_with(few, async |world| {
        for (_, frame) in ENDING {
            let mut alice = world.sign_in("alice").await;
            alice.send(frame).await;
            alice.next_but_receipts().await;
            alice.end().await;
        }
    });
}

/// Who takes what comes is not too fast, however much that is.
#[test]
fn acknowledging_what_comes_costs_nothing() {
    story_with(few, async |world| {
        let mut alice = world.sign_in("alice").await;
        let mut writers = Vec::new();
        for friend in ["bob", "carol"] {
            alice.talk(friend).await;
            let mut writer = world.sign_in(friend).await;
            writer.talk("alice").await;
            writer.say_all("alice", 1..BURST, |n| n.to_string()).await;
            for n in 1..BURST {
                alice.hears(friend, n, n, &n.to_string()).await;
                alice.ack(friend, n).await;
            }
            writers.push(writer);
        }
        alice.say_all("bob", 1..=BURST / 2, |n| n.to_string()).await;
        alice.catch_up().await.iter().for_each(|line| assert!(!line.contains("SLOW"), "{line}"));
    });
}

#[test]
fn what_talk_has_sent_again_counts_again() {
    story_with(few, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..BURST, |n| n.to_string()).await;
        bob.hears_all("alice", 1, 1..BURST, |n| n.to_string()).await;
        bob.talk("alice").await;
        bob.hears_all("alice", BURST, 1..BURST, |n| n.to_string()).await;
        bob.say_all("alice", 1..BURST, |n| n.to_string()).await;
        while !bob.next().await.starts_with("ERR SLOW alice ") {}
    });
}

/// Only bytes are counted.
fn bytes(config: &mut Config) {
    let bytes = Rate { each_second: 100, burst: 1_000 };
    config.rates = Rates { bytes, ..Rates::UNLIMITED };
}

#[test]
fn the_bytes_of_long_answers_count() {
    story_with(bytes, async |world| {
        let alice = world.sign_in(&"a".repeat(32)).await;
        let mut bob = world.sign_in(&"b".repeat(32)).await;
        // 32 characters of 4 bytes.
        bob.blocks(&"\u{10464}".repeat(32)).await;
        for (mut person, question, times, length) in
            [(alice, "ONLINE", 30, 1_000), (bob, "BLOCKS", 7, 700)]
        {
            person.talk("carol").await;
            person.send_bytes(format!("{question}\r\n").repeat(times).as_bytes()).await;
            person.say("carol", 1, &"x".repeat(length)).await;
            while !person.next().await.starts_with("ERR SLOW carol 1 ") {}
        }
    });
}

#[test]
fn so_do_those_of_device_lists() {
    story_with(bytes, async |world| {
        let mut bob = world.sign_in("bob").await;
        lists(&mut bob, &first(world, "bob")).await;
        let mut alice = world.sign_in("alice").await;
        alice.talk("john").await;
        alice.send("DEVICES bob").await;
        alice.say("john", 1, &"x".repeat(1_000)).await;
        while !alice.next().await.starts_with("ERR SLOW john 1 ") {}
    });
}
