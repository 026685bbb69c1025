//! What operators say to everybody: on every screen now, and on those that come until it ends.

use std::path::Path;

use crate::operators::operate;
use crate::programs::{Finished, Launch};
use crate::times::SetTimes;
use crate::world::{patiently, story, story_with};

const SAID: &str = "ERR NOTICE - new disks tonight";

async fn announce(words: &[&str], data: &Path) -> Finished {
    operate(&[&["announce"][..], words].concat(), data).await
}

#[test]
fn what_is_announced_is_said_to_all_who_are_there_and_to_whoever_comes_until_it_ends() {
    let times = SetTimes::new();
    let by = times.clone();
    story_with(
        |config| config.times = by,
        async |world| {
            let data = world.path("server");
            let mut alice = world.sign_in("alice").await;
            let mut script = world.sign_in_away("carol").await;
            let said = announce(&["--for", "2h", "new disks tonight"], &data).await;
            let line = "said to all who are there, and to whoever comes for 2h";
            said.exited(0).printed(&[line]).was_quiet();
            alice.expect(SAID).await;
            script.hears_nothing().await;
            world.sign_in("bob").await.expect(SAID).await;
            announce(&[], &data).await.exited(0).printed(&["for 2h more: new disks tonight"]);

            let ended = world.begin_to_stop();
            alice.expect("BYE shutdown the server stops: new disks tonight").await;
            patiently("the server ends", ended).await;
            world.start().await;
            world.sign_in("alice").await.expect(SAID).await;
            times.days_pass(1);
            world.sign_in("alice").await.hears_nothing().await;
            announce(&[], &data).await.exited(0).printed(&["nothing is announced"]);
        },
    );
}

#[test]
fn what_is_announced_ends_when_the_operator_says_so_also_while_no_server_runs() {
    story(async |world| {
        let data = world.path("server");
        announce(&["new disks tonight"], &data).await.exited(0);
        world.sign_in("alice").await.expect(SAID).await;
        announce(&["--end"], &data).await.exited(0).printed(&["not said any more"]);
        announce(&["--end"], &data).await.exited(0).printed(&["nothing was announced"]);
        world.sign_in("alice").await.hears_nothing().await;
        world.stop().await;
        announce(&["new disks tonight"], &data).await.exited(0);
        world.start().await;
        world.sign_in("alice").await.expect(SAID).await;
        for wrong in ["x".repeat(201), "\u{1b}[2J".into(), " ".into()] {
            let refused = announce(&[&wrong], &data).await;
            refused.exited(1).printed(&[]).said("a line of at most 200 bytes");
        }
        announce(&["--end", "hi"], &data).await.exited(1).said("without a text");
    });
}

#[test]
fn a_client_shows_what_is_announced_once_and_a_script_does_not() {
    const SHOWN: &str = "the server's operator says: new disks tonight";
    story(async |world| {
        let mut john = Launch::of(world, "john").to("marie").with(&["--follow"]).start();
        announce(&["new disks tonight"], &world.path("server")).await.exited(0);
        john.says(SHOWN).await;
        world.restart().await;
        let marie = Launch::of(world, "marie").to("john").pipe("hello\n").await;
        marie.exited(0).never_said("new disks");
        // He is in again, and was told again.
        john.prints("marie: hello").await;
        john.signal("INT");
        let ended = john.end().await;
        ended.exited(130);
        assert_eq!(ended.err.matches(SHOWN).count(), 1, "{}", ended.err);
    });
}
