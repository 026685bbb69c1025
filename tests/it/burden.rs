//! What people weigh who are blocked: nobody but themselves; and that they are told what they would be told otherwise.

use std::fs;
use std::path::Path;

use async_std::task::block_on;
use tinychat::mailbox::{EmbeddedMailbox, Inspection, Mailbox, Usage};
use tinychat::server::Config;

use crate::operators::operate;
use crate::world::{Peer, World, patiently, story, story_with};

/// As much as two people may leave, and not quite as much as four messages of theirs have.
fn room_for_two(config: &mut Config) {
    config.quota.session = Usage { messages: 4, bytes: 800 };
    config.quota.receiver = Usage { messages: 8, bytes: 1_500 };
}

fn letter(n: u64) -> String {
    format!("{n}{}", "x".repeat(179))
}

/// Somebody leaves as much as they may.
async fn fills(world: &World, from: &str, whom: &str) -> Peer {
    let mut peer = world.sign_in(from).await;
    peer.talk(whom).await;
    peer.say_all(whom, 1..=4, letter).await;
    peer.expect(&format!("STORED {whom} 4")).await;
    peer
}

/// What is on the disk of a server that does not run.
fn inspect(data: &Path) -> Inspection {
    let mailbox = EmbeddedMailbox::open(data).unwrap();
    let inspection = block_on(mailbox.image()).unwrap().inspect().unwrap();
    block_on(mailbox.close());
    assert_eq!(inspection.problems, [""; 0]);
    inspection
}

/// What waits in each session, by sender.
fn waiting(data: &Path) -> Vec<(String, Usage)> {
    let all = inspect(data).sessions.into_iter();
    all.map(|it| (it.key.sender().to_string(), it.usage)).collect()
}

#[test]
fn friends_have_room_again_once_those_are_blocked_who_took_it() {
    story_with(room_for_two, async |world| {
        let mut eve = fills(world, "eve", "marie").await;
        let mut mallory = fills(world, "mallory", "marie").await;
        let mut john = world.sign_in("john").await;
        john.talk("marie").await;
        john.say("marie", 1, "hello").await;
        john.expect("ERR FULL marie 1").await;
        let mut marie = world.sign_in("marie").await;
        marie.expect("WAITING eve 4").await;
        marie.expect("WAITING mallory 4").await;
        marie.blocks("eve").await;
        john.expect("PRESENCE marie online").await;
        john.expect("ROOM marie").await;
        john.talk("marie").await;
        john.say_all("marie", 1..=4, letter).await;
        john.expect("STORED marie 4").await;
        marie.expect("WAITING john 4").await;
        // They go on, and there is no less room for others.
        marie.blocks("mallory").await;
        for (name, stranger) in [("eve", &mut eve), ("mallory", &mut mallory)] {
            stranger.catch_up().await;
            stranger.say("marie", 5, "more").await;
            let told = stranger.next().await;
            let full = "ERR FULL marie 5 4 messages with 720 bytes from you wait here already";
            assert!(told.starts_with(full), "{name}: {told}");
        }
        world.restart().await;
        let _anna = fills(world, "anna", "marie").await;
        world.stop().await;
        let (kept, only_numbers) =
            (Usage { messages: 4, bytes: 720 }, Usage { messages: 4, bytes: 0 });
        let all =
            [("anna", kept), ("eve", only_numbers), ("john", kept), ("mallory", only_numbers)];
        assert_eq!(waiting(&world.path("server")), all.map(|(name, usage)| (name.into(), usage)));
        world.start().await;
    });
}

/// What somebody is told who writes to one of two people, of whom one is called `whom`.
async fn told(
    peer: &mut Peer,
    whom: &str,
    first: u64,
    text: impl Fn(u64) -> String,
) -> Vec<String> {
    let mut lines = vec![peer.talk_until_stored(whom).await];
    peer.say_all(whom, first..first + 5, text).await;
    lines.extend(peer.catch_up().await);
    lines.push(peer.talk_until_stored(whom).await);
    lines.into_iter().map(|line| line.replace(whom, "WHOM")).collect()
}

#[test]
fn whoever_is_blocked_is_told_what_they_would_be_told_otherwise() {
    let tight = |config: &mut Config| {
        config.quota.session = Usage { messages: 10, bytes: 1_000 };
        config.quota.receiver = Usage { messages: 100, bytes: 1_500 };
    };
    story_with(tight, async |world| {
        let both = ["marie", "anna"];
        let long = |n| format!("{n}{}", "y".repeat(299));
        let mut eve = world.sign_in("eve").await;
        for whom in both {
            eve.talk(whom).await;
            eve.say(whom, 1, &long(1)).await;
            eve.expect(&format!("STORED {whom} 1")).await;
        }
        eve.quit().await;
        // Both come, and go; one of them blocks her.
        let mut anna = world.sign_in("anna").await;
        anna.expect("WAITING eve 1").await;
        anna.quit().await;
        let mut marie = world.sign_in("marie").await;
        marie.expect("WAITING eve 1").await;
        marie.blocks("eve").await;
        marie.quit().await;
        let mut eve = world.sign_in("eve").await;
        eve.until_away("anna").await;
        let of_both = async |eve: &mut Peer, first, text: &dyn Fn(u64) -> String| {
            let marie = told(eve, "marie", first, text).await;
            assert_eq!(marie, told(eve, "anna", first, text).await);
            marie
        };
        let lines = of_both(&mut eve, 2, &long).await;
        let full = "ERR FULL WHOM 4 3 messages with 900 bytes from you wait here already; at most 10 and 1000";
        assert!(lines.contains(&full.into()), "{lines:?}");
        world.restart().await;
        let mut eve = world.sign_in("eve").await;
        let lines = of_both(&mut eve, 4, &long).await;
        assert!(lines.contains(&full.into()), "{lines:?}");
        // What others leave fills the rest.
        let mut john = world.sign_in("john").await;
        for whom in both {
            john.talk(whom).await;
            john.say_all(whom, 1..=2, long).await;
            john.expect(&format!("STORED {whom} 2")).await;
        }
        let lines = of_both(&mut eve, 4, &|n| n.to_string()).await;
        let full = "ERR FULL WHOM 4 5 messages with 1500 bytes wait for this receiver already; at most 100 and 1500";
        assert!(lines.contains(&full.into()), "{lines:?}");
    });
}

#[test]
fn a_friend_who_is_blocked_may_leave_as_much_as_before() {
    let three_for_a_stranger = |config: &mut Config| config.quota.first_contact = 3;
    story_with(three_for_a_stranger, async |world| {
        let (mut eve, mut marie) = world.conversation("eve", "marie").await;
        eve.say("marie", 1, "hello").await;
        marie.hears("eve", 1, 1, "hello").await;
        marie.talk("eve").await;
        marie.hears("eve", 2, 1, "hello").await;
        marie.ack("eve", 2).await;
        eve.expect("DELIVERED marie 1").await;
        marie.blocks("eve").await;
        eve.expect("PRESENCE marie away").await;
        eve.say_all("marie", 2..=6, letter).await;
        eve.expect("STORED marie 6").await;
        world.restart().await;
        let mut eve = world.sign_in("eve").await;
        eve.talk("marie").await;
        eve.say_all("marie", 7..=9, letter).await;
        eve.expect("STORED marie 9").await;
    });
}

/// As an earlier version left it, or a crash right behind the block.
#[test]
fn what_waited_before_a_block_has_lost_its_body_when_the_server_starts() {
    story(async |world| {
        let _eve = fills(world, "eve", "marie").await;
        world.stop().await;
        let data = world.path("server");
        assert_eq!(inspect(&data).usage, Usage { messages: 4, bytes: 720 });
        fs::write(data.join("contacts"), "marie blocks eve\n").unwrap();
        world.start().await;
        let look = async {
            loop {
                let checked = operate(&["check"], &data).await;
                if checked
                    .lines()
                    .iter()
                    .any(|it| it.starts_with("eve to marie: 4 messages, 0 bytes"))
                {
                    return;
                }
            }
        };
        patiently("the bodies are gone", look).await;
        // It expires all the same when the block ends, and nothing of it is heard.
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.send("UNBLOCK eve").await;
        marie.expect("UNBLOCKED eve").await;
        marie.hears_nothing().await;
        let mut eve = world.sign_in("eve").await;
        assert_eq!(eve.settle("marie", 0).await[3], "EXPIRED marie 4");
        eve.say("marie", 5, "at last").await;
        marie.hears("eve", 1, 5, "at last").await;
    });
}

/// A crash takes back nothing of a block that was answered.
#[test]
fn what_waited_before_a_block_is_not_heard_after_a_crash() {
    story(async |world| {
        let _eve = fills(world, "eve", "marie").await;
        let mut marie = world.sign_in("marie").await;
        marie.expect("WAITING eve 4").await;
        marie.blocks("eve").await;
        let disk = world.disk();
        world.crash(disk).await;
        let mut marie = world.sign_in("marie").await;
        marie.talk("eve").await;
        marie.hears_nothing().await;
        marie.send("UNBLOCK eve").await;
        marie.expect("UNBLOCKED eve").await;
        marie.hears_nothing().await;
        let mut eve = world.sign_in("eve").await;
        assert_eq!(eve.settle("marie", 0).await.len(), 5, "EXPIRED for each, and TALKING");
    });
}
