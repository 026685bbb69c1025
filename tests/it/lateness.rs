//! How long signing in may take: bad lines, people who have to confirm something, and those who want but the place.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_std::net::{TcpListener, TcpStream};
use async_std::task::spawn;
use futures::future::{Either, join, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use rustls::pki_types::ServerName;
use tinychat::server::{Config, Handshake, Tls};
use tinychat::task;
use tinychat::trust::Identity;
use tinychat::wire::transport::{Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::programs::Launch;
use crate::rates::{connect_from, has_more_addresses};
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

const SECOND: Duration = Duration::from_secs(1);

/// In all three seconds, but for those whose person may have to confirm something.
fn hasty(config: &mut Config) {
    config.timing.handshake =
        Handshake { silence: 20 * SECOND, all: 3 * SECOND, confirmation: 100 * SECOND };
}

/// Says who they are, and waits with the proof. Its nonce.
async fn hello(peer: &mut Peer, name: &str, identity: &Identity) -> String {
    peer.send(&format!(
        "HELLO tinychat/2 {name} {} {FIRST_INSTALLATION} online",
        identity.public()
    ))
    .await;
    peer.challenge().await
}

/// Confirms it, and is in.
async fn confirm(peer: &mut Peer, name: &str, identity: &Identity, nonce: &str) {
    let text = sign_in_text(&name.parse().unwrap(), nonce, &peer.channel);
    peer.send_proof(&identity.sign(SIGN_IN_NAMESPACE, &text).unwrap()).await;
    peer.expect(&format!("WELCOME {name}")).await;
}

/// Whoever came before has had the time that everybody has.
async fn everybodys_time_passes(world: &World) {
    let mut stranger = world.connect().await;
    hello(&mut stranger, "stranger", &world.identity("stranger")).await;
    stranger.expect("ERR TIMEOUT - signing in took too long").await;
    stranger.end().await;
}

// Bad lines.

/// A line to the server on which all takes so long each way. It carries one connection.
async fn slow_line(server: SocketAddr, one_way: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(server).await.unwrap();
        join(carry(near.clone(), far.clone(), one_way), carry(far, near, one_way)).await;
    });
    address
}

async fn carry(mut from: TcpStream, mut to: TcpStream, takes: Duration) {
    let (sender, underway) = async_channel::unbounded::<(Instant, Vec<u8>)>();
    let arriving = async {
        while let Ok((arrives, bytes)) = underway.recv().await {
            task::sleep(arrives.saturating_duration_since(Instant::now())).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    let leaving = async move {
        let mut bytes = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut bytes).await {
            let _ = sender.try_send((Instant::now() + takes, bytes[..read].to_vec()));
        }
    };
    join(leaving, arriving).await;
}

#[test]
fn who_is_far_away_gets_in() {
    let with_tls = |config: &mut Config| {
        config.tls = Tls::Own;
        config.timing.handshake = Handshake::within(18 * SECOND);
    };
    story_with(with_tls, async |world| {
        // It is some 3.5 s until the proof comes, longer than the longest silence.
        let line = slow_line(world.address(), Duration::from_millis(700)).await;
        let stream = TcpStream::connect(line).await.unwrap();
        let name = ServerName::IpAddress(line.ip().into());
        let connecting = Transport::connect(Socket::Tcp(stream.try_into().unwrap()), name);
        let mut alice = Peer::on(patiently("TLS is agreed on", connecting).await.unwrap());
        let begin = Instant::now();
        alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
        alice.expect("WELCOME alice").await;
        assert!(begin.elapsed() > 2 * SECOND, "the line is slow");
    });
}

/// Says one byte after another until the server has had enough. How long that took, and what it said.
async fn trickle(peer: &mut Peer) -> (Duration, String) {
    let begin = Instant::now();
    let mut half = peer.socket();
    let trickling = Box::pin(async move {
        while half.write_all(b"H").await.is_ok() {
            task::sleep(Duration::from_millis(100)).await;
        }
        futures::future::pending::<()>().await;
    });
    match select(Box::pin(peer.next()), trickling).await {
        Either::Left((line, _)) => (begin.elapsed(), line),
        Either::Right(_) => unreachable!("it trickles for ever"),
    }
}

#[test]
fn a_byte_now_and_then_holds_no_place() {
    let hasty = |config: &mut Config| {
        let times = Handshake { silence: SECOND, ..Handshake::default() };
        config.timing.handshake = times;
    };
    story_with(hasty, async |world| {
        let mut mallory = world.connect().await;
        let (took, told) = trickle(&mut mallory).await;
        assert!(told.starts_with("ERR TIMEOUT - "), "{told}");
        assert!(took < 30 * SECOND, "{took:?}");
        // Nor does silence.
        let begin = Instant::now();
        world.connect().await.expect("ERR TIMEOUT - nothing came for too long").await;
        assert!(begin.elapsed() < 30 * SECOND);
    });
}

// People who have to confirm something.

#[test]
fn who_takes_long_to_confirm_gets_in() {
    story_with(hasty, async |world| {
        let alices = world.identity("alice");
        world.sign_in("alice").await.quit().await;
        let (mut alice, mut mallory) = (world.connect().await, world.connect().await);
        let nonce = hello(&mut alice, "alice", &alices).await;
        hello(&mut mallory, "alice", &world.identity("mallory")).await;
        everybodys_time_passes(world).await;
        mallory.expect("ERR TIMEOUT - signing in took too long").await;
        confirm(&mut alice, "alice", &alices, &nonce).await;
    });
}

#[test]
fn who_comes_with_anothers_key_takes_nothing_from_its_owner_but_time_beyond_others() {
    story_with(hasty, async |world| {
        let alices = world.identity("alice");
        world.sign_in("alice").await.quit().await;
        let (mut slow, mut quick) = (world.connect().await, world.connect().await);
        let mut mallory = world.connect().await;
        hello(&mut slow, "alice", &alices).await;
        let nonce = hello(&mut quick, "alice", &alices).await;
        // A key is no secret.
        hello(&mut mallory, "alice", &alices).await;
        confirm(&mut quick, "alice", &alices, &nonce).await;
        slow.expect("ERR TIMEOUT - signing in took too long, and others wait").await;
    });
}

#[test]
fn the_oldest_of_an_address_gives_way() {
    if !has_more_addresses() {
        return;
    }
    story_with(hasty, async |world| {
        let names: Vec<String> = (1..=9).map(|n| format!("person{n}")).collect();
        for name in &names {
            world.sign_in(name).await.quit().await;
        }
        let mut people = Vec::new();
        for name in &names[..8] {
            let mut peer = connect_from(2, world.address());
            let nonce = hello(&mut peer, name, &world.identity(name)).await;
            people.push((peer, nonce));
        }
        everybodys_time_passes(world).await;
        let mut ninth = connect_from(2, world.address());
        let nonce = hello(&mut ninth, &names[8], &world.identity(&names[8])).await;
        let (mut first, _) = people.remove(0);
        first.expect("ERR TIMEOUT - signing in took too long, and others wait").await;
        first.end().await;
        people.push((ninth, nonce));
        for ((peer, nonce), name) in people.iter_mut().zip(&names[1..]) {
            confirm(peer, name, &world.identity(name), nonce).await;
        }
    });
}

// The flag.

#[test]
fn an_operator_says_how_long() {
    story(async |world| {
        let flags = ["--listen", "127.0.0.1:0", "--tls", "off", "--handshake", "2m"];
        let mut server = Launch::operator(&flags).on(&world.path("hosted")).start();
        let line = server.says_line("listening on ").await;
        let address = line.rsplit(' ').next().unwrap().parse().unwrap();
        let mut alice = world.connect_to(address).await;
        alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
        let welcome = alice.next().await;
        assert!(welcome.contains(" handshake=120 "), "{welcome}");
        server.signal("TERM");
        server.finish().await.exited(0);
        for time in ["x", "5s", "2h", "0"] {
            let refused = Launch::operator(&["--handshake", time]).on(&world.path("other"));
            refused.pipe("").await.exited(2).said("a time for signing in");
        }
    });
}
