//! Whom one does not want to hear: BLOCK, and what strangers may leave. What the blocked weigh, and are told, is in
//! `burden`.

use std::time::Duration;

use tinychat::mailbox::{EmbeddedMailbox, Mailbox, Standing};
use tinychat::message::SessionKey;
use tinychat::server::Config;

use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::Launch;
use crate::terminal::Terminal;
use crate::world::{World, patiently, story, story_with};

fn from_eve_to_marie() -> SessionKey {
    SessionKey::new("eve".parse().unwrap(), "marie".parse().unwrap()).unwrap()
}

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

/// What expires does so at the next look, which is soon, but nothing does before it is blocked.
fn briefly(config: &mut Config) {
    config.keep = Some(Duration::from_millis(1));
    config.timing.sweep = Duration::from_millis(10);
}

#[test]
fn who_is_blocked_sees_somebody_who_never_comes() {
    story(async |world| {
        let (mut eve, mut marie) = world.blocked("eve", "marie").await;
        eve.say("marie", 1, "hello?").await;
        eve.expect("STORED marie 1").await;
        assert_eq!(eve.talk("marie").await, "away 1 1 0 0");
        eve.send("ONLINE").await;
        assert_eq!(eve.next().await, "ONLINE 1 4\neve");
        marie.hears_nothing().await;
        // Nor do they meet in a new conversation, or on a new connection.
        assert_eq!(marie.talk("eve").await, "online 0 0 0 0");
        marie.hears_nothing().await;
        let mut marie = world.sign_in("marie").await;
        assert_eq!(marie.talk("eve").await, "online 0 0 0 0");
        marie.hears_nothing().await;
        marie.send("CLOSE eve").await;
        marie.hears_nothing().await;
        eve.say("marie", 2, "hello??").await;
        eve.expect("STORED marie 2").await;
        eve.hears_nothing().await;
        marie.hears_nothing().await;
        marie.send("BLOCKS").await;
        assert_eq!(marie.next().await, "BLOCKS 4\neve");
    });
}

#[test]
fn what_a_blocked_person_writes_is_not_kept_and_expires_in_its_time() {
    story(async |world| {
        let (mut eve, _marie) = world.blocked("eve", "marie").await;
        let secret = "a sentence that nobody should keep";
        eve.say("marie", 1, secret).await;
        eve.expect("STORED marie 1").await;
        let found = files_with(&world.disk(), secret.as_bytes());
        assert!(found.is_empty(), "it is in {found:?}");
        world.restart_with(briefly).await;
        let mut eve = world.sign_in("eve").await;
        let expired = async {
            while !eve.settle("marie", 0).await.contains(&"EXPIRED marie 1".to_string()) {}
        };
        patiently("it has expired", expired).await;
    });
}

/// The files below a folder in which these bytes are.
fn files_with(folder: &std::path::Path, bytes: &[u8]) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files_with(&path, bytes));
        } else if std::fs::read(&path).unwrap().windows(bytes.len()).any(|it| it == bytes) {
            found.push(path);
        }
    }
    found
}

#[test]
fn who_is_no_longer_blocked_is_heard_from_then_on() {
    story(async |world| {
        let mut eve = world.sign_in("eve").await;
        let mut marie = world.sign_in("marie").await;
        eve.talk("marie").await;
        eve.say("marie", 1, "before").await;
        eve.expect("STORED marie 1").await;
        marie.expect("WAITING eve 1").await;
        // Before reading.
        marie.blocks("eve").await;
        eve.expect("PRESENCE marie away").await;
        eve.say_all("marie", 2..=4, numbered).await;
        eve.expect("STORED marie 4").await;
        marie.talk("eve").await;
        marie.send("UNBLOCK eve").await;
        marie.expect("UNBLOCKED eve").await;
        let told = eve.catch_up_with_receipts().await;
        for n in 1..=4 {
            assert!(told.contains(&format!("EXPIRED marie {n}")), "{n}: {told:?}");
        }
        assert!(told.contains(&"PRESENCE marie online".to_string()), "{told:?}");
        eve.say("marie", 5, "at last").await;
        marie.hears("eve", 1, 5, "at last").await;
        marie.ack("eve", 1).await;
        eve.expect("DELIVERED marie 5").await;
        marie.send("UNBLOCK eve").await;
        marie.expect("UNBLOCKED eve").await;
        eve.say("marie", 6, "and again").await;
        marie.hears("eve", 2, 6, "and again").await;
    });
}

#[test]
fn a_block_survives_a_restart_and_ends_without_a_word_of_what_was_not_kept() {
    story(async |world| {
        let mut eve = world.sign_in("eve").await;
        let mut marie = world.sign_in("marie").await;
        marie.blocks("eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 1..=3, numbered).await;
        eve.expect("STORED marie 3").await;
        world.restart().await;
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.hears_nothing().await;
        marie.send("UNBLOCK eve").await;
        marie.expect("UNBLOCKED eve").await;
        marie.hears_nothing().await;
        world.restart().await;
        let mut eve = world.sign_in("eve").await;
        let lines = eve.settle("marie", 0).await;
        assert_eq!(lines[..3], ["EXPIRED marie 1", "EXPIRED marie 2", "EXPIRED marie 3"]);
        eve.say("marie", 4, "now").await;
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.hears("eve", 1, 4, "now").await;
    });
}

#[test]
fn what_was_not_kept_is_never_delivered_whatever_became_of_the_block() {
    story(async |world| {
        let mut eve = world.sign_in("eve").await;
        let mut marie = world.sign_in("marie").await;
        marie.blocks("eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 1..=3, numbered).await;
        eve.expect("STORED marie 3").await;
        world.stop().await;
        let mailbox = EmbeddedMailbox::open(&world.path("server")).unwrap();
        mailbox.keep_standing(&from_eve_to_marie(), None);
        mailbox.close().await;
        drop(mailbox);
        world.start().await;
        let mut marie = world.sign_in("marie").await;
        marie.expect("WAITING eve 3").await;
        assert_eq!(marie.talk("eve").await, "away 0 0 0 0");
        marie.hears_nothing().await;
        let mut eve = world.sign_in("eve").await;
        let expired = async {
            while !eve.settle("marie", 0).await.contains(&"EXPIRED marie 3".to_string()) {}
        };
        patiently("all has expired", expired).await;
        eve.say("marie", 4, "").await;
        marie.hears("eve", 1, 4, "").await;
    });
}

#[test]
fn only_others_are_blocked_and_not_without_end() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.send("BLOCK marie").await;
        marie.expect("ERR SELF marie").await;
        for n in 1..=1_000 {
            marie.blocks(&format!("eve{n}")).await;
        }
        marie.send("BLOCK eve").await;
        marie.expect("ERR BLOCK eve").await;
        marie.send("UNBLOCK eve7").await;
        marie.expect("UNBLOCKED eve7").await;
        marie.blocks("eve").await;
        marie.blocks("eve").await;
        marie.barrier().await;
    });
}

// Strangers.

fn three_for_a_stranger(config: &mut Config) {
    config.quota.first_contact = 3;
}

/// Leaves messages of which one is too much for a stranger.
async fn is_refused_behind(world: &World, from: &str, whom: &str, n: u64) {
    let mut stranger = world.sign_in(from).await;
    stranger.talk(whom).await;
    stranger.say_all(whom, 1..=n + 1, numbered).await;
    let told = stranger.catch_up().await;
    let beginning = format!("ERR FULL {whom} {} {n} messages ", n + 1);
    let told = told.iter().find(|line| line.starts_with(&beginning)).expect("a refusal");
    assert!(told.ends_with(&format!("as long as {whom} does not talk to you")), "{told}");
    stranger.quit().await;
}

/// Leaves that much, and nothing is said against it.
async fn may_leave(world: &World, from: &str, whom: &str, numbers: std::ops::RangeInclusive<u64>) {
    let mut known = world.sign_in(from).await;
    known.talk(whom).await;
    known.say_all(whom, numbers, numbered).await;
    let told = known.catch_up().await;
    assert!(!told.iter().any(|line| line.starts_with("ERR")), "{told:?}");
    known.quit().await;
}

#[test]
fn a_stranger_may_leave_little_until_one_talks_to_them() {
    story_with(three_for_a_stranger, async |world| {
        is_refused_behind(world, "eve", "marie", 3).await;
        let mut marie = world.sign_in("marie").await;
        assert_eq!(marie.talk("eve").await, "away 0 0 0 3");
        marie.hears_all("eve", 1, 1..=3, numbered).await;
        marie.ack("eve", 3).await;
        marie.barrier().await;
        marie.quit().await;
        may_leave(world, "eve", "marie", 4..=9).await;
        // And that is remembered.
        world.restart().await;
        may_leave(world, "eve", "marie", 10..=12).await;
        is_refused_behind(world, "mallory", "marie", 3).await;
    });
}

#[test]
fn whom_one_wrote_to_is_no_stranger() {
    story_with(three_for_a_stranger, async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "do write").await;
        marie.talk_until_stored("john").await;
        marie.quit().await;
        may_leave(world, "john", "marie", 1..=6).await;
        world.restart().await;
        may_leave(world, "john", "marie", 7..=9).await;
    });
}

#[test]
fn a_stranger_whose_words_are_taken_is_told_of_room_and_goes_on() {
    story_with(three_for_a_stranger, async |world| {
        let mut eve = world.sign_in("eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 1..=5, numbered).await;
        let told = eve.catch_up().await;
        assert!(told.iter().any(|line| line.starts_with("ERR FULL marie 4 ")), "{told:?}");
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.hears_all("eve", 1, 1..=3, numbered).await;
        marie.ack("eve", 3).await;
        eve.expect("PRESENCE marie online").await;
        eve.expect("ROOM marie").await;
        assert_eq!(eve.talk("marie").await, "online 3 3 3 0");
        eve.say_all("marie", 4..=5, numbered).await;
        marie.hears_all("eve", 4, 4..=5, numbered).await;
    });
}

// At the client.

#[test]
fn a_request_is_announced_and_refused_before_it_is_read() {
    story(async |world| {
        Launch::of(world, "eve").to("john").pipe("buy\nmine\n").await.exited(0);
        let mut marie = world.sign_in("marie").await;
        let mut john = Terminal::open(Launch::of(world, "john").to("marie"));
        john.sees(
            "2 messages from eve, who is new to you; /TALK eve to read, /BLOCK eve to refuse",
        );
        john.types("/block eve");
        john.sees("you hear no more of eve, to whom you seem to be away; /UNBLOCK eve ends that");
        Launch::of(world, "eve").to("john").pipe("now!\n").await.exited(0);
        john.types("/BLOCK");
        john.sees("you block eve");
        marie.talk("john").await;
        marie.say("john", 1, "hello").await;
        john.sees("marie: hello");
        john.types("/UNBLOCK eve");
        john.sees("eve reaches you again; what eve wrote meanwhile is gone");
        john.types("/BLOCK");
        john.sees("you block nobody");
        Launch::of(world, "eve").to("john").pipe("sorry\n").await.exited(0);
        john.types("/TALK eve");
        john.sees("eve: sorry");
        john.types("/QUIT");
        let screen = john.ends(0);
        for unheard in ["buy", "mine", "now!"] {
            assert!(!screen.contains(unheard), "{screen}");
        }
    });
}

#[test]
fn whoever_blocks_while_the_server_is_away_blocks_when_it_comes_back() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        let address = world.address();
        world.stop().await;
        let mut john = Launch::at(address, "john", &world.path("john"))
            .to("marie")
            .with(&["--follow", "--timeout", "10m", "--commands"])
            .start();
        john.says("is away").await;
        john.types("/BLOCK eve\n/BLOCK john\n/QUIT\n");
        world.start().await;
        john.says("you hear no more of eve").await;
        john.end().await.exited(1).said("you cannot block yourself");
        let asked = Launch::of(world, "john").to("marie").with_commands().pipe("/BLOCK\n").await;
        asked.exited(0).said("you block eve");
    });
}

#[test]
fn operators_set_what_a_stranger_may_leave_and_a_removed_name_is_unknown_to_all() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &["--first-contact", "2"]).await;
        let mut eve = sign_in(world, address, "eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 1..=3, numbered).await;
        let told = eve.catch_up().await;
        assert!(told.iter().any(|line| line.starts_with("ERR FULL marie 3 ")), "{told:?}");
        let mut marie = sign_in(world, address, "marie").await;
        marie.send("BLOCK eve").await;
        marie.expect("WAITING eve 2").await;
        marie.expect("BLOCKED eve").await;
        // A backup has it.
        let file = world.path("backup");
        let backup = Launch::operator(&["backup"]).on(&data).with(&[file.to_str().unwrap()]);
        backup.pipe("").await.exited(0);
        let restored = world.path("server-2");
        let restore = Launch::operator(&["restore"]).on(&restored).with(&[file.to_str().unwrap()]);
        restore.pipe("").await.exited(0);
        let mailbox = EmbeddedMailbox::open(&restored).unwrap();
        let standings = mailbox.standings().await.unwrap();
        assert_eq!(standings, [(from_eve_to_marie(), Standing::Blocked)]);
        operate(&["user", "remove", "eve"], &data).await.exited(0);
        marie.send("BLOCKS").await;
        assert_eq!(marie.next().await, "BLOCKS 0");
        stop(server).await;
        operate(&["--first-contact", "few"], &data).await.exited(2);
    });
}
