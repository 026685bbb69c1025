//! Data folders of which there are two: copied ones, and ones that were restored from a backup.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tinychat::server::Config;

use crate::folder::{copy, states};
use crate::programs::{Launch, free_address};
use crate::script::{Stage, message};
use crate::world::{FIRST_INSTALLATION, World, patiently, story, story_with};

#[test]
fn what_is_typed_in_a_copied_folder_is_not_swallowed() {
    story(async |world| {
        let (original, copied) = (world.path("john"), world.path("copy"));
        let john = async |folder: &Path, input: &str| {
            let john = Launch::at(world.address(), "john", folder).to("marie");
            john.pipe(input).await.exited(0);
        };
        john(&original, "one\n").await;
        copy(&original, &copied);
        john(&original, "two\nthree\n").await;
        // Its counter goes on from one, past that of the original, before the server is asked.
        john(&copied, "four\nfive\nsix\n").await;
        john(&original, "seven\n").await;
        john(&copied, "eight\n").await;
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        let expected = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
        assert_eq!(marie.exited(0).lines(), expected.map(|it| format!("john: {it}")));
    });
}

#[test]
fn a_copied_folder_starts_to_count_on_its_own_also_while_it_is_online() {
    story(async |world| {
        let (original, copied) = (world.path("john"), world.path("copy"));
        let john = |folder: &Path| Launch::at(world.address(), "john", folder).to("marie");
        john(&original).pipe("one\n").await.exited(0);
        copy(&original, &copied);
        john(&original).pipe("two\n").await.exited(0);
        let mut marie = world.sign_in("marie").await;
        marie.expect("WAITING john 2").await;
        marie.talk("john").await;
        let one = marie.hear().await;
        marie.hears("john", 2, 2, "two").await;
        let mut second = john(&copied).with(&["--follow"]).start();
        second.says("copy of another").await;
        let again = marie.hear().await;
        assert_eq!((again.n, &again.text), (1, &one.text), "it counts on its own");
        assert_eq!(again.origin, one.origin, "so that she knows that it is the same");
        assert_ne!(again.installation, one.installation);
        second.types("three\n");
        let three = marie.hear().await;
        assert_eq!((three.n, three.text.as_str()), (2, "three"));
    });
}

#[test]
fn who_counts_anew_believes_nothing_that_was_told_of_the_old_numbers() {
    story(async |world| {
        let stage = Stage::open().await;
        let words = ["--to", "bob", "--follow", "--receipts"];
        let alice = Launch::at(stage.address(), "alice", &world.path("alice")).with(&words);
        let mut alice = alice.start();
        let mut server = stage.receive_talking("TALK bob 0", "TALKING bob away 0 0 0 0 0").await;
        alice.types("one\ntwo\n");
        server.expect_messages("bob", 1, &["one", "two"]).await;
        server.say_all(&["STORED bob 1", "ERR FULL bob 2 later", "ROOM bob"]).await;
        server.expect("TALK bob 0").await;
        // A copy of her folder has written meanwhile.
        server.say_all(&["EXPIRED bob 1", "BOUNCED bob 2", "TALKING bob away 5 5 5 0 0"]).await;
        alice.says("copy of another").await;
        let mut again = stage.receive_talking("TALK bob 0", "TALKING bob away 0 0 0 0 0").await;
        assert_ne!(again.installation, server.installation);
        again.expect_messages("bob", 1, &["one", "two"]).await;
        again.say("STORED bob 2").await;
        alice.says("stored bob 2").await;
    });
}

/// John's folder is copied, what he writes in the one expires, and what he writes in the other arrives.
async fn what_expired_of_one_is_not_taken_for_the_others(
    world: &mut World,
    expire: impl AsyncFnOnce(&mut World),
) {
    let (original, copied) = (world.path("john"), world.path("copy"));
    let john = async |world: &World, folder: &Path, input: &str| {
        let john = Launch::at(world.address(), "john", folder).to("marie");
        john.pipe(input).await.exited(0);
    };
    john(world, &original, "one\n").await;
    let mut marie = world.sign_in("marie").await;
    marie.talk("john").await;
    marie.hears("john", 1, 1, "one").await;
    marie.ack("john", 1).await;
    marie.quit().await;
    // It hears of that.
    john(world, &original, "").await;
    copy(&original, &copied);
    expire(world).await;
    john(world, &copied, "three\n").await;
    let mut marie = world.sign_in("marie").await;
    marie.talk("john").await;
    let three = marie.hear().await;
    assert_eq!((three.n, three.text.as_str()), (1, "three"), "it counts on its own");
    marie.ack("john", three.seq).await;
    marie.barrier().await;
    john(world, &original, "").await;
    john(world, &copied, "").await;
    assert_eq!(states(&original), ["delivered", "expired"]);
    assert_eq!(states(&copied), ["delivered"]);
}

#[test]
fn a_copy_sends_what_has_the_number_of_a_message_that_expired_by_a_block() {
    story(async |world| {
        what_expired_of_one_is_not_taken_for_the_others(world, async |world: &mut World| {
            let mut marie = world.sign_in("marie").await;
            marie.send("BLOCK john").await;
            marie.expect("BLOCKED john").await;
            Launch::of(world, "john").to("marie").pipe("two\n").await.exited(0);
            marie.send("UNBLOCK john").await;
            marie.expect("UNBLOCKED john").await;
            marie.quit().await;
        })
        .await;
    });
}

#[test]
fn a_copy_sends_what_has_the_number_of_a_message_that_was_kept_for_too_long() {
    story(async |world| {
        what_expired_of_one_is_not_taken_for_the_others(world, async |world: &mut World| {
            Launch::of(world, "john").to("marie").pipe("two\n").await.exited(0);
            let brief = Duration::from_millis(1);
            let soon = |config: &mut Config| {
                (config.keep, config.timing.sweep) = (Some(brief), Duration::from_millis(10));
            };
            world.restart_with(soon).await;
            let mut marie = world.sign_in("marie").await;
            let gone =
                async { while !marie.settle("john", 0).await.last().unwrap().ends_with(" 0 0") {} };
            patiently("it expires", gone).await;
            marie.quit().await;
            world.restart_with(|config| config.keep = None).await;
        })
        .await;
    });
}

#[test]
fn what_a_restored_backup_sends_once_more_comes_once() {
    let address = free_address();
    let there = |config: &mut Config| config.listen = vec![address.to_string()];
    story_with(there, async |world| {
        let (folder, backup) = (world.path("john"), world.path("backup"));
        let john = async |input: &str| {
            let john = Launch::at(address, "john", &folder).to("marie");
            john.with(&["--timeout", "1"]).pipe(input).await
        };
        john("").await.exited(0);
        world.stop().await;
        john("hi\n").await.exited(3).said("1 message not sent yet; kept");
        copy(&folder, &backup);
        world.start().await;
        john("").await.exited(0);
        fs::remove_dir_all(&folder).unwrap();
        copy(&backup, &folder);
        john("there\n").await.exited(0);
        assert_eq!(states(&folder), ["stored"]);
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: hi", "john: there"]);
        john("").await.exited(0);
        assert_eq!(states(&folder), ["delivered"]);
    });
}

/// The server lost what its receiver has, and the folder lost it, too: the number is given once more.
#[test]
fn a_restored_backup_whose_next_number_is_another_messages_loses_nothing() {
    let address = free_address();
    let there = |config: &mut Config| config.listen = vec![address.to_string()];
    story_with(there, async |world| {
        let (folder, backup) = (world.path("john"), world.path("backup"));
        let maries = world.path("marie");
        let john = async |input: &str| {
            let john = Launch::at(address, "john", &folder).to("marie").with(&["--receipts"]);
            john.pipe(input).await
        };
        let marie = async || Launch::at(address, "marie", &maries).to("john").pipe("").await;
        john("one\n").await.exited(0);
        marie().await.exited(0).printed(&["john: one"]);
        john("").await.exited(0);
        copy(&folder, &backup);
        let disk = world.disk();
        john("two\n").await.exited(0);
        marie().await.exited(0).printed(&["john: two"]);
        world.crash(disk).await;
        fs::remove_dir_all(&folder).unwrap();
        copy(&backup, &folder);
        john("three\n").await.exited(0);
        marie().await.exited(0).printed(&[]);
        john("").await.exited(0).said("bounced marie 2 3");
        marie().await.exited(0).printed(&["john: three"]);
        john("").await.exited(0);
        assert_eq!(states(&folder), ["delivered"]);
    });
}

/// What was acknowledged does not bounce, and an ACK of the third message is one of the second, too.
#[test]
fn what_is_not_taken_bounces_before_what_came_behind_it_is_acknowledged() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = Launch::at(stage.address(), "john", &world.path("john")).to("marie");
        let mut john = john.with(&["--follow"]).start();
        let talking = "TALKING marie away 0 0 0 0 0";
        let mut server = stage.receive_talking("TALK marie 0", talking).await;
        let [one, other, two] = [(1, 1, "one"), (2, 9, "other"), (3, 2, "two")]
            .map(|(seq, n, text)| message("marie", seq, FIRST_INSTALLATION, n, text));
        // It has the number of the first one, and an origin of its own.
        let other = other.replacen(" 9 ", " 1 ", 1);
        server.say_all(&[&one, &other, &two]).await;
        server.expect_all(&["BOUNCE marie 2", "ACK marie 3"]).await;
        john.prints("marie: one").await;
        john.prints("marie: two").await;
        john.kill().await;
    });
}

/// In a new installation no number is another's, so another one would not help.
#[test]
fn who_bounces_everything_makes_one_new_installation_and_no_more() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        let mut john = Launch::of(world, "john").to("marie").with(&["--follow"]).start();
        marie.talk("john").await;
        let mut third = Vec::new();
        for text in ["one", "two"] {
            john.types(format!("{text}\n"));
            for _ in 0..2 {
                let heard = marie.hear().await;
                assert_eq!(heard.text, text);
                marie.send(&format!("BOUNCE john {}", heard.seq)).await;
            }
            third.push(marie.hear().await);
            marie.ack("john", third[third.len() - 1].seq).await;
        }
        assert_eq!(third[0].installation, third[1].installation);
        assert_eq!((third[0].n, third[1].n), (1, 4));
        john.says("came back twice").await;
    });
}

/// Else whoever bounces everything would have all that waits for others sent once more after each start, until they have
/// something of too many installations.
#[test]
fn who_bounces_everything_does_not_cost_others_their_conversation() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        for start in 1..=3 {
            let john = Launch::of(world, "john").to("marie").with_commands();
            let mut john = john.with(&["--follow", "--receipts"]).start();
            john.types("anything\n");
            // What is new comes back three times, and what rested before once.
            for _ in 0..2 + start {
                let heard = marie.hear().await;
                marie.send(&format!("BOUNCE john {}", heard.seq)).await;
                john.says("bounced marie").await;
            }
            john.types(format!("/TALK anna\n{start}\n"));
            john.says(&format!("stored anna {start}")).await;
            john.kill().await;
        }
        let mut anna = world.sign_in("anna").await;
        anna.expect("WAITING john 3").await;
    });
}

#[test]
fn a_copied_folder_reads_on_where_it_was_copied() {
    story(async |world| {
        let (original, copied) = (world.path("marie"), world.path("copy"));
        Launch::of(world, "john").to("marie").pipe("one\n").await.exited(0);
        let marie = |folder: &Path| Launch::at(world.address(), "marie", folder).to("john");
        marie(&original).pipe("").await.exited(0).printed(&["john: one"]);
        copy(&original, &copied);
        Launch::of(world, "john").to("marie").pipe("two\n").await.exited(0);
        marie(&original).pipe("").await.exited(0).printed(&["john: two"]);
        Launch::of(world, "john").to("marie").pipe("three\n").await.exited(0);
        marie(&copied).pipe("").await.exited(0).printed(&["john: three"]);
    });
}
