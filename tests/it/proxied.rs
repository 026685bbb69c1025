//! Servers behind proxies that say whose a connection is (HAProxy's PROXY protocol).

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tinychat::server::{Config, Rates, Tls};
use tinychat::wire::HANDSHAKE_SILENCE_SECONDS;
use tinychat::wire::transport::{Socket, Transport};

use crate::programs::Launch;
use crate::rates::{connect_from, has_more_addresses};
use crate::times::SetTimes;
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

/// Who is somewhere else.
const HERS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const HIS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// What is said of a connection, in version 1 and in version 2.
fn line(source: Ipv4Addr) -> Vec<u8> {
    format!("PROXY TCP4 {source} 10.0.0.1 40000 7878\r\n").into_bytes()
}

fn binary(source: Ipv4Addr) -> Vec<u8> {
    const HEAD: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x13";
    const BESIDE: &[u8] = b"\x04\0\x04beef";
    [HEAD, &source.octets(), &[10, 0, 0, 1, 0x9c, 0x40, 0x1e, 0xc6], BESIDE].concat()
}

fn behind_a_proxy(config: &mut Config) {
    config.proxies = "127.0.0.1".parse().unwrap();
}

/// A connection that a proxy makes, of which it says this.
fn stream_of(proxy_says: &[u8], server: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(proxy_says).unwrap();
    stream
}

fn connect(proxy_says: &[u8], world: &World) -> Peer {
    let stream = stream_of(proxy_says, world.address());
    Peer::on(Transport::plain(Socket::Tcp(stream)).unwrap())
}

/// Says HELLO, and is heard.
async fn is_heard(peer: &mut Peer, world: &World) {
    let key = world.identity("somebody").public();
    peer.send(&format!("HELLO tinychat/2 somebody {key} {FIRST_INSTALLATION} online")).await;
    peer.challenge().await;
}

async fn is_told_of_too_many(peer: &mut Peer) {
    peer.expect("ERR BUSY - too many connections from your").await;
}

#[test]
fn limits_see_who_is_behind_the_proxy() {
    let few = |config: &mut Config| {
        behind_a_proxy(config);
        config.rates = Rates { connections: 2, names: 1, ..Rates::UNLIMITED };
    };
    story_with(few, async |world| {
        let (mut one, mut other) = (connect(&line(HERS), world), connect(&binary(HERS), world));
        is_heard(&mut one, world).await;
        is_heard(&mut other, world).await;
        for too_many in [line(HERS), binary(HERS)] {
            is_told_of_too_many(&mut connect(&too_many, world)).await;
        }
        let mut alice = connect(&binary(HIS), world);
        alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
        alice.expect("WELCOME alice").await;
        let mut bob = connect(&line(HIS), world);
        bob.prove("bob", &world.identity("bob"), FIRST_INSTALLATION).await;
        bob.expect("ERR CLAIMS -").await;
    });
}

#[test]
fn the_header_comes_before_tls() {
    let with_tls = |config: &mut Config| {
        behind_a_proxy(config);
        config.tls = Tls::Own;
    };
    story_with(with_tls, async |world| {
        for (name, header) in [("alice", line(HERS)), ("bob", binary(HIS))] {
            let socket = Socket::Tcp(stream_of(&header, world.address()));
            let connecting = Transport::connect(socket, ServerName::IpAddress(HERS.into()));
            let mut peer = Peer::on(patiently("TLS is agreed on", connecting).await.unwrap());
            peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
            peer.expect(&format!("WELCOME {name}")).await;
        }
    });
}

#[test]
fn a_proxy_without_a_header_is_refused() {
    let times = SetTimes::new();
    let by_these = |config: &mut Config| {
        behind_a_proxy(config);
        config.times = times.clone();
    };
    story_with(by_these, async |world| {
        let halting = [&b"PROXY TCP4 1.2"[..], b""].map(|begun| connect(begun, world));
        times.until_asleep(2).await;
        times.pass(Duration::from_secs(HANDSHAKE_SILENCE_SECONDS)).await;
        for proxy in halting {
            proxy.end().await;
        }
        let key = world.identity("alice").public();
        let hello = format!("HELLO tinychat/2 alice {key} {FIRST_INSTALLATION} online\r\n");
        for wrong in [hello.as_bytes(), b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"] {
            connect(wrong, world).end().await;
        }
        // It does not stand in the way of others.
        is_heard(&mut connect(&line(HERS), world), world).await;
    });
}

#[test]
fn nobody_else_is_believed() {
    if !has_more_addresses() {
        return;
    }
    story_with(behind_a_proxy, async |world| {
        let mut mallory = connect_from(2, world.address());
        mallory.try_to_send(&line(HERS)).await;
        mallory.expect("ERR VERB -").await;
        is_heard(&mut connect_from(2, world.address()), world).await;
    });
}

#[test]
fn a_proxy_that_looks_whether_the_server_is_there_is_served_as_itself() {
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
    let few = |config: &mut Config| {
        behind_a_proxy(config);
        config.rates = Rates { connections: 1, ..Rates::UNLIMITED };
    };
    story_with(few, async |world| {
        let mut looking = Vec::new();
        for header in [LOCAL, b"PROXY UNKNOWN\r\n", LOCAL] {
            let mut peer = connect(header, world);
            is_heard(&mut peer, world).await;
            looking.push(peer);
        }
    });
}

#[test]
fn a_proxy_may_come_over_a_unix_socket() {
    let unix = |config: &mut Config| {
        let path = config.data.with_file_name("chat.socket");
        config.listen.push(format!("unix:{}", path.display()));
        config.proxies = "unix".parse().unwrap();
        config.rates = Rates { connections: 1, ..Rates::UNLIMITED };
    };
    story_with(unix, async |world| {
        let connect = || {
            let mut stream = UnixStream::connect(world.path("chat.socket")).unwrap();
            stream.write_all(&line(HERS)).unwrap();
            Peer::on(Transport::plain(Socket::Unix(stream)).unwrap())
        };
        let mut first = connect();
        is_heard(&mut first, world).await;
        is_told_of_too_many(&mut connect()).await;
        is_heard(&mut world.connect().await, world).await;
    });
}

#[test]
fn the_log_has_who_was_refused_and_the_proxy_that_said_nothing() {
    story(async |world| {
        let flags = ["--listen", "127.0.0.1:0", "--tls", "off", "--proxy-protocol", "127.0.0.0/8"];
        let mut server = Launch::operator(&flags).on(&world.path("hosted")).start();
        let listening = server.says_line("listening on ").await;
        let address = listening.rsplit(' ').next().unwrap().parse().unwrap();
        let _refused = stream_of(&[&line(HERS)[..], b"rubbish\r\n"].concat(), address);
        server.logs("a connection from 192.0.2.1 was refused: VERB").await;
        let _proxy = stream_of(b"rubbish\r\n", address);
        server.logs("127.0.0.1, a proxy, was refused: it begins without a PROXY header").await;
        server.signal("TERM");
        server.finish().await.exited(0);
        let wrong = Launch::operator(&["--proxy-protocol", "proxy.example.org"]);
        wrong.on(&world.path("other")).pipe("").await.exited(2).said("is no proxy; give addresses");
    });
}
