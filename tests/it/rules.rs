//! What the rules of delivery ask of a client, one story for each: first as the sender, then as the
//! receiver. The story plays the server. The numbers are those of the chapter Delivery in `src/wire/mod.rs`.
//!
//! A store that cannot be written is one with a trigger that refuses: that is as good as a full
//! disk, and as quick as a story wants it.

use std::path::PathBuf;

use async_channel::Receiver;
use rusqlite::Connection;
use tinychat::client::{Client, Command, Config, Ending, Event, Failure};
use tinychat::message::Name;

use crate::programs::Launch;
use crate::script::{Caller, Stage, message};
use crate::world::{FIRST_INSTALLATION, SECOND_INSTALLATION, World, patiently, story};

/// The answer to a first `TALK` with marie.
const NOTHING_YET: &str = "TALKING marie away 0 0 0 0 0";

/// John's client without a face.
struct John {
    client: Client,
    events: Receiver<Event>,
}

impl John {
    fn start(stage: &Stage, data: PathBuf) -> Self {
        let server = stage.address().to_string().parse().unwrap();
        let config = Config { tls: false, ..Config::new(server, name("john"), data) };
        let (client, events) = Client::start(config, None).unwrap();
        Self { client, events }
    }

    async fn talks(&self, peer: &str) {
        self.client.give(Command::Talk(name(peer))).await;
    }

    async fn says(&self, texts: &[&str]) {
        for text in texts {
            let (peer, text) = (name("marie"), (*text).into());
            self.client.give(Command::Send { peer, text }).await;
        }
    }

    /// Once it has obeyed all commands: what it has told, and what it has not sent or not delivered.
    async fn catch_up(&self) -> (Vec<String>, String) {
        self.client.give(Command::Status).await;
        let mut told = Vec::new();
        loop {
            let event = patiently("an event of the client", self.events.recv()).await.unwrap();
            if let Event::Status(pending) = event {
                let summary = pending.iter().map(|it| {
                    format!("{}: {} unsent, {} undelivered", it.peer, it.unsent, it.undelivered)
                });
                return (told, summary.collect::<Vec<_>>().join("; "));
            }
            told.extend(describe(event));
        }
    }

    /// It ends because it could not write. Gives what it had told.
    async fn fails_to_store(self) -> Vec<String> {
        let mut told = Vec::new();
        loop {
            let event = patiently("the end of the client", self.events.recv()).await.unwrap();
            if let Event::Ended(Ending { failure, .. }) = event {
                assert!(matches!(failure, Some(Failure::Store(_))), "{failure:?}");
                break;
            }
            told.extend(describe(event));
        }
        self.client.join().await;
        told
    }

    /// It leaves while its server is gone.
    async fn leaves(self, server: Caller) {
        drop(server);
        self.client.give(Command::Leave).await;
        patiently("the client ends", self.client.join()).await;
    }
}

/// What concerns messages, in words.
fn describe(event: Event) -> Option<String> {
    match event {
        Event::Receipts { peer, stored, delivered } => {
            Some(format!("{peer}: stored {stored:?}, delivered {delivered:?}"))
        }
        Event::Expired { peer, n } => Some(format!("{peer}: expired {n}")),
        Event::Refused { peer, n, .. } => Some(format!("{peer}: refused {n}")),
        Event::Message(it) => Some(format!("{}: {}", it.peer, String::from_utf8_lossy(&it.body))),
        Event::Waiting { peer, count, .. } => Some(format!("{peer}: {count} waiting")),
        Event::Objection { because } => Some(because),
        Event::Ended(ending) => Some(format!("{ending:?}")),
        _ => None,
    }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Once commands and frames have been handled: what the client said to the server, and to the face.
async fn catch_up(john: &John, server: &mut Caller) -> (Vec<String>, Vec<String>) {
    let (mut told, _) = john.catch_up().await;
    let said = server.catch_up().await;
    told.extend(john.catch_up().await.0);
    (said, told)
}

/// John's client and its connection, on which it talks to marie for the first time.
async fn john_talks(world: &World, stage: &Stage) -> (John, Caller) {
    let john = John::start(stage, world.path("john"));
    john.talks("marie").await;
    let server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
    (john, server)
}

/// The same, after he has written these and the server has read them.
async fn john_writes(world: &World, stage: &Stage, texts: &[&str]) -> (John, Caller) {
    let (john, mut server) = john_talks(world, stage).await;
    john.says(texts).await;
    server.expect_messages("marie", 1, texts).await;
    (john, server)
}

fn store(world: &World) -> Connection {
    Connection::open(world.path("john").join("messages.db")).unwrap()
}

/// Each message of John's store: its number, state and text.
fn rows(world: &World) -> Vec<String> {
    let store = store(world);
    let columns = "n || ' ' || state || ' ' || CAST(body AS TEXT)";
    let mut query = store.prepare(&format!("SELECT {columns} FROM message ORDER BY id")).unwrap();
    query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// From now on John's store refuses what this trigger is for, like `UPDATE` with a condition.
async fn make_store_refuse(world: &World, stage: &Stage, change: &str, condition: &str) {
    let (john, server) = john_talks(world, stage).await;
    john.leaves(server).await;
    let refuse = "BEGIN SELECT RAISE(ABORT, 'no room on this disk'); END";
    let trigger =
        format!("CREATE TRIGGER refuse BEFORE {change} ON message WHEN {condition} {refuse}");
    store(world).execute_batch(&trigger).unwrap();
}

fn let_store_take_all(world: &World) {
    store(world).execute_batch("DROP TRIGGER refuse").unwrap();
}

// The sender. 1: numbers.

#[test]
fn a_number_is_made_once_whatever_kills_come_between() {
    story(async |world| {
        let stage = Stage::open().await;
        let (mut texts, mut installations) = (Vec::new(), Vec::new());
        for round in 1..=4 {
            let data = world.path("john");
            let john = Launch::at(stage.address(), "john", &data)
                .to("marie")
                .with(&["--follow", "--commands"]);
            let mut john = john.start();
            let mut server = stage.receive().await;
            installations.push(server.installation.clone());
            server.expect("TALK marie 0").await;
            let text = format!("message {round}");
            john.types(format!("{text}\n/STATUS\n"));
            texts.push(text);
            john.says(&format!("marie: {round} message")).await;
            // Every other time it dies before anything could be sent, and never with a receipt.
            if round % 2 == 0 {
                server.say(NOTHING_YET).await;
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                server.expect_messages("marie", 1, &texts).await;
            }
            john.kill().await;
            let expected = texts.iter().zip(1..).map(|(text, n)| format!("{n} waiting {text}"));
            assert_eq!(rows(world), expected.collect::<Vec<_>>(), "on disk before it was sent");
        }
        installations.dedup();
        assert_eq!(installations.len(), 1);
    });
}

// 2: no message before TALKING.

#[test]
fn nothing_old_and_nothing_new_is_sent_before_talking() {
    story(async |world| {
        let stage = Stage::open().await;
        for (round, text) in (1..).zip(["old", "new"]) {
            let john = John::start(&stage, world.path("john"));
            john.talks("marie").await;
            let mut server = stage.receive().await;
            server.expect("TALK marie 0").await;
            john.says(&[text]).await;
            assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]));
            if round == 2 {
                server.say(NOTHING_YET).await;
                server.expect_messages("marie", 1, &["old", "new"]).await;
            }
            john.leaves(server).await;
        }
    });
}

#[test]
fn nothing_is_sent_between_a_refusal_and_talking() {
    story(async |world| {
        for refusal in ["FULL marie 2 full", "STORE marie 2 no disk", "SLOW marie 2 1000 slow"] {
            let stage = Stage::open().await;
            let (john, mut server) = john_writes(world, &stage, &["one", "two", "three"]).await;
            server.say(&format!("ERR {refusal}")).await;
            server.catch_up().await;
            john.says(&["four"]).await;
            let refused = vec!["marie: refused 2".to_string()];
            assert_eq!(catch_up(&john, &mut server).await, (vec![], refused), "{refusal}");
            server.say("ROOM marie").await;
            server.expect("TALK marie 0").await;
            john.says(&["five"]).await;
            assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "{refusal}");
            server.say("TALKING marie away 1 1 0 0 0").await;
            server.expect_messages("marie", 2, &["two", "three", "four", "five"]).await;
            john.leaves(server).await;
            std::fs::remove_dir_all(world.path("john")).unwrap();
        }
    });
}

#[test]
fn after_a_refusal_the_client_talks_again_by_itself() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one"]).await;
        server.say("ERR SLOW marie 1 1 wait a second").await;
        server.expect("TALK marie 0").await;
        server.say(NOTHING_YET).await;
        server.expect_messages("marie", 1, &["one"]).await;
        john.leaves(server).await;
    });
}

// 2 and 3: what TALKING says.

#[test]
fn talking_is_a_receipt_and_the_rest_is_sent_in_order() {
    story(async |world| {
        let stage = Stage::open().await;
        let texts = ["one", "two", "three", "four", "five"];
        let (john, server) = john_writes(world, &stage, &texts).await;
        drop(server);
        let talking = "TALKING marie away 3 2 1 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        server.expect_messages("marie", 4, &["four", "five"]).await;
        john.says(&["six"]).await;
        server.expect_messages("marie", 6, &["six"]).await;
        let told = vec!["marie: stored [1, 2], delivered [1]".to_string()];
        assert_eq!(catch_up(&john, &mut server).await, (vec![], told));
        drop(server);
        // What is final is on disk, and the server may forget it.
        let mut server = stage.receive().await;
        server.expect("TALK marie 1").await;
        john.leaves(server).await;
    });
}

// 2, and the server's 1: have.

#[test]
fn what_the_server_has_is_neither_sent_again_nor_called_stored() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, server) = john_writes(world, &stage, &["one", "two", "three"]).await;
        drop(server);
        let talking = "TALKING marie away 3 0 0 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]));
        assert_eq!(john.catch_up().await.1, "marie: 3 unsent, 0 undelivered");
        drop(server);
        // It lost two of them in a crash.
        let talking = "TALKING marie away 1 1 0 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        server.expect_messages("marie", 2, &["two", "three"]).await;
        john.leaves(server).await;
    });
}

// 3: how long a body is kept.

#[test]
fn what_is_stored_is_sent_again_to_a_server_that_lost_it_until_its_fate_is_final() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one", "two", "three"]).await;
        server.say("STORED marie 3").await;
        server.catch_up().await;
        drop(server);
        let mut server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
        server.expect_messages("marie", 1, &["one", "two", "three"]).await;
        server.say_all(&["STORED marie 3", "DELIVERED marie 1", "EXPIRED marie 2"]).await;
        server.catch_up().await;
        drop(server);
        let mut server = stage.receive_talking("TALK marie 2", NOTHING_YET).await;
        server.expect_messages("marie", 3, &["three"]).await;
        let (said, told) = catch_up(&john, &mut server).await;
        assert_eq!(said, [""; 0]);
        let once = [
            "marie: stored [1, 2, 3], delivered []",
            "marie: stored [], delivered [1]",
            "marie: expired 2",
        ];
        assert_eq!(told, once);
        john.leaves(server).await;
    });
}

// 3: receipts.

#[test]
fn final_fates_stay_and_old_receipts_change_nothing() {
    story(async |world| {
        let stage = Stage::open().await;
        let texts = ["one", "two", "three", "four"];
        let (john, mut server) = john_writes(world, &stage, &texts).await;
        server.say_all(&["EXPIRED marie 2", "DELIVERED marie 3"]).await;
        let told = ["marie: expired 2", "marie: stored [1, 3], delivered [1, 3]"];
        assert_eq!(catch_up(&john, &mut server).await, (vec![], told.map(Into::into).to_vec()));
        for old in ["EXPIRED marie 1", "EXPIRED marie 2", "DELIVERED marie 2", "STORED marie 3"] {
            server.say(old).await;
            assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "{old}");
        }
        let expected = ["1 delivered one", "2 expired two", "3 delivered three", "4 waiting four"];
        assert_eq!(rows(world), expected);
        john.leaves(server).await;
    });
}

#[test]
fn a_server_that_knows_less_after_a_crash_takes_no_receipt_back() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one", "two", "three"]).await;
        server.say_all(&["EXPIRED marie 1", "DELIVERED marie 2", "STORED marie 3"]).await;
        server.catch_up().await;
        john.catch_up().await;
        let known = ["1 expired one", "2 delivered two", "3 stored three"];
        // The removal was not on its disk; then nothing was; then it hears of it again.
        for (talking, sent) in [
            ("TALKING marie away 3 2 1 0 0", &[][..]),
            ("TALKING marie away 0 0 0 0 0", &["three"]),
            ("TALKING marie away 3 3 0 0 0", &[]),
        ] {
            drop(server);
            server = stage.receive_talking("TALK marie 2", talking).await;
            server.expect_messages("marie", 3, sent).await;
            assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "{talking}");
            assert_eq!(rows(world), known, "{talking}");
            assert_eq!(john.catch_up().await.1, "marie: 0 unsent, 1 undelivered");
        }
        server.say("DELIVERED marie 2").await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]));
        server.say("DELIVERED marie 3").await;
        let told = "marie: stored [], delivered [3]".to_string();
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![told]));
        john.leaves(server).await;
    });
}

// 6: refusals between TALK and TALKING.

#[test]
fn a_refusal_of_the_time_before_talk_is_ignored() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one"]).await;
        server.say_all(&["ERR FULL marie 1 full", "ROOM marie"]).await;
        server.expect("TALK marie 0").await;
        let refused = vec!["marie: refused 1".to_string()];
        assert_eq!(catch_up(&john, &mut server).await, (vec![], refused));
        // Taken seriously, the last one would have TALK sent again at once.
        for late in ["FULL marie 1 late", "STORE marie 1 late", "SLOW marie 1 0 late"] {
            server.say(&format!("ERR {late}")).await;
            assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "{late}");
        }
        server.say(NOTHING_YET).await;
        server.expect_messages("marie", 1, &["one"]).await;
        john.leaves(server).await;
    });
}

// 3: final fates are on disk before they are shown.

#[test]
fn a_final_fate_that_cannot_be_written_is_not_shown() {
    story(async |world| {
        for (state, receipt) in [("delivered", "DELIVERED marie 1"), ("expired", "EXPIRED marie 1")]
        {
            let stage = Stage::open().await;
            let condition = format!("new.state = '{state}'");
            make_store_refuse(world, &stage, "UPDATE OF state", &condition).await;
            let (john, mut server) = john_writes(world, &stage, &["one"]).await;
            server.say(receipt).await;
            assert_eq!(john.fails_to_store().await, [""; 0], "{receipt}");
            assert_eq!(rows(world), ["1 waiting one"], "{receipt}");
            let_store_take_all(world);
            // The next time it is not settled, and told.
            let john = John::start(&stage, world.path("john"));
            john.talks("marie").await;
            let mut server = stage.receive().await;
            server.expect("TALK marie 0").await;
            server.say_all(&["TALKING marie online 1 1 0 0 0", receipt]).await;
            let (said, told) = catch_up(&john, &mut server).await;
            assert_eq!(said, [""; 0], "{receipt}");
            assert!(told.iter().any(|it| it.contains(state)), "{receipt}: {told:?}");
            assert_eq!(rows(world), [format!("1 {state} one")]);
            john.leaves(server).await;
            std::fs::remove_dir_all(world.path("john")).unwrap();
        }
    });
}

// 5: copied and restored folders; `copies` tells of real ones.

#[test]
fn a_server_that_has_more_than_was_sent_has_the_client_count_anew() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = John::start(&stage, world.path("john"));
        john.talks("marie").await;
        let mut server = stage.receive().await;
        let first = server.installation.clone();
        server.expect("TALK marie 0").await;
        john.says(&["one", "two"]).await;
        john.catch_up().await;
        server.say("TALKING marie away 2 2 2 0 0").await;
        let mut server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
        assert_ne!(server.installation, first);
        server.expect_messages("marie", 1, &["one", "two"]).await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "nothing is delivered");
        john.leaves(server).await;
    });
}

// 6: what is told ahead of TALKING.

#[test]
fn what_expired_ahead_of_talking_waits_for_it() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, server) = john_writes(world, &stage, &["one", "two"]).await;
        drop(server);
        let mut server = stage.receive().await;
        server.expect("TALK marie 0").await;
        server.say_all(&["EXPIRED marie 1", "EXPIRED marie 3"]).await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "it is not known whose");
        server.say("TALKING marie away 2 2 1 0 0").await;
        let told = ["marie: expired 1", "marie: stored [2], delivered []"].map(Into::into);
        assert_eq!(catch_up(&john, &mut server).await, (vec![], told.to_vec()));
        assert_eq!(rows(world), ["1 expired one", "2 stored two"]);
        john.leaves(server).await;
    });
}

/// DELIVERED covers what expired, which is told before and held.
#[test]
fn what_is_delivered_ahead_of_talking_waits_for_what_expired() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one", "two"]).await;
        server.say_all(&["ERR FULL marie 2 full", "ROOM marie"]).await;
        server.expect("TALK marie 0").await;
        john.catch_up().await;
        server.say_all(&["EXPIRED marie 1", "STORED marie 2", "DELIVERED marie 1"]).await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]), "nothing is final yet");
        server.say("TALKING marie away 2 2 1 0 0").await;
        let told = ["marie: expired 1", "marie: stored [2], delivered []"].map(Into::into);
        assert_eq!(catch_up(&john, &mut server).await, (vec![], told.to_vec()));
        assert_eq!(rows(world), ["1 expired one", "2 stored two"]);
        john.leaves(server).await;
    });
}

// 4: numbers that were never sent.

#[test]
fn nothing_that_is_said_of_a_number_counts_where_it_was_never_sent() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_writes(world, &stage, &["one"]).await;
        server.say("ERR FULL marie 2 full").await;
        assert_eq!(catch_up(&john, &mut server).await, (vec![], vec![]));
        server.say("ERR FULL marie 1 full").await;
        server.catch_up().await;
        john.says(&["two"]).await;
        john.catch_up().await;
        server.say_all(&["EXPIRED marie 2", "DELIVERED marie 2", "READ marie 2"]).await;
        server.catch_up().await;
        assert_eq!(rows(world), ["1 delivered one", "2 waiting two"]);
        server.say("ROOM marie").await;
        server.expect("TALK marie 1").await;
        server.say("TALKING marie away 1 1 1 0 0").await;
        server.expect_messages("marie", 2, &["two"]).await;
        john.leaves(server).await;
    });
}

// The receiver. 1: on disk, then acknowledged.

#[test]
fn a_receiver_killed_before_its_commit_has_acknowledged_nothing() {
    story(async |world| {
        let stage = Stage::open().await;
        let data = world.path("john");
        let follow =
            || Launch::at(stage.address(), "john", &data).to("marie").with(&["--follow"]).start();
        let john = follow();
        let mut server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
        server.catch_up().await;
        // Nobody else can write while this lasts.
        let lock = store(world);
        lock.execute_batch("BEGIN IMMEDIATE").unwrap();
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
        john.kill().await.printed(&[]);
        assert_eq!(server.rest().await, [""; 0]);
        drop(lock);
        assert_eq!(rows(world), [""; 0]);

        let mut john = follow();
        let mut server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
        server.expect("ACK marie 1").await;
        john.prints("marie: one").await;
    });
}

#[test]
fn a_receiver_killed_after_its_commit_drops_and_acknowledges_what_comes_again() {
    story(async |world| {
        let stage = Stage::open().await;
        let data = world.path("john");
        for round in 0..3 {
            let john = Launch::at(stage.address(), "john", &data).to("marie").with(&["--follow"]);
            let mut john = john.start();
            let mut server = stage.receive_talking("TALK marie 0", NOTHING_YET).await;
            server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
            // Whether the server ever reads this makes no difference to what comes again.
            if round == 0 {
                john.prints("marie: one").await;
            } else {
                server.expect("ACK marie 1").await;
            }
            john.kill().await;
            let rows = rows(world);
            assert!(rows == ["1 received one"] || rows == ["1 shown one"], "once: {rows:?}");
        }
    });
}

// 2: duplicates.

#[test]
fn what_comes_again_is_known_by_its_sender_and_installation() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = John::start(&stage, world.path("john"));
        for peer in ["anna", "marie"] {
            john.talks(peer).await;
        }
        let mut server = stage.receive().await;
        // They may be asked for together or one by one.
        let mut asked = [server.catch_up().await, catch_up(&john, &mut server).await.0].concat();
        asked.sort();
        assert_eq!(asked, ["TALK anna 0", "TALK marie 0"]);
        server.say_all(&["TALKING anna online 0 0 0 0 0", "TALKING marie online 0 0 0 0 0"]).await;
        for (peer, seq, installation, n, text, new) in [
            ("marie", 1, FIRST_INSTALLATION, 1, "one", true),
            ("marie", 2, FIRST_INSTALLATION, 3, "three", true),
            ("marie", 3, SECOND_INSTALLATION, 1, "from elsewhere", true),
            ("anna", 1, FIRST_INSTALLATION, 1, "from anna", true),
            ("marie", 4, FIRST_INSTALLATION, 3, "three", false),
            ("marie", 5, FIRST_INSTALLATION, 1, "one", false),
            ("marie", 6, SECOND_INSTALLATION, 1, "from elsewhere", false),
            ("marie", 7, SECOND_INSTALLATION, 2, "the end", true),
        ] {
            server.say(&message(peer, seq, installation, n, text)).await;
            let (said, told) = catch_up(&john, &mut server).await;
            assert_eq!(said, [format!("ACK {peer} {seq}")]);
            let expected = if new { vec![format!("{peer}: {text}")] } else { vec![] };
            assert_eq!(told, expected, "{peer} {seq}");
        }
        john.leaves(server).await;
    });
}

// 1: everything is stored, or nothing is acknowledged any more.

#[test]
fn a_message_for_a_conversation_that_was_just_closed_is_kept() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_talks(world, &stage).await;
        server.catch_up().await;
        john.client.give(Command::Close(name("marie"))).await;
        server.expect("CLOSE marie").await;
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
        let (said, told) = catch_up(&john, &mut server).await;
        assert_eq!((said, told), (vec!["ACK marie 1".into()], vec!["marie: 1 waiting".into()]));
        john.talks("marie").await;
        server.expect("TALK marie 0").await;
        server.say(NOTHING_YET).await;
        let (said, told) = catch_up(&john, &mut server).await;
        assert_eq!((said, told), (vec![], vec!["marie: one".into()]));
        john.leaves(server).await;
    });
}

#[test]
fn a_client_that_cannot_store_a_message_ends_and_acknowledges_none_behind_it() {
    story(async |world| {
        for together in [false, true] {
            let stage = Stage::open().await;
            let condition = "CAST(new.body AS TEXT) = 'two'";
            make_store_refuse(world, &stage, "INSERT", condition).await;
            let (john, mut server) = john_talks(world, &stage).await;
            let texts = ["one", "two", "three"];
            let [one, two, three] = [1, 2, 3]
                .map(|n| message("marie", n, FIRST_INSTALLATION, n, texts[n as usize - 1]));
            server.say(&one).await;
            server.expect("ACK marie 1").await;
            if together {
                server.say_all(&[&two, &three]).await;
            } else {
                server.say(&two).await;
            }
            assert_eq!(john.fails_to_store().await, ["marie: one"]);
            assert_eq!(server.rest().await, [""; 0], "no ACK, and no goodbye");
            let_store_take_all(world);

            let (john, mut server) = john_talks(world, &stage).await;
            for (seq, n) in [(1, 2), (2, 3)] {
                let text = texts[n as usize - 1];
                server.say(&message("marie", seq, FIRST_INSTALLATION, n, text)).await;
                server.expect(&format!("ACK marie {seq}")).await;
            }
            let (_, told) = catch_up(&john, &mut server).await;
            // The first one was never shown: this face takes none of what it is given as shown.
            let announced = "marie: 1 waiting";
            assert_eq!(told, [announced, "marie: one", "marie: two", "marie: three"]);
            john.leaves(server).await;
            std::fs::remove_dir_all(world.path("john")).unwrap();
        }
    });
}

// What has no number: after a reconnect.

#[test]
fn after_a_reconnect_come_talks_and_nothing_else() {
    story(async |world| {
        let stage = Stage::open().await;
        let (john, mut server) = john_talks(world, &stage).await;
        john.talks("anna").await;
        server.expect("TALK anna 0").await;
        server.say("TALKING anna online 0 0 0 0 0").await;
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
        server.expect("ACK marie 1").await;
        drop(server);
        let mut server = stage.receive().await;
        server.expect_all(&["TALK anna 0", "TALK marie 0"]).await;
        let (said, told) = catch_up(&john, &mut server).await;
        assert_eq!((said, told), (vec![], vec!["marie: one".into()]));
        // It begins again with what was not acknowledged, by the numbers of this connection.
        server.say(NOTHING_YET).await;
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "one")).await;
        server.say(&message("marie", 2, FIRST_INSTALLATION, 2, "two")).await;
        server.catch_up().await;
        assert_eq!(catch_up(&john, &mut server).await.1, ["marie: two"]);
        john.leaves(server).await;
    });
}
