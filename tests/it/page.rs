//! Sentences of the specification that somebody relies on who writes a client from it alone, each spoken from raw bytes.

use std::time::Duration;

use tinychat::mailbox::Usage;
use tinychat::server::Config;
use tinychat::wire::frame::{FileReply, ServerFrame};

use crate::carrying::{Carrier, noise, ticket};
use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::Launch;
use crate::world::{FIRST_INSTALLATION, Peer, World, line, message, story, story_with};

// Sessions.

#[test]
fn a_session_outlives_connections_and_its_numbers_go_on() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        for n in 1..=3 {
            let mut alice = world.sign_in("alice").await;
            assert_eq!(alice.talk("bob").await, format!("online {0} {0} {0} 0", n - 1));
            // What has the number of another one is dropped without a word.
            alice.say("bob", 1, "message 1").await;
            alice.say("bob", n, &format!("message {n}")).await;
            bob.hears("alice", n, n, &format!("message {n}")).await;
            bob.ack("alice", n).await;
            alice.expect(&format!("DELIVERED bob {n}")).await;
            alice.quit().await;
        }
    });
}

#[test]
fn a_number_that_was_left_out_is_covered_by_receipts_and_cannot_come_later() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "one").await;
        alice.say("bob", 5, "five").await;
        bob.hears("alice", 1, 1, "one").await;
        bob.hears("alice", 2, 5, "five").await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 5").await;
        alice.say("bob", 3, "three").await;
        alice.barrier().await;
        bob.hears_nothing().await;
        assert_eq!(alice.talk("bob").await, "online 5 5 5 0");
    });
}

#[test]
fn a_refusal_is_told_once_and_holds_until_talk_also_after_room() {
    let one = |config: &mut Config| config.quota.session = Usage { messages: 1, bytes: 1_000 };
    story_with(one, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=3, |n| n.to_string()).await;
        bob.hears("alice", 1, 1, "1").await;
        alice.expect("ERR FULL bob 2").await;
        bob.ack("alice", 1).await;
        alice.expect("DELIVERED bob 1").await;
        alice.expect("ROOM bob").await;
        for n in 2..=4 {
            alice.say("bob", n, "dropped").await;
            alice.hears_nothing().await;
        }
        assert_eq!(alice.talk("bob").await, "online 1 1 1 0");
        alice.say("bob", 2, "2").await;
        bob.hears("alice", 2, 2, "2").await;
    });
}

// Talking.

#[test]
fn a_talk_that_is_refused_is_answered_with_an_error_alone() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        let mut all: String = (1..=1_000).map(|n| format!("TALK friend{n} 0\r\n")).collect();
        all += "TALK alice 0\r\nTALK bob 0\r\nTALK b:b 0\r\nTALK friend1 0\r\nPING\r\n";
        alice.send_bytes(all.as_bytes()).await;
        for n in 1..=1_000 {
            alice.expect(&format!("TALKING friend{n} away 0 0 0 0 0")).await;
        }
        for answer in [
            "ERR SELF alice",
            "ERR CONVERSATIONS bob",
            "ERR NAME - TALK b:b",
            // One that is open goes on.
            "TALKING friend1 away 0 0 0 0 0",
            "PONG",
        ] {
            alice.expect(answer).await;
        }
        alice.say("bob", 1, "hello").await;
        alice.expect("ERR CLOSED bob").await;
    });
}

#[test]
fn whoever_said_no_name_is_told_in_which_frame() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let said = format!(
            "KEY -x\r\n{}{}BLOCK a/b\r\nPING\r\n",
            message("b:b", 1, "hi"),
            message("bob", 1, "hi")
        );
        alice.send_bytes(said.as_bytes()).await;
        for refused in ["KEY -x", "MSG b:b", "BLOCK a/b"] {
            alice.expect(&format!("ERR NAME - {refused}")).await;
        }
        alice.expect("PONG").await;
        alice.expect("STORED bob 1").await;
        let mut nobody = world.connect().await;
        let key = world.identity("nobody").public();
        nobody.send(&format!("HELLO tinychat/2 no/body {key} {FIRST_INSTALLATION} online")).await;
        nobody.expect("ERR NAME - HELLO no/body").await;
        nobody.end().await;
    });
}

#[test]
fn whoever_speaks_another_version_is_told_which_one_is_spoken() {
    story(async |world| {
        for said in ["HELLO tinychat/3 of a form that nobody knows yet", "CARRY tinychat/1 1"] {
            let mut peer = world.connect().await;
            peer.send(said).await;
            peer.expect("ERR VERSION - tinychat/2").await;
            peer.end().await;
        }
    });
}

#[test]
fn bodies_pass_unchanged_and_both_ends_of_a_line_are_ends() {
    story(async |world| {
        let text = "one\r\ntwo\nthree\r\n\r\nfive";
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, text).await;
        bob.hears("alice", 1, 1, text).await;
        alice.talk("john").await;
        alice.say("john", 1, text).await;
        alice.expect("STORED john 1").await;
        let john = Launch::of(world, "john").to("alice").pipe("").await;
        john.exited(0);
        let printed = john.lines();
        let lines = printed.iter().map(|line| line.trim_start_matches("alice:").trim());
        let lines: Vec<_> = lines.collect();
        assert_eq!(lines, ["one", "two", "three", "", "five"]);
    });
}

#[test]
fn whom_one_blocks_is_told_in_one_body_however_many_they_are() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        // Of the longest names there are: 32 characters of 4 bytes.
        let names: Vec<String> = (0..1_000_u32)
            .map(|n| {
                let letter = |digit| char::from_u32(0x10450 + digit).unwrap();
                let number = [n / 256, n / 16 % 16, n % 16].map(letter);
                std::iter::repeat_n(letter(20), 29).chain(number).collect()
            })
            .collect();
        for block in names.chunks(100) {
            let all: String = block.iter().map(|name| format!("BLOCK {name}\r\n")).collect();
            alice.send_bytes(all.as_bytes()).await;
            for name in block {
                alice.expect(&format!("BLOCKED {name}")).await;
            }
        }
        alice.send("BLOCK bob").await;
        alice.expect("ERR BLOCK bob").await;
        alice.send("BLOCKS").await;
        let ServerFrame::Blocks { names: told } = alice.frame().await else { panic!("BLOCKS") };
        assert_eq!(
            line(&ServerFrame::Blocks { names: told }).split('\n').next(),
            Some("BLOCKS 129000")
        );
    });
}

// Keys.

#[test]
fn a_key_that_was_reset_needs_the_invitation_like_any_other_until_somebody_has_come() {
    story(async |world| {
        for registration in ["open", "invite", "closed"] {
            let data = world.path(registration);
            let (server, address) = serve(&data, &[]).await;
            let mut bob = sign_in(world, address, "bob").await;
            bob.barrier().await;
            bob.quit().await;
            stop(server).await;
            let (server, address) = serve(&data, &["--registration", registration]).await;
            let mut bob = sign_in(world, address, "bob").await;
            let reset = operate(&["user", "reset-key", "bob"], &data).await;
            let printed = reset.text();
            let word: String = printed.split("?invite=").nth(1).unwrap().chars().take(32).collect();
            bob.expect("ERR TAKEN -").await;
            bob.end().await;
            let comes = async |key: &str, word: Option<&str>, answer: &str| {
                let mut peer = world.connect_to(address).await;
                peer.prove_invited("bob", &world.identity(key), word).await;
                peer.expect(answer).await;
            };
            for key in ["bob", "thief"] {
                comes(key, None, "ERR INVITE -").await;
                comes(key, Some(&"0".repeat(32)), "ERR INVITE -").await;
            }
            comes("new key", Some(&word), "WELCOME bob").await;
            comes("bob", None, "ERR TAKEN -").await;
            comes("bob", Some(&word), "ERR TAKEN -").await;
            stop(server).await;
        }
    });
}

// Files.

#[test]
fn behind_the_end_of_a_file_there_is_nothing_to_fetch() {
    story(async |world| {
        let (mut john, mut marie) = (world.sign_in("john").await, world.sign_in("marie").await);
        let blob = Carrier::of(world, &mut john).await.upload("marie", b"hello").await;
        let mut carrier = Carrier::of(world, &mut marie).await;
        for from in ["5", "6", "9223372036854775807"] {
            carrier.send(&format!("FETCH {blob} {from}")).await;
            carrier.send("PING").await;
            carrier.expect(&format!("HAVE {blob} 5")).await;
            carrier.expect("PONG").await;
        }
    });
}

#[test]
fn what_is_there_of_an_upload_is_hashed_from_its_first_byte() {
    story(async |world| {
        let content = noise(100_000);
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        let blob = carrier.offer("marie", content.len()).await;
        carrier.chunk(0, &content[..30_000]).await;
        carrier.chunk(30_000, &content[30_000..70_000]).await;
        carrier.send("PING").await;
        carrier.expect("PONG").await;
        drop((carrier, john));
        world.restart().await;
        let mut john = world.sign_in("john").await;
        let mut carrier = Carrier::of(world, &mut john).await;
        carrier.send(&format!("RESUME {blob}")).await;
        let hash = blake3::hash(&content[..70_000]);
        carrier.expect(&format!("HAVE {blob} 70000 {hash}")).await;
    });
}

#[test]
fn a_connection_for_files_is_refused_in_the_form_of_every_error() {
    story(async |world| {
        let mut john = world.sign_in("john").await;
        let good = ticket(&mut john).await;
        for (said, refused) in [
            (format!("CARRY tinychat/2 {}", "0".repeat(32)), "ERR TICKET - "),
            (format!("CARRY tinychat/3 {good}"), "ERR VERSION - tinychat/2 "),
            (format!("CARRY tinychat/2 {good}\r\nDROP x"), "ERR BAD - "),
            (format!("CARRY tinychat/2 {good}\r\nRESUME {}", "0".repeat(32)), "ERR GONE - "),
        ] {
            let mut carrier = Carrier::on(world.connect().await);
            carrier.send(&said).await;
            carrier.expect(refused).await;
            carrier.ends().await;
        }
    });
}

// Silence.

/// Long enough for a busy machine to answer, and asked often enough to pass the time by it.
const PING_AFTER: Duration = Duration::from_millis(50);
const IDLE_AFTER: Duration = Duration::from_secs(2);

/// How many questions are more than [`IDLE_AFTER`].
const LONG: usize = 50;

fn hasty(config: &mut Config) {
    (config.timing.ping_after, config.timing.idle_after) = (PING_AFTER, IDLE_AFTER);
}

/// Somebody who answers each question, so that the files of theirs may go on.
async fn answers_for_ever(mut person: Peer) {
    while person.next_line().await.is_some_and(|line| line == "PING") {
        person.send("PONG").await;
    }
}

async fn john_carries(world: &World) -> (Carrier, async_std::task::JoinHandle<()>) {
    let mut john = world.sign_in("john").await;
    let carrier = Carrier::of(world, &mut john).await;
    (carrier, async_std::task::spawn(answers_for_ever(john)))
}

#[test]
fn a_silent_connection_for_files_is_asked_and_told_its_end() {
    story_with(hasty, async |world| {
        let (mut carrier, john) = john_carries(world).await;
        // Each of these is an answer, or a question of one's own.
        for said in ["PONG", "PING"].iter().cycle().take(LONG) {
            assert_eq!(asked(&mut carrier).await, FileReply::Ping);
            carrier.send(said).await;
        }
        let mut last = asked(&mut carrier).await;
        while last == FileReply::Ping {
            last = asked(&mut carrier).await;
        }
        let last = line(&last);
        assert!(last.starts_with("ERR TIMEOUT - nothing was heard"), "{last}");
        carrier.ends().await;
        john.cancel().await;
    });
}

/// What the server says next, but for its answers to questions.
async fn asked(carrier: &mut Carrier) -> FileReply {
    loop {
        match carrier.next().await.expect("the server closed") {
            FileReply::Pong => {}
            reply => return reply,
        }
    }
}

#[test]
fn a_chunk_may_take_longer_than_any_silence_as_long_as_bytes_come() {
    story_with(hasty, async |world| {
        let (mut carrier, john) = john_carries(world).await;
        let content = noise(LONG);
        let blob = carrier.offer("marie", content.len()).await;
        carrier.send(&format!("CHUNK 0 {LONG}")).await;
        for byte in content.chunks(1) {
            assert_eq!(carrier.next().await, Some(FileReply::Ping), "it says that it is there");
            carrier.send_bytes(byte).await;
        }
        carrier.send("").await;
        let mut last = asked(&mut carrier).await;
        while last == FileReply::Ping {
            last = asked(&mut carrier).await;
        }
        assert_eq!(line(&last), format!("KEPT {blob}"));
        john.cancel().await;
    });
}
