//! More connections than can be begun: who goes first, and what the others are told.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::{AsyncReadExt as _, FutureExt as _};
use tinychat::server::{Config, Rate, Rates, Tls};
use tinychat::wire::transport::{Socket, Transport};

use crate::hostile::secured;
use crate::programs::Launch;
use crate::rates::{connect_from, has_more_addresses, stream_from};
use crate::times::SetTimes;
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

/// How many strangers come at once, and how many of all are begun in a second.
const STRANGERS: usize = 60;
const EACH_SECOND: u32 = 4;

fn at_a_slow_pace(config: &mut Config) {
    let arrivals = Rate { each_second: EACH_SECOND, burst: 1 };
    config.rates = Rates { arrivals, ..Rates::UNLIMITED };
}

/// Alice signs in from an address of her own.
async fn alice_signs_in(world: &World) -> Peer {
    let stream = stream_from(3, world.address()).unwrap();
    let mut alice = Peer::on(Transport::plain(Socket::Tcp(stream)).unwrap());
    alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
    alice.expect("WELCOME alice").await;
    alice
}

/// They say what is answered at once, as soon as it is read.
fn strangers_come(server: SocketAddr) -> Vec<TcpStream> {
    let stranger = || {
        let mut stream = stream_from(2, server)?;
        std::io::Write::write_all(&mut stream, b"rubbish\r\n")?;
        stream.set_nonblocking(true)?;
        std::io::Result::Ok(stream)
    };
    (0..STRANGERS).map(|_| stranger().unwrap()).collect()
}

/// How many of them have no answer yet.
fn still_waiting(strangers: &mut [TcpStream]) -> usize {
    let is_waiting = |stream: &mut TcpStream| {
        let read = stream.read(&mut [0; 64]);
        read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    strangers.iter_mut().map(is_waiting).filter(|waits| *waits).count()
}

#[test]
fn who_was_here_lately_goes_first_also_after_a_restart() {
    if !has_more_addresses() {
        return;
    }
    story_with(at_a_slow_pace, async |world| {
        drop(alice_signs_in(world).await);
        for restarts in [false, true] {
            if restarts {
                world.restart().await;
            }
            let mut strangers = strangers_come(world.address());
            drop(alice_signs_in(world).await);
            // The machine may have been busy with anything for seconds.
            let waiting = still_waiting(&mut strangers);
            assert!(waiting > STRANGERS / 4, "only {waiting} came behind alice");
        }
    });
}

#[test]
fn everybody_comes_at_last() {
    if !has_more_addresses() {
        return;
    }
    let quicker = |config: &mut Config| {
        let arrivals = Rate { each_second: 200, burst: 1 };
        config.rates = Rates { arrivals, ..Rates::UNLIMITED };
    };
    story_with(quicker, async |world| {
        for stream in strangers_come(world.address()) {
            let mut stranger = Peer::on(Transport::plain(Socket::Tcp(stream)).unwrap());
            stranger.expect("ERR VERB -").await;
        }
    });
}

/// One connection is begun in each second of the system's clock. How long the others have waited is by these times.
fn one_each_second(times: &Arc<SetTimes>) -> impl FnOnce(&mut Config) {
    let times = times.clone();
    move |config: &mut Config| {
        let arrivals = Rate { each_second: 1, burst: 1 };
        config.rates = Rates { arrivals, ..Rates::UNLIMITED };
        config.times = times;
    }
}

#[test]
fn who_has_waited_for_too_long_is_closed_unread() {
    if !has_more_addresses() {
        return;
    }
    let times = SetTimes::new();
    story_with(one_each_second(&times), async |world| {
        drop(alice_signs_in(world).await);
        let mut strangers: Vec<_> =
            (0..STRANGERS).map(|_| connect_from(2, world.address())).collect();
        // She goes first, but is received last.
        let _alice = alice_signs_in(world).await;
        times.pass(Duration::from_secs(8)).await;
        let mut last = strangers.pop().unwrap();
        let told = last.next().await;
        assert!(told.starts_with("ERR BUSY - the server is busy"), "{told}");
        last.end().await;
    });
}

/// More than wait at once of those who were not here lately.
const TOO_MANY: usize = 1_100;

/// What the first of them is told who has an answer. They have said nothing.
async fn first_answer(strangers: &mut [TcpStream]) -> String {
    loop {
        let mut bytes = [0; 64];
        let read = strangers.iter_mut().find_map(|stranger| stranger.read(&mut bytes).ok());
        if let Some(read) = read {
            return String::from_utf8_lossy(&bytes[..read]).into();
        }
        async_std::task::yield_now().await;
    }
}

#[test]
fn where_too_many_wait_one_more_is_told_that_the_server_is_busy() {
    if !has_more_addresses() {
        return;
    }
    let times = SetTimes::new();
    story_with(one_each_second(&times), async |world| {
        let silent = || {
            let stranger = stream_from(2, world.address()).unwrap();
            stranger.set_nonblocking(true).unwrap();
            stranger
        };
        let mut strangers: Vec<_> = (0..TOO_MANY).map(|_| silent()).collect();
        // Time stands still: nobody has waited for too long.
        let told = patiently("somebody is told", first_answer(&mut strangers)).await;
        assert!(told.starts_with("ERR BUSY - the server is busy"), "{told}");
    });
}

#[test]
fn a_full_server_says_so_under_tls_too() {
    let one = |config: &mut Config| {
        config.tls = Tls::Own;
        config.max_connections = 1;
    };
    story_with(one, async |world| {
        let mut alice = world.sign_in("alice").await;
        for _ in 0..3 {
            let mut too_many = world.connect().await;
            too_many.expect("ERR BUSY -").await;
            too_many.end().await;
        }
        alice.barrier().await;
        alice.quit().await;
        // They did not take a place while they were told.
        let signing_in = async {
            loop {
                let mut bob = world.connect().await;
                bob.try_to_send(b"PING\r\n").await;
                if bob.next_line().await.is_some_and(|line| line.starts_with("ERR STATE")) {
                    return;
                }
            }
        };
        patiently("there is room", signing_in).await;
    });
}

/// How many connections beyond a limit are told so under TLS, at once.
const TOLD_AT_ONCE: usize = 64;

/// More connect to a full server than are told so, and none of them begins TLS. Returns whether the last one is closed
/// while the first one is still waited for.
async fn the_last_is_closed_first(server: SocketAddr) -> bool {
    let mut silent = Vec::new();
    for _ in 0..=TOLD_AT_ONCE {
        silent.push(async_std::net::TcpStream::connect(server).await.unwrap());
    }
    let mut byte = [0];
    let last = silent[TOLD_AT_ONCE].read(&mut byte);
    // A reset is an end too.
    let read = patiently("the last one is closed", last).await.unwrap_or(0);
    assert_eq!(read, 0, "nothing is said before TLS is agreed on");
    silent[0].read(&mut byte).now_or_never().is_none()
}

#[test]
fn a_full_server_under_tls_closes_one_more_unread_than_it_tells_at_once() {
    let one = |config: &mut Config| {
        config.tls = Tls::Own;
        config.max_connections = 1;
    };
    story_with(one, async |world| {
        let mut alice = world.sign_in("alice").await;
        let mut tries = 0;
        // On a busy machine it may take longer to connect than the first one is waited for.
        while !the_last_is_closed_first(world.address()).await {
            tries += 1;
            assert!(tries < 3, "the last one is waited for as the others are");
        }
        alice.barrier().await;
    });
}

#[test]
fn an_address_that_has_all_its_connections_is_told_so_under_tls_too() {
    if !has_more_addresses() {
        return;
    }
    let one = |config: &mut Config| {
        config.tls = Tls::Own;
        config.rates = Rates { connections: 1, ..Rates::UNLIMITED };
    };
    story_with(one, async |world| {
        let address = world.address();
        let first = secured(address, 2).await.unwrap();
        for _ in 0..3 {
            let mut too_many = Peer::on(secured(address, 2).await.unwrap());
            let told = too_many.next().await;
            assert!(
                told.starts_with("ERR BUSY - too many connections from your address"),
                "{told}"
            );
            too_many.end().await;
        }
        // They are told it in a place of their own, and others have theirs.
        world.sign_in("alice").await.quit().await;
        drop(first);
    });
}

#[test]
fn an_address_that_comes_too_often_is_closed_unread_under_tls() {
    if !has_more_addresses() {
        return;
    }
    let one = |config: &mut Config| {
        config.tls = Tls::Own;
        config.rates = Rates { handshakes: 1, ..Rates::UNLIMITED };
    };
    story_with(one, async |world| {
        let _first = secured(world.address(), 2).await.unwrap();
        assert!(secured(world.address(), 2).await.is_err());
        world.sign_in("alice").await;
    });
}

/// Closes each connection before it reads anything, once something has come.
fn close_unread(listener: &TcpListener) {
    for stream in listener.incoming().flatten().take(2) {
        let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
        let _ = stream.peek(&mut [0]);
    }
}

#[test]
fn a_client_that_is_closed_unread_says_that_the_server_is_busy() {
    story(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let closing = thread::spawn(move || close_unread(&listener));
        let flags = ["--user", "john", "--server", &address, "--to", "marie"];
        let mut john = Launch::tinychat(&flags).on(&world.path("john")).start();
        john.types("hello\n");
        john.says(&format!("the server {address} is away (the server is busy); trying again"))
            .await;
        // It comes again by itself.
        patiently("the client comes again", async_std::task::spawn_blocking(|| closing.join()))
            .await
            .unwrap();
        john.signal("INT");
        john.end().await.exited(130).said("1 message not sent yet; kept");
    });
}
