//! Goodbyes: the end of a server, of a connection, and connections that are too many.

use std::time::{Duration, Instant};

use tinychat::server::Config;

use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

#[test]
fn a_server_that_stops_says_goodbye_to_everybody() {
    story(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let mut stranger = world.connect().await;
        let mut halfway = world.connect().await;
        let key = world.identity("carol").public();
        halfway.send(&format!("HELLO tinychat/2 carol {key} {FIRST_INSTALLATION} online")).await;
        halfway.challenge().await;
        let ended = world.begin_to_stop();
        for peer in [&mut stranger, &mut halfway] {
            peer.expect("ERR BUSY -").await;
        }
        for peer in [&mut alice, &mut bob] {
            // Each may see the other go first.
            while !peer.next().await.starts_with("BYE shutdown ") {}
        }
        for peer in [alice, bob, stranger, halfway] {
            peer.end().await;
        }
        patiently("the server ends", ended).await;
        world.start().await;
    });
}

#[test]
fn a_server_that_stops_waits_for_nobody_beyond_its_deadline() {
    let hasty = |config: &mut Config| config.timing.drain = Duration::from_millis(100);
    story_with(hasty, async |world| {
        let (mut alice, deaf) = world.conversation("alice", "bob").await;
        let long = "x".repeat(64 * 1024);
        alice.say_all("bob", 1..=200, |_| long.clone()).await;
        alice.expect("STORED bob 200").await;
        let silent = world.connect().await;
        let begin = Instant::now();
        patiently("the server ends", world.begin_to_stop()).await;
        let took = begin.elapsed();
        // Somebody deaf alone would take two seconds: one to be given up, one to be lingered for.
        assert!(took < Duration::from_millis(1_800), "{took:?}");
        drop((deaf, silent));
        world.start().await;
    });
}

#[test]
fn a_server_that_stops_takes_no_more_connections() {
    story(async |world| {
        let address = world.address();
        drop(world.sign_in("alice").await);
        world.stop().await;
        assert!(async_std::net::TcpStream::connect(address).await.is_err());
        world.start().await;
    });
}

/// The server goes on reading for a second, so that what it said last is not lost. Its own half is to
/// be closed before that.
#[test]
fn the_end_follows_the_farewell_at_once() {
    story(async |world| {
        let begin = Instant::now();
        for _ in 0..10 {
            world.sign_in("alice").await.quit().await;
        }
        let took = begin.elapsed();
        assert!(took < Duration::from_secs(5), "ten goodbyes took {took:?}");
    });
}

#[test]
fn quit_is_answered_behind_all_that_was_asked_before() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.send_bytes(b"PING\r\nONLINE\r\nTALK alice 0\r\nQUIT\r\nPING\r\n").await;
        for line in ["PONG", "ONLINE 1 6\nalice", "ERR SELF alice", "BYE quit"] {
            alice.expect(line).await;
        }
        alice.end().await;
    });
}

/// Begins to sign in as soon as there is a place.
async fn challenged_when_there_is_room(world: &World, name: &str) -> Peer {
    let signing_in = async {
        loop {
            let mut peer = world.connect().await;
            let key = world.identity(name);
            let hello =
                format!("HELLO tinychat/2 {name} {} {FIRST_INSTALLATION} online\r\n", key.public());
            peer.try_to_send(hello.as_bytes()).await;
            if peer.next().await.starts_with("CHALLENGE ") {
                return peer;
            }
        }
    };
    patiently("there is room", signing_in).await
}

#[test]
fn one_connection_too_many_is_turned_away() {
    let three = |config: &mut Config| config.max_connections = 3;
    story_with(three, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let stranger = world.connect().await;
        for _ in 0..5 {
            let mut too_many = world.connect().await;
            too_many.expect("ERR BUSY -").await;
            too_many.end().await;
        }
        alice.say("bob", 1, "it is crowded here").await;
        bob.hears("alice", 1, 1, "it is crowded here").await;
        drop(stranger);
        challenged_when_there_is_room(world, "carol").await;
    });
}

#[test]
fn one_too_many_can_read_why_although_it_spoke_first() {
    let one = |config: &mut Config| config.max_connections = 1;
    story_with(one, async |world| {
        let _alice = world.sign_in("alice").await;
        for _ in 0..20 {
            let mut too_many = world.connect().await;
            too_many.try_to_send(b"HELLO tinychat/2 bob key 0000000000000001 online\r\n").await;
            too_many.expect("ERR BUSY -").await;
        }
    });
}

#[test]
fn several_addresses_share_the_places() {
    let two = |config: &mut Config| {
        config.listen = vec!["127.0.0.1:0".into(); 3];
        config.max_connections = 2;
    };
    story_with(two, async |world| {
        let mut peers = Vec::new();
        for address in &world.addresses()[1..] {
            let mut peer = world.connect_to(*address).await;
            let key = world.identity("alice").public();
            peer.send(&format!("HELLO tinychat/2 alice {key} {FIRST_INSTALLATION} online")).await;
            peer.challenge().await;
            peers.push(peer);
        }
        world.connect().await.expect("ERR BUSY -").await;
    });
}
