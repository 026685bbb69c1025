//! Many who mean harm, all at once, from other addresses than two who go on chatting: against the
//! real server with its usual limits.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use async_channel::Receiver;
use async_std::task::{JoinHandle, block_on, spawn};
use rustls::pki_types::ServerName;
use tinychat::task::within;
use tinychat::trust::Identity;
use tinychat::wire::transport::{Socket, Transport};

use crate::echo::{Echo, median};
use crate::rates::{has_more_addresses, stream_from};
use crate::tls::Hosted;
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story};

/// Closed when it is over.
type Over = Receiver<Infallible>;

/// How many connections say nothing at all.
const HALF_OPEN: usize = 2_000;

/// How many of each other kind there are.
const OTHERS: usize = 20;

/// How often the good pair exchanges a message and its answer meanwhile.
const EXCHANGES: u64 = 300;

/// How long half of these exchanges may take. The server is busy all the time, and so has its turn late on a machine that
/// is busy with other things. One that makes even a bare echo last allows so many times what that takes between two
/// exchanges.
const ROUND_TRIP: Duration = Duration::from_millis(500);
const ECHOES: u32 = 10;

/// The most memory that the server may take. TLS has some 70 KiB for each handshake under way, of which one
/// address has 500; the windows of sessions 256 KiB each; the journal 32 MiB, and the store as much again
/// for each of its tables and what it writes of them.
const MEMORY: u64 = 320 * 1024 * 1024;

#[test]
fn two_chat_on_whatever_others_do() {
    if !has_more_addresses() {
        return;
    }
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let server: SocketAddr = hosted.address.parse().unwrap();
        let mut alice = join(world, server, 1, "alice").await;
        alice.talk("bob").await;
        let mut bob = join(world, server, 1, "bob").await;
        bob.talk("alice").await;

        let (going_on, over) = async_channel::bounded(1);
        let silent = be_silent(server);
        let attacks = attack(world, server, &over).await;
        let mut echo = Echo::start().await;
        let (mut took, mut echoed) = (Vec::new(), Vec::new());
        for n in 1..=EXCHANGES {
            let start = Instant::now();
            alice.say("bob", n, "are you there?").await;
            bob.hears("alice", n, n, "are you there?").await;
            bob.ack("alice", n).await;
            bob.say("alice", n, "I am").await;
            alice.hears("bob", n, n, "I am").await;
            alice.ack("bob", n).await;
            took.push(start.elapsed());
            echoed.push(echo.round_trip().await);
        }
        let (exchange, echo) = (median(took), median(echoed));
        assert!(
            exchange < ROUND_TRIP.max(ECHOES * echo),
            "half of the round trips took more than {exchange:?}, of a bare echo {echo:?}"
        );
        let memory = memory(hosted.server.id());
        assert!(memory < MEMORY, "the server takes {memory} bytes");

        patiently("those who say nothing are closed", silent).await;
        drop(going_on);
        for attack in attacks {
            patiently("an attacker notices that it is over", attack).await;
        }
        alice.say("bob", EXCHANGES + 1, "it is over").await;
        bob.hears("alice", EXCHANGES + 1, EXCHANGES + 1, "it is over").await;
        hosted.stop().await;
    });
}

/// Somebody from 127.0.0.`last` who has signed in.
async fn join(world: &World, server: SocketAddr, last: u8, name: &str) -> Peer {
    let mut peer = Peer::on(secured(server, last).await.unwrap());
    peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

pub(crate) async fn secured(server: SocketAddr, last: u8) -> std::io::Result<Transport> {
    let name = ServerName::IpAddress(server.ip().into());
    Transport::connect(Socket::Tcp(stream_from(last, server)?), name).await
}

/// Connects often, says nothing, and waits until all of it is closed.
fn be_silent(server: SocketAddr) -> JoinHandle<()> {
    let streams: Vec<TcpStream> =
        (0..HALF_OPEN).filter_map(|_| stream_from(2, server).ok()).collect();
    assert_eq!(streams.len(), HALF_OPEN);
    async_std::task::spawn_blocking(move || {
        for mut stream in streams {
            // A reset is an end too.
            let _ = stream.read_to_end(&mut Vec::new());
        }
    })
}

async fn attack(world: &World, server: SocketAddr, over: &Over) -> Vec<JoinHandle<()>> {
    let mut attacks = Vec::new();
    for number in 0..OTHERS {
        let dripping = join(world, server, 3, &format!("drip{number}")).await;
        attacks.push(spawn(drip(dripping, over.clone())));
        let writer = join(world, server, 4, &format!("writer{number}")).await;
        let reader = join(world, server, 4, &format!("reader{number}")).await;
        attacks.push(spawn(never_read(writer, reader, number, over.clone())));
        let flooding = join(world, server, 5, &format!("flood{number}")).await;
        attacks.push(spawn(flood(flooding, over.clone())));
    }
    let over = over.clone();
    attacks.push(async_std::task::spawn_blocking(move || talk_rubbish(server, &over)));
    attacks.push(spawn(sign_in_with_rubbish(server)));
    attacks
}

/// Sends a message byte by byte, and never its end.
async fn drip(mut peer: Peer, over: Over) {
    peer.try_to_send(
        b"TALK nobody 0\r\nMSG nobody 1 00000000000000000000000000000001 text 0 60000\r\n",
    )
    .await;
    for _ in 0..50_000 {
        if over.is_closed() {
            return;
        }
        peer.try_to_send(b"x").await;
        let _ = within(Duration::from_millis(1), over.recv()).await;
    }
}

/// One writes all that the other may have waiting, who takes none of it.
async fn never_read(mut writer: Peer, mut reader: Peer, number: usize, over: Over) {
    reader.talk(&format!("writer{number}")).await;
    let peer = format!("reader{number}");
    writer.talk(&peer).await;
    let text = "x".repeat(1_000);
    for n in 1..=12_000 {
        if over.is_closed() {
            break;
        }
        let frame = format!("MSG {peer} {n} {n:032x} text 0 {}\r\n{text}\r\n", text.len());
        writer.try_to_send(frame.as_bytes()).await;
    }
    let _ = over.recv().await;
    drop(reader);
}

/// Writes to somebody absent as fast as it can, whatever is answered.
async fn flood(mut peer: Peer, over: Over) {
    peer.talk("nobody").await;
    let mut n = 0;
    while !over.is_closed() && n < 2_000_000 {
        let mut frames = String::new();
        for _ in 0..500 {
            n += 1;
            frames += &format!("MSG nobody {n} {n:032x} text 0 1\r\nx\r\n");
        }
        peer.try_to_send(frames.as_bytes()).await;
    }
}

/// Connects again and again to say what is no TLS.
fn talk_rubbish(server: SocketAddr, over: &Over) {
    while !over.is_closed() {
        if let Ok(mut stream) = stream_from(6, server) {
            let rubbish: Vec<u8> = (0..1_000).map(|_| fastrand::u8(..)).collect();
            let _ = stream.write_all(&rubbish);
        }
        let _ = block_on(within(Duration::from_millis(5), over.recv()));
    }
}

/// Agrees on TLS and then says what is no frame.
async fn sign_in_with_rubbish(server: SocketAddr) {
    for number in 0..OTHERS {
        let Ok(transport) = secured(server, 7).await else { continue };
        let mut peer = Peer::on(transport);
        if number % 2 == 0 {
            let key = Identity::generate().unwrap();
            peer.prove(&format!("rubbish{number}"), &key, FIRST_INSTALLATION).await;
        }
        let rubbish: Vec<u8> = (0..100_000).map(|_| fastrand::u8(..)).collect();
        peer.try_to_send(&rubbish).await;
    }
}

/// What a process takes, as Linux counts what it shares (`Pss`).
fn memory(id: u32) -> u64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")) else {
        eprintln!("SKIPPED: this system does not tell how much memory a process takes");
        return 0;
    };
    let line = text.lines().find(|line| line.starts_with("Pss:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
