//! What became of messages, as the plain face tells it: `--receipts` for scripts, refusals and
//! expiry for everybody, `/STATUS` for whoever asks.

use crate::programs::{Finished, Launch, Program};
use crate::script::{Caller, Stage};
use crate::world::{World, story};

/// John's client with more flags, which follows and talks to marie, and its connection.
async fn john(world: &World, stage: &Stage, flags: &[&str]) -> (Program, Caller) {
    let john = Launch::at(stage.address(), "john", &world.path("john")).to("marie");
    let john = john.with(&["--follow"]).with(flags).start();
    let caller = stage.receive_talking("TALK marie 0", "TALKING marie away 0 0 0 0 0").await;
    (john, caller)
}

async fn interrupt(john: Program) -> Finished {
    john.signal("INT");
    let john = john.end().await;
    john.exited(130).printed(&[]);
    john
}

/// The lines for scripts among what it said.
fn receipts(john: &Finished) -> Vec<&str> {
    let is_receipt = |line: &&str| !line.starts_with("-- ") && !line.starts_with("tinychat: ");
    john.err.lines().filter(is_receipt).collect()
}

// For scripts.

#[test]
fn a_script_is_told_each_state_of_each_message_once() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &["--receipts"]).await;
        john.types("one\ntwo\nthree\nfour\n");
        server.expect_messages("marie", 1, &["one", "two", "three", "four"]).await;
        for line in ["STORED marie 1", "STORED marie 3", "STORED marie 1", "DELIVERED marie 2"] {
            server.say(line).await;
            server.catch_up().await;
        }
        server.say_all(&["EXPIRED marie 3", "EXPIRED marie 3", "DELIVERED marie 2"]).await;
        // Apart: together, the second would say what the first implies.
        for line in ["DELIVERED marie 4", "STORED marie 4"] {
            server.say(line).await;
            server.catch_up().await;
        }
        john.says("delivered marie 4").await;
        assert_eq!(
            receipts(&interrupt(john).await),
            [
                "stored marie 1",
                "stored marie 2",
                "stored marie 3",
                "delivered marie 1",
                "delivered marie 2",
                "expired marie 3",
                // Delivered implies stored.
                "stored marie 4",
                "delivered marie 4",
            ]
        );
    });
}

#[test]
fn a_script_is_told_nothing_twice_across_connections() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &["--receipts"]).await;
        john.types("one\ntwo\n");
        server.expect_messages("marie", 1, &["one", "two"]).await;
        server.say("STORED marie 1").await;
        john.says("stored marie 1").await;
        drop(server);
        let talking = "TALKING marie away 2 2 1 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        server.say_all(&["STORED marie 2", "DELIVERED marie 1"]).await;
        server.catch_up().await;
        john.says("delivered marie 1").await;
        assert_eq!(
            receipts(&interrupt(john).await),
            ["stored marie 1", "stored marie 2", "delivered marie 1"]
        );
    });
}

#[test]
fn scripts_that_did_not_ask_for_receipts_are_told_none() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john(world, &stage, &[]).await;
        john.types("one\n");
        server.expect_messages("marie", 1, &["one"]).await;
        server.say("DELIVERED marie 1").await;
        server.catch_up().await;
        interrupt(john).await.was_quiet();
    });
}

// For everybody.

/// What is said of a message that the server refuses, for each way to refuse it.
const REFUSALS: [(&str, &str, &str); 3] = [
    ("ERR FULL marie 2 3 messages wait", "full", "3 messages wait"),
    ("ERR STORE marie 2 the disk is full", "store", "the disk is full"),
    ("ERR SLOW marie 2 1000 ten a second", "slow", "ten a second"),
];

#[test]
fn a_refusal_is_told_with_its_reason_and_once_however_often_it_is_tried_again() {
    story(async |world| {
        for (refusal, code, because) in REFUSALS {
            let stage = Stage::open().await;
            let (mut john, mut server) = john(world, &stage, &["--receipts"]).await;
            john.types("one\ntwo\n");
            server.expect_messages("marie", 1, &["one", "two"]).await;
            for _ in 0..3 {
                server.say_all(&["STORED marie 1", refusal, "ROOM marie"]).await;
                server.expect("TALK marie 0").await;
                server.say("TALKING marie away 1 1 0 0 0").await;
                server.expect_messages("marie", 2, &["two"]).await;
            }
            server.say("STORED marie 2").await;
            john.says("stored marie 2").await;
            let john = interrupt(john).await;
            let refused = format!("refused marie 2 {code}: {because}");
            assert_eq!(receipts(&john), ["stored marie 1", &refused, "stored marie 2"]);
            let sentence = format!("marie cannot be sent more for now: {because}");
            assert_eq!(john.err.matches(&sentence).count(), 1, "{}", john.err);
            std::fs::remove_dir_all(world.path("john")).unwrap();
        }
    });
}

#[test]
fn another_message_that_is_refused_is_told_again() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &["--receipts"]).await;
        john.types("one\ntwo\n");
        server.expect_messages("marie", 1, &["one", "two"]).await;
        server.say_all(&["ERR FULL marie 1 no room", "ROOM marie"]).await;
        server.expect("TALK marie 0").await;
        server.say("TALKING marie away 0 0 0 0 0").await;
        server.expect_messages("marie", 1, &["one", "two"]).await;
        server.say_all(&["STORED marie 1", "ERR FULL marie 2 no room"]).await;
        john.says("refused marie 2 full").await;
        assert_eq!(
            receipts(&interrupt(john).await),
            ["refused marie 1 full: no room", "stored marie 1", "refused marie 2 full: no room"]
        );
    });
}

#[test]
fn refusals_and_expiry_are_told_also_where_nobody_asked_for_receipts() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &[]).await;
        john.types("one\ntwo\n");
        server.expect_messages("marie", 1, &["one", "two"]).await;
        server.say("EXPIRED marie 1").await;
        john.says("message 1 to marie expired: the server kept it as long as").await;
        server.say("ERR STORE marie 2 the disk is full").await;
        john.says("marie cannot be sent more for now: the disk is full").await;
        interrupt(john).await;
    });
}

#[test]
fn what_comes_back_is_told_with_its_next_number_and_rests_the_third_time() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &[]).await;
        john.types("one\n");
        server.expect_messages("marie", 1, &["one"]).await;
        let not_taken = "the program of marie could not open message";
        server.say("BOUNCED marie 1").await;
        john.says(&format!("{not_taken} 1, or knows its number; it is sent again, as message 2"))
            .await;
        server.expect_messages("marie", 2, &["one"]).await;
        server.say("BOUNCED marie 2").await;
        john.says(&format!("{not_taken} 2, or knows its number; it is sent again")).await;
        // Then its folder counts on its own.
        let talking = "TALKING marie away 0 0 0 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        server.expect_messages("marie", 1, &["one"]).await;
        server.say("BOUNCED marie 1").await;
        john.says("and not for the first time; it is kept, and sent again at the next start").await;
        interrupt(john).await;
        let (john, mut server) = self::john(world, &stage, &[]).await;
        server.expect_messages("marie", 3, &["one"]).await;
        interrupt(john).await;
    });
}

// For whoever asks.

#[test]
fn status_says_how_the_line_is_and_what_has_not_arrived() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut john, mut server) = john(world, &stage, &["--receipts", "--commands"]).await;
        john.types("/status\n");
        john.says(&format!("connected to {} as john since 20", stage.address())).await;
        john.says("all that you wrote is delivered").await;
        john.types("one\ntwo\nthree\nfour\n");
        server.expect_messages("marie", 1, &["one", "two", "three", "four"]).await;
        server.say_all(&["STORED marie 3", "DELIVERED marie 1"]).await;
        john.says("delivered marie 1").await;
        john.types("/STATUS\n");
        john.says(
            "marie: 1 message not sent yet, 2 stored and not delivered yet; the oldest is of 20",
        )
        .await;
        john.types("/TALK anna\nfive\nsix\n/STATUS\n");
        john.says("anna: 2 messages not sent yet, 0 stored and not delivered yet; the oldest")
            .await;
        john.says("marie: 1 message not sent yet, 2 stored").await;
        john.says(
            "in all: 3 messages not sent yet, 2 stored and not delivered yet; the oldest is of 20",
        )
        .await;
        drop(server);
        john.says("is away").await;
        drop(stage);
        john.types("/STATUS\n");
        john.says("is away since 20").await;
        interrupt(john).await.said("3 messages not sent yet; kept; goes out");
    });
}
