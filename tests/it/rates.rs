//! How fast things may come: messages of one person, connections of one address.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use tinychat::server::{Config, Rate, Rates};
use tinychat::wire::transport::{Socket, Transport};

use crate::programs::{Launch, numbered};
use crate::world::{Peer, World, patiently, story_with};

/// Only messages are counted.
fn messages(each_second: u32, burst: u32) -> impl FnOnce(&mut Config) {
    let messages = Rate { each_second, burst };
    move |config| config.rates = Rates { messages, ..Rates::UNLIMITED }
}

#[test]
fn who_writes_too_fast_is_told_for_how_long() {
    story_with(messages(1, 10), async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.say_all("bob", 1..=10, |n| n.to_string()).await;
        bob.hears_all("alice", 1, 1..=10, |n| n.to_string()).await;
        alice.say_all("bob", 11..=15, |n| n.to_string()).await;
        let line = alice.next_but_receipts().await;
        let words: Vec<_> = line.splitn(6, ' ').collect();
        assert_eq!(words[..4], ["ERR", "SLOW", "bob", "11"], "{line}");
        let seconds: u64 = words[4].parse().unwrap();
        assert!((2..=6).contains(&seconds), "{line}");
        // Nothing overtakes what was refused.
        alice.say("bob", 16, "overtaking").await;
        bob.hears_nothing().await;
        // Others write as they like.
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        carol.say("bob", 1, "hello").await;
        bob.expect("WAITING carol 1").await;
    });
}

#[test]
fn who_writes_a_little_too_fast_is_only_slowed() {
    story_with(messages(5, 3), async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        for n in 1..=8 {
            alice.say("bob", n, &n.to_string()).await;
            alice.barrier().await;
        }
        bob.hears_all("alice", 1, 1..=8, |n| n.to_string()).await;
    });
}

#[test]
fn what_was_refused_comes_later_and_in_order() {
    story_with(messages(40, 60), async |world| {
        let alice = Launch::of(world, "alice").to("bob").pipe(numbered(1..=180)).await;
        alice.exited(0).said("bob cannot be sent more for now: you write too fast");
        let bob = Launch::of(world, "bob").to("alice").pipe("").await;
        let lines: Vec<_> = (1..=180).map(|n| format!("alice: message {n}")).collect();
        bob.exited(0).printed(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    });
}

// Addresses.

/// Whether this machine has more addresses of its own than 127.0.0.1: Linux has, others need to be told.
pub(crate) fn has_more_addresses() -> bool {
    let has = std::net::TcpListener::bind((Ipv4Addr::new(127, 0, 0, 2), 0)).is_ok();
    if !has {
        eprintln!("SKIPPED: this machine has no address 127.0.0.2");
    }
    has
}

/// A connection from another address of this machine, 127.0.0.`last`.
pub(crate) fn stream_from(last: u8, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    connect(&socket, &server)?;
    Ok(socket.into())
}

pub(crate) fn connect_from(last: u8, server: SocketAddr) -> Peer {
    let stream = stream_from(last, server).unwrap();
    Peer::on(Transport::plain(Socket::Tcp(stream)).unwrap())
}

/// Somebody who tries again and again until there is room.
async fn until_there_is_room(world: &World, last: u8) {
    let trying = async {
        loop {
            let mut peer = connect_from(last, world.address());
            peer.try_to_send(b"HELLO tinychat/2 x y\r\n").await;
            if !peer.next_line().await.is_some_and(|line| line.starts_with("ERR BUSY")) {
                return;
            }
        }
    };
    patiently("there is room again", trying).await;
}

#[test]
fn an_address_has_so_many_connections() {
    if !has_more_addresses() {
        return;
    }
    let two = |config: &mut Config| config.rates = Rates { connections: 2, ..Rates::UNLIMITED };
    story_with(two, async |world| {
        let address = world.address();
        let (first, _second) = (connect_from(2, address), connect_from(2, address));
        let told = connect_from(2, address).next().await;
        assert!(told.starts_with("ERR BUSY - too many connections from your address"), "{told}");
        // Others, and whoever comes from this very machine, are not concerned.
        let _other = connect_from(3, address);
        let mut people = Vec::new();
        for name in ["alice", "bob", "carol"] {
            people.push(world.sign_in(name).await);
        }
        drop(first);
        until_there_is_room(world, 2).await;
    });
}

#[test]
fn an_address_comes_so_often_a_minute() {
    if !has_more_addresses() {
        return;
    }
    let three = |config: &mut Config| config.rates = Rates { handshakes: 3, ..Rates::UNLIMITED };
    story_with(three, async |world| {
        let address = world.address();
        for _ in 0..3 {
            let mut peer = connect_from(2, address);
            peer.send("rubbish").await;
            peer.expect("ERR VERB -").await;
        }
        let told = connect_from(2, address).next().await;
        assert!(told.starts_with("ERR BUSY - too many new connections"), "{told}");
        let mut other = connect_from(3, address);
        other.send("rubbish").await;
        other.expect("ERR VERB -").await;
        for name in ["alice", "bob", "carol", "dave"] {
            world.sign_in(name).await;
        }
    });
}

#[test]
fn rates_that_are_none_are_refused() {
    story_with(
        |_| {},
        async |world| {
            let data = world.path("other");
            for rate in ["x", "1,", "1,0", "1,2,3", "5GiB,1"] {
                let flags = ["--message-rate", rate, "--listen", "127.0.0.1:0"];
                let refused = Launch::operator(&flags).on(&data).pipe("").await;
                refused.exited(2).said("a rate is");
            }
        },
    );
}
