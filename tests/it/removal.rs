//! Names that are taken from their owners: what becomes of all that was said to and by them.

use tinychat::server::Config;
use tinychat::trust::Identity;

use crate::carrying::{Carrier, noise};
use crate::operators::operate;
use crate::programs::Finished;
use crate::strangers::writes;
use crate::world::{FIRST_INSTALLATION, Peer, World, story, story_with};

async fn remove(world: &World, name: &str) -> Finished {
    let removed = operate(&["user", "remove", name], &world.path("server")).await;
    removed.exited(0).was_quiet();
    removed
}

/// Somebody with another key, from a data folder that is called as all others are.
async fn next_owner(world: &World, name: &str, identity: &Identity) -> Peer {
    let mut peer = world.connect().await;
    peer.prove(name, identity, FIRST_INSTALLATION).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

/// Somebody with a name writes one message to marie from each of so many data folders, and knows that it is stored.
async fn writes_from(world: &World, name: &str, identity: &Identity, folders: &[u64]) {
    for number in folders {
        let mut peer = comes_from(world, name, identity, *number).await;
        assert_eq!(peer.talk("marie").await, "away 0 0 0 0", "folder {number}");
        peer.say("marie", 1, &format!("from folder {number}")).await;
        peer.talk_until_stored("marie").await;
    }
}

/// Somebody signs in with a name from one of many data folders.
async fn comes_from(world: &World, name: &str, identity: &Identity, folder: u64) -> Peer {
    let mut peer = world.connect().await;
    peer.prove(name, identity, &format!("{folder:016x}")).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

/// Somebody is told that a name is taken from its owner, who is there.
async fn loses(peer: &mut Peer, name: &str) {
    peer.expect(&format!("KEY {name} -")).await;
    peer.expect(&format!("PRESENCE {name} away")).await;
}

#[test]
fn whoever_gets_the_name_of_somebody_who_was_blocked_is_heard() {
    story(async |world| {
        let (mut eve, mut marie) = world.blocked("eve", "marie").await;
        eve.say("marie", 1, "buy mine").await;
        eve.expect("STORED marie 1").await;
        let removed = remove(world, "eve").await;
        removed.printed(&["removed eve; 0 messages that waited there will not be delivered"]);
        loses(&mut marie, "eve").await;
        marie.send("BLOCKS").await;
        assert_eq!(marie.next().await, "BLOCKS 0");

        let anna = Identity::generate().unwrap();
        let mut eve = next_owner(world, "eve", &anna).await;
        assert_eq!(eve.talk("marie").await, "online 0 0 0 0");
        eve.say("marie", 1, "hello, I am anna").await;
        marie.hears("eve", 1, 1, "hello, I am anna").await;
        eve.expect("STORED marie 1").await;
        world.restart().await;
        let mut marie = world.sign_in("marie").await;
        assert_eq!(marie.talk("eve").await, "away 0 0 0 1");
        marie.hears("eve", 1, 1, "hello, I am anna").await;
        marie.ack("eve", 1).await;
        marie.hears_nothing().await;
    });
}

#[test]
fn whoever_gets_the_name_of_somebody_who_blocked_hears_what_is_said_from_then_on() {
    story(async |world| {
        let (mut marie, _eve) = world.blocked("marie", "eve").await;
        marie.say("eve", 1, "are you there?").await;
        marie.expect("STORED eve 1").await;
        remove(world, "eve")
            .await
            .printed(&["removed eve; 1 message that waited there will not be delivered"]);
        let told = marie.catch_up_with_receipts().await;
        assert!(told.contains(&"EXPIRED eve 1".into()), "{told:?}");
        assert!(told.contains(&"KEY eve -".into()), "{told:?}");
        assert_eq!(marie.settle("eve", 0).await[0], "EXPIRED eve 1");
        marie.say("eve", 2, "whoever comes").await;
        marie.expect("STORED eve 2").await;

        let anna = Identity::generate().unwrap();
        for restarted in [false, true] {
            if restarted {
                world.restart().await;
            }
            let mut eve = next_owner(world, "eve", &anna).await;
            eve.expect("WAITING marie 1").await;
            eve.talk("marie").await;
            eve.hears("marie", 1, 2, "whoever comes").await;
            eve.hears_nothing().await;
        }
    });
}

#[test]
fn nothing_that_was_meant_for_the_last_owner_of_a_name_reaches_the_next() {
    story(async |world| {
        let (_eve, mut marie) = world.conversation("eve", "marie").await;
        remove(world, "eve").await;
        loses(&mut marie, "eve").await;
        // It was on its way.
        marie.say_all("eve", 1..=3, |n| format!("for eve alone {n}")).await;
        marie.expect("ERR OWNER eve 1").await;
        let anna = Identity::generate().unwrap();
        let mut eve = next_owner(world, "eve", &anna).await;
        marie.expect(&format!("KEY eve {}", anna.public())).await;
        marie.expect("PRESENCE eve online").await;
        eve.talk("marie").await;
        eve.hears_nothing().await;
        marie.say("eve", 1, "for eve alone").await;
        marie.hears_nothing().await;
        eve.hears_nothing().await;
        // TALK says that she knows.
        assert_eq!(marie.talk("eve").await, "online 0 0 0 0");
        marie.say("eve", 1, "for anna too").await;
        eve.hears("marie", 1, 1, "for anna too").await;
    });
}

#[test]
fn whose_a_name_is_is_told_when_it_changes() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.send_bytes(b"KEY eve\r\nTALK eve 0\r\n").await;
        assert_eq!(marie.next().await, "KEY eve -");
        assert_eq!(marie.next().await, "TALKING eve away 0 0 0 0 0");
        marie.say("eve", 1, "whoever comes").await;
        marie.expect("STORED eve 1").await;
        let mut eve = world.sign_in("eve").await;
        let eves = format!("KEY eve {}", world.identity("eve").public());
        marie.expect(&eves).await;
        marie.expect("PRESENCE eve online").await;
        // What was written to nobody is for whoever comes.
        marie.say("eve", 2, "and more").await;
        eve.talk("marie").await;
        eve.hears("marie", 1, 1, "whoever comes").await;
        eve.hears("marie", 2, 2, "and more").await;

        let server = world.path("server");
        operate(&["user", "reset-key", "eve"], &server).await.exited(0);
        loses(&mut marie, "eve").await;
        marie.say("eve", 3, "only for eve").await;
        marie.expect("ERR OWNER eve 3").await;
        marie.send("CLOSE eve").await;
        marie.send("KEY eve").await;
        marie.expect("KEY eve -").await;
        operate(&["user", "remove", "eve"], &server).await.exited(0);
        let anna = Identity::generate().unwrap();
        let _eve = next_owner(world, "eve", &anna).await;
        marie.barrier().await;
        // It was another one when she asked.
        marie.send("TALK eve 0").await;
        marie.expect(&format!("KEY eve {}", anna.public())).await;
        marie.expect("EXPIRED eve 1").await;
        marie.expect("EXPIRED eve 2").await;
        marie.expect("TALKING eve online 2 2 2 0 0").await;
    });
}

#[test]
fn what_a_removed_person_has_said_to_others_reaches_them_and_hinders_nobody() {
    let tight = |config: &mut Config| config.files.person = 1000;
    story_with(tight, async |world| {
        let content = noise(1000);
        let mut eve = world.sign_in("eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 1..=2, |n| format!("word {n}")).await;
        eve.expect("STORED marie 2").await;
        let blob = Carrier::of(world, &mut eve).await.upload("marie", &content).await;
        let removed = remove(world, "eve").await;
        removed.printed(&[
            "removed eve; 0 messages that waited there will not be delivered",
            "2 messages and 1 file from eve still wait for others, who will get them",
        ]);
        let mut eve = next_owner(world, "eve", &Identity::generate().unwrap()).await;
        Carrier::of(world, &mut eve).await.upload("bob", &content).await;
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.hears("eve", 1, 1, "word 1").await;
        marie.hears("eve", 2, 2, "word 2").await;
        assert_eq!(Carrier::of(world, &mut marie).await.fetch(&blob, 0, 1000).await, content);
    });
}

#[test]
fn what_a_removed_person_has_left_takes_no_room_of_the_next_owner() {
    let sixteen = |config: &mut Config| config.quota.session.messages = 16;
    let (before, after): (Vec<u64>, Vec<u64>) = ((1..=16).collect(), (101..=116).collect());
    for crashed in [false, true] {
        story_with(sixteen, async |world| {
            writes_from(world, "eve", &world.identity("eve"), &before).await;
            let removed = remove(world, "eve").await;
            let left = "16 messages and 0 files from eve still wait for others, who will get them";
            assert_eq!(removed.lines()[1], left);
            if crashed {
                let disk = world.disk();
                world.crash(disk).await;
            }
            let anna = Identity::generate().unwrap();
            writes_from(world, "eve", &anna, &after).await;
            // What she writes herself is bounded as ever.
            let mut eve = comes_from(world, "eve", &anna, 116).await;
            assert_eq!(eve.talk("marie").await, "away 1 1 0 0");
            eve.say("marie", 2, "one too many").await;
            eve.expect("ERR FULL marie 2 16 messages").await;
            let mut eve = comes_from(world, "eve", &anna, 117).await;
            eve.send("TALK marie 0").await;
            eve.expect("ERR INSTALLATIONS marie").await;

            let mut marie = world.sign_in("marie").await;
            marie.expect("WAITING eve 32").await;
            marie.talk("eve").await;
            for (seq, number) in (1..).zip(before.iter().chain(&after)) {
                marie.hears("eve", seq, 1, &format!("from folder {number}")).await;
            }
            marie.ack("eve", 32).await;
            marie.barrier().await;
            // Of her own folders one is remembered, of the former owner's none.
            for (folder, told) in [(101, "online 1 1 1 0"), (1, "online 0 0 0 0")] {
                let mut eve = comes_from(world, "eve", &anna, folder).await;
                assert_eq!(eve.talk("marie").await, told, "folder {folder}");
            }
        });
    }
}

#[test]
fn whom_a_removed_person_has_written_to_does_not_know_the_next_owner() {
    let few = |config: &mut Config| (config.quota.strangers, config.quota.first_contact) = (3, 2);
    for crashed in [false, true] {
        story_with(few, async |world| {
            let mut eve = world.sign_in("eve").await;
            for whom in ["marie", "bob", "zoe"] {
                assert_eq!(writes(&mut eve, whom, 1).await, None);
                eve.talk_until_stored(whom).await;
            }
            remove(world, "eve").await;
            if crashed {
                let disk = world.disk();
                world.crash(disk).await;
            }
            let mut marie = world.sign_in("marie").await;
            marie.talk("eve").await;
            marie.hears("eve", 1, 1, "are you there?").await;

            let mut eve = comes_from(world, "eve", &Identity::generate().unwrap(), 2).await;
            for (whom, n) in [("carol", 1), ("dave", 1), ("marie", 1), ("marie", 2)] {
                assert_eq!(writes(&mut eve, whom, n).await, None, "{whom} {n}");
            }
            for (whom, n, told) in [
                ("frank", 1, "something of yours waits for 3 people already"),
                ("marie", 3, "2 messages with 28 bytes from you wait here already"),
            ] {
                let refused = writes(&mut eve, whom, n).await.expect("a refusal");
                assert!(refused.starts_with(&format!("ERR FULL {whom} {n} {told}")), "{refused}");
            }
            // From now on she knows who it is.
            marie.settle("eve", 0).await;
            assert_eq!(writes(&mut eve, "marie", 3).await, None);
        });
    }
}

#[test]
fn a_data_folder_that_was_a_removed_persons_loses_and_doubles_nothing() {
    for crashed in [false, true] {
        story(async |world| {
            let numbered = |n: u64| format!("word {n}");
            let mut eve = world.sign_in("eve").await;
            eve.talk("marie").await;
            eve.say_all("marie", 1..=2, numbered).await;
            eve.expect("STORED marie 2").await;
            remove(world, "eve").await;
            if crashed {
                let disk = world.disk();
                world.crash(disk).await;
            }
            let mut eve = next_owner(world, "eve", &Identity::generate().unwrap()).await;
            assert_eq!(eve.talk("marie").await, "away 2 2 0 0");
            eve.say_all("marie", 1..=3, numbered).await;
            eve.expect("STORED marie 3").await;
            let mut marie = world.sign_in("marie").await;
            eve.expect("PRESENCE marie online").await;
            marie.talk("eve").await;
            marie.hears_all("eve", 1, 1..=3, numbered).await;
            marie.ack("eve", 3).await;
            eve.expect("DELIVERED marie 3").await;
            assert_eq!(eve.talk("marie").await, "online 3 3 3 0");
            marie.hears_nothing().await;
        });
    }
}

#[test]
fn what_was_begun_is_done_again_until_all_of_a_name_is_forgotten() {
    story(async |world| {
        let (mut marie, _eve) = world.blocked("marie", "eve").await;
        marie.say("eve", 1, "are you there?").await;
        marie.expect("STORED eve 1").await;
        world.stop().await;
        // As far as it came before the power went.
        let names = world.path("server").join("names");
        let lines = std::fs::read_to_string(&names).unwrap();
        let eves = format!("ssh-ed25519 {} eve", world.identity("eve").public());
        std::fs::write(&names, lines.replace(&eves, "reset eve")).unwrap();
        world.start().await;
        let mut eve = world.connect().await;
        eve.prove("eve", &world.identity("eve"), FIRST_INSTALLATION).await;
        eve.expect("ERR INVITE -").await;
        world.stop().await;
        // Also while no server runs.
        remove(world, "eve")
            .await
            .printed(&["removed eve; 1 message that waited there will not be delivered"]);
        world.start().await;
        let mut eve = next_owner(world, "eve", &Identity::generate().unwrap()).await;
        assert_eq!(eve.talk("marie").await, "away 0 0 0 0");
        let mut marie = world.sign_in("marie").await;
        assert_eq!(marie.settle("eve", 0).await[0], "EXPIRED eve 1");
        marie.say("eve", 2, "hello").await;
        eve.hears("marie", 1, 2, "hello").await;
    });
}
