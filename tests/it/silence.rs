//! Peers that say nothing, and peers that take nothing. Times are shrunken; what passes the time here
//! is a [`Metronome`], so that nobody sleeps.

use std::time::Duration;

use tinychat::server::Config;
use tinychat::wire::codec::Decoder;
use tinychat::wire::frame::ServerFrame;

use crate::world::{Peer, World, line, story_with};

const PING_AFTER: Duration = Duration::from_millis(50);

/// Long enough for a busy machine to answer a PING.
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// How many beats of the metronome are more than [`IDLE_AFTER`].
const LONG: u32 = 80;

/// As many as fill every buffer between server and peer, and more.
const FLOOD: u64 = 256;

fn hasty(config: &mut Config) {
    config.timing.ping_after = PING_AFTER;
    config.timing.idle_after = IDLE_AFTER;
    config.quota.session.bytes = 64 * 1024 * 1024;
}

fn long_text(n: u64) -> String {
    format!("{n} {}", "x".repeat(60 * 1024))
}

/// Somebody who is silent but for answers: the server asks each time [`PING_AFTER`] has passed.
struct Metronome(Peer);

impl Metronome {
    async fn start(world: &World) -> Self {
        Self(world.sign_in("metronome").await)
    }

    /// Waits for one beat.
    async fn beat(&mut self) {
        assert_eq!(self.0.frame_or_ping().await, ServerFrame::Ping);
        self.0.send("PONG").await;
    }
}

/// Bob is absent until the messages to him are more than a socket takes. Returns alice.
async fn flood_for_bob(world: &World) -> Peer {
    let mut alice = world.sign_in("alice").await;
    alice.talk("bob").await;
    alice.say_all("bob", 1..=FLOOD, long_text).await;
    alice.expect(&format!("STORED bob {FLOOD}")).await;
    alice
}

/// Bob hears all of it and goes without acknowledging it. What was sent once comes from the mailbox
/// the second time, as one long write.
async fn bob_hears_it_once(world: &World, alice: &mut Peer) {
    let mut bob = world.sign_in("bob").await;
    bob.expect(&format!("WAITING alice {FLOOD}")).await;
    bob.talk("alice").await;
    bob.hears_all("alice", 1, 1..=FLOOD, long_text).await;
    drop(bob);
    alice.expect("PRESENCE bob online").await;
    alice.expect("PRESENCE bob away").await;
}

/// Bob comes and asks for what waits, but does not read it.
async fn bob_asks(world: &World) -> Peer {
    let mut bob = world.sign_in("bob").await;
    bob.send("TALK alice 0").await;
    bob
}

#[test]
fn somebody_silent_is_asked_and_then_closed() {
    story_with(hasty, async |world| {
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.frame_or_ping().await, ServerFrame::Ping);
        let farewell = line(&alice.frame_or_ping().await);
        assert!(farewell.starts_with("BYE idle "), "asked once in a silence: {farewell}");
        alice.end().await;
    });
}

#[test]
fn somebody_who_answers_stays() {
    story_with(hasty, async |world| {
        let mut metronome = Metronome::start(world).await;
        for _ in 0..LONG {
            metronome.beat().await;
        }
        metronome.0.barrier().await;
    });
}

#[test]
fn somebody_who_sends_anything_at_all_is_not_asked() {
    let patient = |config: &mut Config| {
        config.timing.ping_after = Duration::from_secs(20);
    };
    story_with(patient, async |world| {
        let mut alice = world.sign_in("alice").await;
        assert_eq!(alice.barrier().await, [""; 0]);
    });
}

#[test]
fn what_was_written_to_somebody_silent_is_not_lost() {
    story_with(hasty, async |world| {
        let (mut alice, silent) = world.conversation("alice", "bob").await;
        alice.say("bob", 1, "are you asleep?").await;
        alice.expect("PRESENCE bob away").await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 1, "are you asleep?").await;
        drop(silent);
    });
}

async fn talk_for_ever(metronome: &mut Metronome, peer: &mut Peer) {
    loop {
        metronome.beat().await;
        // Not PING: its answers would stop the server from reading, which is silence too.
        peer.try_to_send(b"PONG\r\n").await;
    }
}

/// Bob says something all the time, so only that he takes nothing can tell.
#[test]
fn somebody_who_takes_nothing_is_closed_and_loses_nothing() {
    story_with(hasty, async |world| {
        let mut metronome = Metronome::start(world).await;
        let mut alice = flood_for_bob(world).await;
        let mut deaf = bob_asks(world).await;
        alice.expect("PRESENCE bob online").await;
        let away = Box::pin(alice.expect("PRESENCE bob away"));
        let talking = Box::pin(talk_for_ever(&mut metronome, &mut deaf));
        futures::future::select(away, talking).await;

        let mut bob = world.sign_in("bob").await;
        bob.expect(&format!("WAITING alice {FLOOD}")).await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=FLOOD, long_text).await;
        bob.ack("alice", FLOOD).await;
        bob.barrier().await;
        let lines = alice.catch_up_with_receipts().await;
        assert!(lines.contains(&format!("DELIVERED bob {FLOOD}")), "{lines:?}");
    });
}

#[test]
fn others_chat_on_while_somebody_takes_nothing() {
    story_with(hasty, async |world| {
        let mut alice = flood_for_bob(world).await;
        let deaf = bob_asks(world).await;
        alice.expect("PRESENCE bob online").await;
        let mut carol = world.sign_in("carol").await;
        carol.talk("alice").await;
        alice.talk("carol").await;
        for n in 1..=20 {
            alice.say("carol", n, "bob does not listen").await;
            carol.hears("alice", n, n, "bob does not listen").await;
            carol.ack("alice", n).await;
            alice.expect(&format!("DELIVERED carol {n}")).await;
        }
        drop(deaf);
    });
}

#[test]
fn somebody_who_takes_little_at_a_time_is_not_closed() {
    story_with(hasty, async |world| {
        let mut metronome = Metronome::start(world).await;
        let mut alice = flood_for_bob(world).await;
        bob_hears_it_once(world, &mut alice).await;
        let mut slow = bob_asks(world).await;
        let mut bytes = Vec::new();
        for _ in 0..LONG {
            metronome.beat().await;
            alice.send("PONG").await;
            slow.send("PONG").await;
            bytes.extend(slow.raw(256 * 1024).await);
        }
        slow.send("QUIT").await;
        bytes.extend(slow.raw_to_the_end().await);
        let (frames, _) = decode(&bytes);
        let last = frames.last().map(line).unwrap_or_default();
        assert!(last.starts_with("BYE quit "), "{:.80}", last);
    });
}

#[test]
fn a_farewell_never_ends_up_inside_a_message() {
    story_with(hasty, async |world| {
        let mut alice = flood_for_bob(world).await;
        bob_hears_it_once(world, &mut alice).await;
        let mut slow = bob_asks(world).await;
        alice.expect("PRESENCE bob online").await;
        alice.expect("PRESENCE bob away").await;
        // He is given up; now he begins to read, little by little.
        let mut metronome = Metronome::start(world).await;
        let mut bytes = Vec::new();
        for _ in 0..50 {
            metronome.beat().await;
            bytes.extend(slow.raw(64 * 1024).await);
        }
        bytes.extend(slow.raw_to_the_end().await);
        let (_, rest) = decode(&bytes);
        let farewell = b"BYE idle";
        assert!(!rest.windows(farewell.len()).any(|it| it == farewell), "in a message's body");
    });
}

/// The whole frames, and what is left behind them.
fn decode(mut bytes: &[u8]) -> (Vec<ServerFrame>, &[u8]) {
    let mut frames = Vec::new();
    let mut decoder = Decoder::<ServerFrame>::default();
    let mut encoded = bytes::BytesMut::new();
    decoder.feed(bytes);
    while let Ok(Some(frame)) = decoder.decode() {
        encoded.clear();
        tinychat::wire::codec::Frame::encode(&frame, &mut encoded);
        bytes = &bytes[encoded.len()..];
        frames.push(frame);
    }
    (frames, bytes)
}
