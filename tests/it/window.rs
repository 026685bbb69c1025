//! Backlogs that do not fit into memory: what the channel does not hold comes from the disk, in its
//! turn.

use futures::join;
use tinychat::server::Config;
use tinychat::wire::frame::ServerFrame;

use crate::world::{Heard, Peer, World, story_with};

/// Far more than the window of one session.
const MANY: u64 = 5_000;

/// Messages of which the window holds a handful; those that fill most of a backlog's 16 MiB.
const LONG: usize = 60 * 1024;
const MANY_LONG: u64 = 250;

fn short(n: u64) -> String {
    format!("this is message {n}")
}

fn long(n: u64) -> String {
    format!("{n} {}", "x".repeat(LONG))
}

/// How much of what waits is held in memory too: nothing, next to nothing, as much as a window.
const MEMORIES: [u64; 3] = [0, 1, u64::MAX];

fn with_memory(memory: u64) -> impl FnOnce(&mut Config) {
    move |config| config.memory = memory
}

/// Bob, who keeps nothing that he has already.
struct Bob {
    has: u64,
    text: fn(u64) -> String,
}

impl Bob {
    /// Takes so many new messages, and acknowledges each hundredth and the last one.
    async fn takes(&mut self, peer: &mut Peer, count: u64) {
        let last = self.has + count;
        while self.has < last {
            let Heard { n, seq, text, .. } = peer.hear().await;
            if self.keeps(n, text) && (n % 100 == 0 || n == last) {
                peer.ack("alice", seq).await;
            }
        }
    }

    /// False if it is not new.
    fn keeps(&mut self, n: u64, text: String) -> bool {
        if n <= self.has {
            return false;
        }
        assert_eq!((n, text), (self.has + 1, (self.text)(self.has + 1)));
        self.has = n;
        true
    }

    /// Closes the conversation, keeps and acknowledges what was on its way, and opens it again.
    async fn reopens(&mut self, peer: &mut Peer) {
        peer.send("CLOSE alice\r\nPING").await;
        let mut last_seq = None;
        loop {
            match peer.frame().await {
                ServerFrame::Message { seq, message, .. } => {
                    let text = String::from_utf8(message.body.to_vec()).unwrap();
                    self.keeps(message.id.n, text);
                    last_seq = Some(seq);
                }
                ServerFrame::Pong => break,
                _ => {}
            }
        }
        if let Some(seq) = last_seq {
            peer.ack("alice", seq).await;
        }
        peer.settle("alice", 0).await;
    }
}

/// Alice, who writes piece by piece, so that others act in between.
async fn writes(alice: &mut Peer, numbers: std::ops::RangeInclusive<u64>, text: fn(u64) -> String) {
    let numbers: Vec<_> = numbers.collect();
    for piece in numbers.chunks(37) {
        alice.say_all("bob", piece.iter().copied(), text).await;
        alice.barrier().await;
    }
}

/// Whoever came and went, TALKING says so.
async fn all_is_delivered(alice: &mut Peer, count: u64) {
    let told = alice.settle("bob", 0).await;
    let all = format!(" {count} {count} {count} 0 0");
    assert!(told.last().is_some_and(|line| line.ends_with(&all)), "{told:?}");
}

async fn opens(world: &World) -> Peer {
    let mut bob = world.sign_in("bob").await;
    bob.talk("alice").await;
    bob
}

#[test]
fn a_receiver_who_comes_late_gets_all_of_it() {
    for memory in MEMORIES {
        for (count, text) in [(MANY, short as fn(u64) -> String), (MANY_LONG, long)] {
            story_with(with_memory(memory), async |world| {
                let mut alice = world.sign_in("alice").await;
                alice.talk("bob").await;
                writes(&mut alice, 1..=count, text).await;
                let (mut peer, mut bob) = (opens(world).await, Bob { has: 0, text });
                bob.takes(&mut peer, count).await;
                peer.hears_nothing().await;
                alice.expect("PRESENCE bob online").await;
                alice.expect(&format!("DELIVERED bob {count}")).await;
                assert_eq!(alice.talk("bob").await, format!("online {count} {count} {count} 0"));
            });
        }
    }
}

#[test]
fn a_receiver_comes_and_goes_while_more_is_written() {
    for memory in MEMORIES {
        story_with(with_memory(memory), async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            writes(&mut alice, 1..=2_000, short).await;
            let mut bob = Bob { has: 0, text: short };
            join!(writes(&mut alice, 2_001..=MANY, short), async {
                for visit in 0..9 {
                    let mut peer = opens(world).await;
                    bob.takes(&mut peer, 450.min(MANY - bob.has)).await;
                    match visit % 3 {
                        // Without a word, and perhaps before the last acknowledgement was read.
                        0 => drop(peer),
                        1 => peer.quit().await,
                        _ => bob.reopens(&mut peer).await,
                    }
                }
            });
            let mut peer = opens(world).await;
            let rest = MANY - bob.has;
            bob.takes(&mut peer, rest).await;
            peer.hears_nothing().await;
            all_is_delivered(&mut alice, MANY).await;
        });
    }
}

#[test]
fn another_connection_takes_over_in_the_middle() {
    for memory in MEMORIES {
        story_with(with_memory(memory), async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            writes(&mut alice, 1..=2_000, short).await;
            let mut bob = Bob { has: 0, text: short };
            join!(writes(&mut alice, 2_001..=MANY, short), async {
                let mut peer = opens(world).await;
                for _ in 0..10 {
                    bob.takes(&mut peer, 480).await;
                    // The old one is still being written to, and never says anything again.
                    let new = opens(world).await;
                    peer = new;
                }
                let rest = MANY - bob.has;
                bob.takes(&mut peer, rest).await;
                peer.hears_nothing().await;
            });
            all_is_delivered(&mut alice, MANY).await;
        });
    }
}

#[test]
fn a_backlog_survives_a_restart_in_the_middle_of_its_delivery() {
    for memory in MEMORIES {
        story_with(with_memory(memory), async |world| {
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            writes(&mut alice, 1..=MANY_LONG, long).await;
            alice.talk_until_stored("bob").await;
            let mut bob = Bob { has: 0, text: long };
            for _ in 0..4 {
                let mut peer = opens(world).await;
                bob.takes(&mut peer, 50).await;
                world.restart().await;
            }
            let mut alice = world.sign_in("alice").await;
            alice.talk("bob").await;
            // What the server has comes before what it gets now.
            writes(&mut alice, 1..=MANY_LONG + 20, long).await;
            let mut peer = opens(world).await;
            bob.takes(&mut peer, MANY_LONG + 20 - 200).await;
            peer.hears_nothing().await;
        });
    }
}

/// The limit is shared: what one session holds keeps another's messages on disk alone.
#[test]
fn sessions_that_share_the_memory_do_not_hold_each_other_up() {
    story_with(with_memory(100_000), async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("carol").await;
        alice.say_all("carol", 1..=20, long).await;
        alice.talk("bob").await;
        writes(&mut alice, 1..=MANY, short).await;
        let (mut peer, mut bob) = (opens(world).await, Bob { has: 0, text: short });
        bob.takes(&mut peer, MANY).await;
        let mut carol = world.sign_in("carol").await;
        carol.expect("WAITING alice 20").await;
        carol.talk("alice").await;
        carol.hears_all("alice", 1, 1..=20, long).await;
    });
}
