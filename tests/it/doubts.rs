//! What a client believes of the device lists that a server shows, and what it writes meanwhile. The story plays the
//! server where it lies.

use std::sync::LazyLock;

use bytes::Bytes;
use tinychat::message::{Installation, Timestamp};
use tinychat::trust::Identity;
use tinychat::trust::devices::{Bundle, Device, DeviceKey, DeviceList, Owner, SignedList};
use tinychat::wire::frame::ServerFrame;

use crate::lists::{device_key, prekey_of};
use crate::programs::Launch;
use crate::script::{Caller, Stage};
use crate::world::{Peer, World, story};

/// The key of everybody's data folder.
static FOLDER: LazyLock<DeviceKey> = LazyLock::new(device_key);

/// A version of Marie's list with a prekey, on a server without TLS, signed by somebody; `made` tells lists of one version
/// apart.
pub(crate) fn list(identity: &Identity, version: u64, made: u64) -> Bytes {
    list_of("marie", identity, version, made)
}

/// The same of somebody else.
fn list_of(name: &str, identity: &Identity, version: u64, made: u64) -> Bytes {
    let owner = Owner { server: None, name: name.parse().unwrap(), identity: identity.public() };
    let device = |n| Device { installation: Installation::from_u64(n), key: FOLDER.public() };
    let mut list = DeviceList::first(owner, device(1), Timestamp(made * 1_000));
    for n in 2..=version {
        list = list.with(device(n), Timestamp(made * 1_000)).unwrap();
    }
    let prekey = prekey_of(&list, &FOLDER, 1, 1);
    let list = Bundle::of(SignedList::sign(list, identity).unwrap());
    list.with(prekey).unwrap().bytes().clone()
}

/// What the server has of Marie's list.
pub(crate) fn devices(version: u64, statement: &[u8]) -> String {
    devices_of("marie", version, statement)
}

fn devices_of(name: &str, version: u64, statement: &[u8]) -> String {
    let length = statement.len();
    format!("DEVICES {name} {version} {length}\r\n{}", str::from_utf8(statement).unwrap())
}

fn john(world: &World, stage: &Stage) -> Launch {
    Launch::at(stage.address(), "john", &world.path("john")).to("marie").with_commands()
}

/// John is signed in, and asks for Marie, whose key the server has, knowing of so many messages; this is its answer.
pub(crate) async fn receive(world: &World, stage: &Stage, settled: u64, talking: &str) -> Caller {
    let mut server = stage.receive().await;
    server.knows("marie", &world.identity("marie"));
    server.expect(&format!("TALK marie {settled}")).await;
    server.say(talking).await;
    server
}

/// John writes to Marie for the first time, whose list has this version.
async fn begin(world: &World, stage: &Stage, version: u64) {
    begin_with("marie", world, stage, version).await;
}

/// The same with somebody else.
async fn begin_with(peer: &str, world: &World, stage: &Stage, version: u64) {
    let john = Launch::at(stage.address(), "john", &world.path("john")).to(peer).start();
    john.types("hello\n");
    let (mut server, identity) = (stage.receive().await, world.identity(peer));
    server.knows(peer, &identity);
    server.expect(&format!("TALK {peer} 0")).await;
    server.say(&format!("TALKING {peer} away 0 0 0 0 {version}")).await;
    server.expect(&format!("DEVICES {peer}")).await;
    server.say(&devices_of(peer, version, &list_of(peer, &identity, version, 0))).await;
    server.expect_sealed(peer, 1, version).await;
    server.say(&format!("STORED {peer} 1")).await;
    server.say(&format!("DELIVERED {peer} 1")).await;
    server.catch_up().await;
    john.finish().await.exited(0).was_quiet();
}

/// The next line is a statement that the server had lost.
async fn expect_healing(server: &mut Caller, statement: &[u8]) {
    let text = str::from_utf8(statement).unwrap().trim_end();
    server.expect(&format!("LIST {} {text}", statement.len())).await;
}

#[test]
fn a_list_is_asked_for_once_and_each_message_is_written_for_it() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let john = john(world, &stage).with(&["--follow"]).start();
        john.types("one\n");
        let mut server = receive(world, &stage, 1, "TALKING marie online 1 1 1 0 2").await;
        server.expect_sealed("marie", 2, 2).await;
        server.say("STORED marie 2").await;
        // It changes while they talk.
        server.say("CHANGED marie 3").await;
        server.expect("DEVICES marie").await;
        john.types("two\n");
        assert_eq!(server.catch_up().await, [""; 0], "nothing before the answer");
        server.say(&devices(3, &list(&world.identity("marie"), 3, 0))).await;
        server.expect_sealed("marie", 3, 3).await;
        // And once more, which the server does not tell.
        server.say("ERR DEVICES marie 3 4 marie has another list now").await;
        server.expect("TALK marie 1").await;
        server.say("TALKING marie online 2 2 1 0 4").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(4, &list(&world.identity("marie"), 4, 0))).await;
        server.expect_sealed("marie", 3, 4).await;
        server.say("STORED marie 3").await;
        server.catch_up().await;
        // Nobody need know.
        john.kill().await.never_said("refused");
    });
}

#[test]
fn a_server_that_lost_a_list_gets_it_back_without_a_word() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let marie = world.identity("marie");
        for (n, shown) in [(2, 1), (3, 0)] {
            let john = john(world, &stage).start();
            john.types("hello\n");
            let mut server = stage.receive().await;
            server.knows("marie", &marie);
            server.expect(&format!("TALK marie {}", n - 1)).await;
            let before = n - 1;
            let talking = format!("TALKING marie away {before} {before} {before} 0 {shown}");
            server.say(&talking).await;
            server.expect("DEVICES marie").await;
            let old = if shown == 0 { Bytes::new() } else { list(&marie, shown, 0) };
            server.say(&devices(shown, &old)).await;
            expect_healing(&mut server, &list(&marie, 2, 0)).await;
            assert_eq!(server.catch_up().await, [""; 0], "nothing before the answer");
            server.say("LISTED marie 2").await;
            server.expect_sealed("marie", n, 2).await;
            server.say(&format!("STORED marie {n}")).await;
            server.say(&format!("DELIVERED marie {n}")).await;
            server.catch_up().await;
            john.finish().await.exited(0).was_quiet();
        }
    });
}

#[test]
fn a_server_that_does_not_take_a_list_back_gets_nothing_until_that_is_accepted() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let marie = world.identity("marie");
        let writing = john(world, &stage).start();
        writing.types("hello\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 1").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(1, &list(&marie, 1, 0))).await;
        expect_healing(&mut server, &list(&marie, 2, 0)).await;
        server.say("ERR LIST marie it is for another server").await;
        // Another one may have come meanwhile.
        server.expect("DEVICES marie").await;
        server.say(&devices(1, &list(&marie, 1, 0))).await;
        let told = writing.finish().await;
        told.exited(3)
            .said("THE SERVER SHOWS AN OLDER DEVICE LIST OF marie")
            .said("it is for another server");
        told.said("1 message not sent yet; kept until then: do not send it again");
        assert!(!server.rest().await.iter().any(|line| line.starts_with("MSG ")));

        let accepting = john(world, &stage).start();
        accepting.types("/TRUST marie\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 1").await;
        server.expect_sealed("marie", 2, 1).await;
        server.say("STORED marie 2").await;
        accepting.finish().await.exited(0).said("you believe marie's device list from now on");
    });
}

#[test]
fn a_server_that_cannot_take_a_list_for_now_gets_it_later_and_nobody_is_alarmed() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let marie = world.identity("marie");
        let john = john(world, &stage).start();
        john.types("hello\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 1").await;
        for answer in [
            "ERR LATER marie the server cannot keep device lists now; try again later",
            "ERR LATER - you say device lists too often; try again in 1 s",
            "LISTED marie 2",
        ] {
            // Another one may have come meanwhile.
            server.expect("DEVICES marie").await;
            server.say(&devices(1, &list(&marie, 1, 0))).await;
            expect_healing(&mut server, &list(&marie, 2, 0)).await;
            server.say(answer).await;
        }
        server.expect_sealed("marie", 2, 2).await;
        server.say("STORED marie 2").await;
        server.say("DELIVERED marie 2").await;
        server.catch_up().await;
        john.finish().await.exited(0).was_quiet();
    });
}

#[test]
fn a_refusal_that_names_nobody_is_about_the_one_list_that_the_server_was_given() {
    story(async |world| {
        let stage = Stage::open().await;
        let [anna, marie] = ["anna", "marie"].map(|name| world.identity(name));
        for peer in ["anna", "marie"] {
            begin_with(peer, world, &stage, 2).await;
        }
        let john = john(world, &stage).start();
        john.types("to marie\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 1").await;
        server.knows("anna", &anna);
        server.expect("DEVICES marie").await;
        server.say(&devices(1, &list(&marie, 1, 0))).await;
        expect_healing(&mut server, &list(&marie, 2, 0)).await;
        john.types("/TALK anna\nto anna\n");
        server.expect("TALK anna 1").await;
        server.say("TALKING anna away 1 1 1 0 1").await;
        assert_eq!(server.catch_up().await, [""; 0], "one list after the other");
        server.say("ERR LIST - that is no list").await;
        server.expect_all(&["DEVICES anna", "DEVICES marie"]).await;
        server.say(&devices(1, &list(&marie, 1, 0))).await;
        server.say(&devices_of("anna", 1, &list_of("anna", &anna, 1, 0))).await;
        expect_healing(&mut server, &list_of("anna", &anna, 2, 0)).await;
        server.say("LISTED anna 2").await;
        server.expect_sealed("anna", 2, 2).await;
        server.say("STORED anna 2").await;
        let told = john.finish().await;
        told.exited(3).said("THE SERVER SHOWS AN OLDER DEVICE LIST OF marie");
        told.said("that is no list").never_said("DEVICE LIST OF anna");
    });
}

/// A server that lies shows Marie's list in this version; what is said of it is told, and nothing is sent, until it is
/// accepted.
async fn doubts(world: &World, stage: &Stage, (version, lie): (u64, &[u8]), told: &str) {
    // Also when it is asked once more, and tells another version then.
    for said in [version + 1, version] {
        let mut writing = john(world, stage).start();
        writing.types("hello\n");
        let mut server =
            receive(world, stage, 1, &format!("TALKING marie away 1 1 1 0 {said}")).await;
        server.expect("DEVICES marie").await;
        server.say(&devices(version, lie)).await;
        writing.says(told).await;
        let ended = writing.finish().await;
        ended.exited(3).said("the server shows a device list of marie that is not believed");
        assert!(!server.rest().await.iter().any(|line| line.starts_with("MSG ")));
    }
}

#[test]
fn another_list_with_the_same_version_is_held_until_it_is_accepted() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let marie = world.identity("marie");
        let lie = list(&marie, 2, 7);
        doubts(world, &stage, (2, &lie), "THE SERVER SHOWS ANOTHER DEVICE LIST OF marie").await;
        // A server that shows the true one again needs nobody's word.
        let writing = john(world, &stage).start();
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 2").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(2, &list(&marie, 2, 0))).await;
        server.expect_sealed("marie", 2, 2).await;
        server.expect_sealed("marie", 3, 2).await;
        server.say("STORED marie 3").await;
        server.say("DELIVERED marie 3").await;
        writing.finish().await.exited(0).was_quiet();
    });
}

#[test]
fn a_list_that_another_has_signed_is_held_until_the_server_shows_another() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let lie = list(&world.identity("mallory"), 3, 0);
        let told = "THE DEVICE LIST OF marie IS SIGNED WITH ANOTHER KEY";
        doubts(world, &stage, (3, &lie), told).await;
        // Somebody beside a client that runs is told, too.
        let mut tailing = Launch::at(stage.address(), "john", &world.path("john"))
            .with(&["tail", "--json", "--with", "marie"])
            .start();
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 3").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(3, &lie)).await;
        tailing.says(told).await;
        let words = ["send", "--to", "marie", "and this"];
        let sending = Launch::at(stage.address(), "john", &world.path("john")).with(&words);
        let sent = sending.pipe("").await;
        sent.exited(3).said("the server shows a device list of marie that is not believed");
        sent.said("it is kept until then: do not send it again");
        tailing.kill().await;
        drop(server);

        let mut writing = john(world, &stage).with(&["--follow"]).start();
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 3").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(3, &lie)).await;
        writing.says(told).await;
        writing.types("/TRUST marie\n");
        writing.says("marie's key has not changed").await;
        drop(server);
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 3").await;
        server.expect("DEVICES marie").await;
        server.say(&devices(3, &list(&world.identity("marie"), 3, 0))).await;
        for n in 2..=4 {
            server.expect_sealed("marie", n, 3).await;
        }
        server.say("STORED marie 4").await;
        writing.kill().await;
    });
}

#[test]
fn what_is_no_list_of_hers_is_held_until_the_server_shows_one() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let marie = world.identity("marie");
        let good = list(&marie, 3, 0);
        let mut damaged = good.to_vec();
        damaged[60] ^= 1;
        let mut writing = john(world, &stage).with(&["--follow"]).start();
        writing.types("hello\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 3").await;
        for statement in [&damaged[..], b"", b"garbage\n"] {
            server.expect("DEVICES marie").await;
            server.say(&devices(3, statement)).await;
            writing.says("WHAT THE SERVER SHOWS AS THE DEVICE LIST OF marie IS NONE").await;
            assert_eq!(server.catch_up().await, [""; 0], "it is not asked without end");
            writing.types("/TRUST marie\n");
            writing.says("marie's key has not changed").await;
        }
        server.expect("DEVICES marie").await;
        server.say(&devices(3, &good)).await;
        server.expect_sealed("marie", 2, 3).await;
        writing.kill().await;
    });
}

/// Somebody gives the server a version of Marie's list.
async fn lists(somebody: &mut Peer, version: u64, statement: &[u8]) {
    let header = format!("LIST {}\r\n", statement.len());
    somebody.send_bytes(&[header.as_bytes(), statement, b"\r\n"].concat()).await;
    somebody.expect(&format!("LISTED marie {version}")).await;
}

#[test]
fn whoever_claims_a_name_that_somebody_has_written_to_is_believed() {
    story(async |world| {
        let mut anna = world.sign_in("anna").await.telling_of_lists();
        let john = Launch::of(world, "john").to("marie");
        let mut following = john.with(&["--follow", "--receipts"]).start();
        following.types("one\n");
        following.says("stored marie 1").await;
        world.sign_in_away("marie").await.quit().await;
        lists(&mut anna, 1, &list(&world.identity("marie"), 1, 0)).await;
        following.types("two\n");
        following.says("stored marie 2").await;
        following.kill().await.never_said("DEVICE LIST");
    });
}

/// What a server shows anna of Marie.
async fn shown(anna: &mut Peer) -> Bytes {
    anna.send("DEVICES marie").await;
    match anna.frame().await {
        ServerFrame::Devices { bundle, .. } => bundle,
        other => panic!("a list, and not {other:?}"),
    }
}

#[test]
fn people_write_for_the_newest_list_and_give_it_back_to_a_server_that_lost_it() {
    story(async |world| {
        world.sign_in("marie").await.quit().await;
        let marie = world.identity("marie");
        let [first, second] = [1, 2].map(|version| list(&marie, version, 0));
        let mut anna = world.sign_in("anna").await.telling_of_lists();
        lists(&mut anna, 1, &first).await;
        let john = || Launch::of(world, "john").to("marie");
        let mut following = john().with(&["--follow", "--receipts"]).start();
        following.types("one\n");
        following.says("stored marie 1").await;
        let disk = world.disk();
        lists(&mut anna, 2, &second).await;
        following.types("two\n");
        following.says("stored marie 2").await;
        following.kill().await.never_said("refused");
        world.crash(disk).await;
        let mut anna = world.sign_in("anna").await.telling_of_lists();
        assert_eq!(shown(&mut anna).await, first);
        Launch::of(world, "john").to("marie").pipe("three\n").await.exited(0).was_quiet();
        let shown = shown(&mut anna).await;
        assert!(shown.starts_with(&second), "with its prekey, before that of the one that is gone");
    });
}

#[test]
fn what_was_sealed_for_the_last_owner_of_a_name_goes_to_the_next_one_who_is_trusted() {
    story(async |world| {
        let stage = Stage::open().await;
        begin(world, &stage, 2).await;
        let writing = john(world, &stage).start();
        writing.types("hello\n");
        let mut server = receive(world, &stage, 1, "TALKING marie away 1 1 1 0 2").await;
        server.expect_sealed("marie", 2, 2).await;
        writing.kill().await;
        drop(server);

        let mut trusting = john(world, &stage).with(&["--follow"]).start();
        let mut server = stage.receive().await;
        server.knows("marie", &Identity::generate().unwrap());
        server.expect("TALK marie 1").await;
        server.say("TALKING marie away 1 1 1 0 0").await;
        trusting.says("THE KEY OF marie HAS CHANGED").await;
        trusting.types("/TRUST marie\n");
        server.expect_messages("marie", 2, &["hello"]).await;
        trusting.says("marie has no keys here yet").await;
        let told = trusting.kill().await;
        let (_, since) = told.err.split_once("you trust marie's key").unwrap();
        assert!(since.contains("has no keys"), "not before she is trusted: {}", told.err);
        told.never_said("what you write to marie waits").never_said("waits here");
    });
}
