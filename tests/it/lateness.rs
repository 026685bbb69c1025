//! How long signing in may take: bad lines, people who have to confirm something, and those who want but the place.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tinychat::server::{Config, Tls};
use tinychat::trust::Identity;
use tinychat::wire::transport::{Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::programs::Launch;
use crate::rates::{connect_from, has_more_addresses};
use crate::socks::join;
use crate::times::{SetTimes, SlowWay};
use crate::world::{FIRST_INSTALLATION, Peer, patiently, story, story_with};

const SECOND: Duration = Duration::from_secs(1);

/// How long everybody has, and half of what those have whose person may have to confirm something.
const MINUTE: Duration = Duration::from_secs(60);

/// A server by these clocks.
fn by(times: &Arc<SetTimes>) -> impl FnOnce(&mut Config) {
    let times = times.clone();
    move |config: &mut Config| config.times = times
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

// Bad lines.

/// A line to the server on which everything takes its time. It carries one connection.
fn slow_line(server: SocketAddr, way: Arc<SlowWay>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        join(near, TcpStream::connect(server).unwrap(), Some(way))
    });
    address
}

#[test]
fn who_is_far_away_gets_in() {
    let times = SetTimes::new();
    let with_tls = |config: &mut Config| {
        by(&times)(config);
        config.tls = Tls::Own;
    };
    story_with(with_tls, async |world| {
        let line = slow_line(world.address(), SlowWay::new(&times, 7 * SECOND / 2));
        let stream = TcpStream::connect(line).unwrap();
        // The server has begun to count.
        times.until_asleep(1).await;
        let name = ServerName::IpAddress(line.ip().into());
        let connecting = Box::pin(Transport::connect(Socket::Tcp(stream), name));
        let mut alice = Peer::on(patiently("TLS is agreed on", connecting).await.unwrap());
        alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
        alice.expect("WELCOME alice").await;
        // HELLO went the third of six ways. So it was there later than 10 s, the longest silence.
        assert_eq!(times.passed(), 21 * SECOND);
    });
}

#[test]
fn a_byte_now_and_then_holds_no_place() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let (mut alice, mut mallory) = (world.sign_in("alice").await, world.connect().await);
        times.until_asleep(1).await;
        for _ in 0..=10 {
            mallory.send_bytes(b"H").await;
            // Once it answers this, the server has looked at its sockets, and at Mallory's among them.
            alice.barrier().await;
            times.pass(SECOND).await;
        }
        mallory.expect("ERR TIMEOUT - signing in is too slow").await;
        // Nor does silence.
        let mut silent = world.connect().await;
        times.until_asleep(1).await;
        times.pass(10 * SECOND).await;
        silent.expect("ERR TIMEOUT - nothing came for too long").await;
    });
}

// People who have to confirm something.

#[test]
fn who_takes_long_to_confirm_gets_in() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let alices = world.identity("alice");
        world.sign_in("alice").await.quit().await;
        let (mut alice, mut mallory) = (world.connect().await, world.connect().await);
        let nonce = hello(&mut alice, "alice", &alices).await;
        hello(&mut mallory, "alice", &world.identity("mallory")).await;
        times.until_asleep(2).await;
        times.pass(MINUTE).await;
        mallory.expect("ERR TIMEOUT - signing in took too long").await;
        times.pass(MINUTE - SECOND).await;
        confirm(&mut alice, "alice", &alices, &nonce).await;
    });
}

#[test]
fn who_comes_with_anothers_key_takes_nothing_from_its_owner_but_time_beyond_others() {
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
        let alices = world.identity("alice");
        world.sign_in("alice").await.quit().await;
        let (mut slow, mut quick) = (world.connect().await, world.connect().await);
        let mut mallory = world.connect().await;
        hello(&mut slow, "alice", &alices).await;
        let nonce = hello(&mut quick, "alice", &alices).await;
        // A key is no secret.
        hello(&mut mallory, "alice", &alices).await;
        times.until_asleep(3).await;
        times.pass(MINUTE - SECOND).await;
        confirm(&mut quick, "alice", &alices, &nonce).await;
        times.pass(SECOND).await;
        slow.expect("ERR TIMEOUT - signing in took too long, and others wait").await;
    });
}

#[test]
fn the_oldest_of_an_address_gives_way() {
    if !has_more_addresses() {
        return;
    }
    let times = SetTimes::new();
    story_with(by(&times), async |world| {
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
        times.until_asleep(8).await;
        times.pass(MINUTE).await;
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
