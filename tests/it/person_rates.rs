//! How fast one person may be in what costs others, or the disk, more than a frame: blocking, files, signing in, and
//! having the same sent again and again.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tinychat::server::{Config, Rate, Rates};

use crate::carrying::Carrier;
use crate::lists::{first, lists, next};
use crate::world::{Peer, World, story_with};

/// Two at once, and one more each second.
const TWO: Rate = Rate { each_second: 1, burst: 2 };

#[test]
fn who_changes_whom_they_block_too_often_is_told_so() {
    let two = |config: &mut Config| config.rates = Rates { blocks: TWO, ..Rates::UNLIMITED };
    story_with(two, async |world| {
        let mut marie = world.sign_in("marie").await;
        let mut refused = 0;
        for _ in 0..50 {
            for verb in ["BLOCK", "UNBLOCK"] {
                marie.send(&format!("{verb} eve")).await;
                let answer = marie.next().await;
                if answer.starts_with(
                    "ERR BLOCK eve you change whom you block too often; try again in 1 s",
                ) {
                    refused += 1;
                } else {
                    assert_eq!(answer, format!("{verb}ED eve"));
                }
            }
        }
        assert!(refused > 0);
        // What changes nothing is not counted.
        marie.send("BLOCKS").await;
        let is_blocked = marie.next().await != "BLOCKS 0";
        let verb = if is_blocked { "BLOCK" } else { "UNBLOCK" };
        for _ in 0..20 {
            marie.send(&format!("{verb} eve")).await;
            marie.expect(&format!("{verb}ED eve")).await;
        }
    });
}

#[test]
fn who_begins_to_send_file_after_file_is_slowed() {
    let two = |config: &mut Config| config.rates = Rates { uploads: TWO, ..Rates::UNLIMITED };
    story_with(two, async |world| {
        let mut john = world.sign_in("john").await;
        let (start, mut carrier) = (Instant::now(), Carrier::of(world, &mut john).await);
        for _ in 0..4 {
            let blob = carrier.offer("marie", 10).await;
            carrier.send(&format!("DROP {blob}")).await;
            carrier.expect(&format!("GONE {blob}")).await;
        }
        assert!(start.elapsed() > Duration::from_millis(1_500));
    });
}

#[test]
fn who_signs_in_again_and_again_is_slowed_and_then_told_so() {
    let two = |config: &mut Config| config.rates = Rates { sign_ins: TWO, ..Rates::UNLIMITED };
    story_with(two, async |world| {
        let come = async |_| {
            let mut peer = world.connect().await;
            let john = world.identity("john");
            peer.prove("john", &john, crate::world::FIRST_INSTALLATION).await;
            peer.next().await
        };
        let told = join_all((0..20).map(come)).await;
        let busy = told.iter().filter(|it| *it == "ERR BUSY - you sign in too often").count();
        let welcome = told.iter().filter(|it| it.starts_with("WELCOME")).count();
        assert!(busy > 0 && welcome >= 2 && busy + welcome == told.len(), "{told:?}");
        let _marie = world.sign_in("marie").await;
    });
}

#[test]
fn each_signature_in_a_list_counts_as_one_who_signs_in() {
    let sign_ins = Rate { each_second: 1, burst: 20 };
    let few = |config: &mut Config| config.rates = Rates { sign_ins, ..Rates::UNLIMITED };
    story_with(few, async |world| {
        world.tells_of_lists = true;
        let mut bob = world.sign_in("bob").await;
        let list = (2..=8).fold(first(world, "bob"), |list, _| next(world, &list));
        // One and eight.
        for _ in 0..2 {
            lists(&mut bob, &list).await;
        }
        let header = format!("LIST {}\r\n", list.bytes().len());
        let said = [header.as_bytes(), &list.bytes()[..], b"\r\n"].concat();
        bob.send_bytes(&said).await;
        let told = bob.next().await;
        assert!(told.starts_with("ERR LATER -"), "{told}");
    });
}

/// Somebody comes, hears what waits, acknowledges nothing and goes.
async fn hears_in_vain(world: &World, texts: u64, text: impl Fn(u64) -> String + Copy) -> Peer {
    let mut marie = world.sign_in("marie").await;
    marie.expect(&format!("WAITING john {texts}")).await;
    marie.talk("john").await;
    marie.hears_all("john", 1, 1..=texts, text).await;
    marie
}

#[test]
fn what_is_told_again_of_fates_counts_as_theirs_who_asked() {
    let bytes = Rate { each_second: 2_000, burst: 1_000 };
    let bytes = |config: &mut Config| config.rates = Rates { bytes, ..Rates::UNLIMITED };
    story_with(bytes, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let text = |_| "x".to_owned();
        alice.say_all("bob", 1..=200, text).await;
        bob.hears_all("alice", 1, 1..=200, text).await;
        for n in 1..=200 {
            bob.send(&format!("BOUNCE alice {n}")).await;
            alice.expect(&format!("BOUNCED bob {n}")).await;
        }
        let start = Instant::now();
        assert_eq!(alice.settle("bob", 0).await.len(), 201);
        // 6,400 bytes, of which no more than 1,000 are free.
        assert!(start.elapsed() > Duration::from_millis(2_500), "{:?}", start.elapsed());
    });
}

#[test]
fn what_is_sent_again_to_who_comes_again_counts_as_theirs() {
    let bytes = Rate { each_second: 5_000, burst: 3_000 };
    let bytes = |config: &mut Config| config.rates = Rates { bytes, ..Rates::UNLIMITED };
    story_with(bytes, async |world| {
        let text = |n: u64| format!("{n}{}", "x".repeat(999));
        let mut john = world.sign_in("john").await;
        john.talk("marie").await;
        john.say_all("marie", 1..=2, text).await;
        john.expect("STORED marie 2").await;
        let start = Instant::now();
        for _ in 0..5 {
            hears_in_vain(world, 2, text).await.quit().await;
        }
        assert!(start.elapsed() > Duration::from_millis(900));
        // Others, and whoever wrote it, are not slowed.
        let mut marie = hears_in_vain(world, 2, text).await;
        marie.ack("john", 2).await;
        while john.next().await != "DELIVERED marie 2" {}
    });
}
