//! A server that a service manager has started: the sockets that it passes, and what it is told. A shell plays it.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;

use tinychat::wire::transport::{Socket, Transport};

use crate::programs::Launch;
use crate::world::{FIRST_INSTALLATION, PATIENCE, Peer, World, story};

/// Starts the server with its standard input as the first socket that is passed.
const PASS: &str = r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@" 3<&0 </dev/null"#;

fn passing(socket: impl Into<OwnedFd>, flags: &[&str], world: &World) -> Launch {
    let shell = Launch::program("sh").with(&["-c", PASS, env!("CARGO_BIN_EXE_tinychat-server")]);
    shell.with(flags).on(&world.path("hosted")).reading(File::from(socket.into()))
}

/// Where the service manager hears.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn at(path: PathBuf) -> Self {
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, path }
    }

    fn hear(&self) -> String {
        let mut bytes = [0; 1024];
        let read = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }

    /// The next that it hears, beside signs of life.
    fn hears(&self) -> String {
        std::iter::repeat_with(|| self.hear()).find(|it| it != "WATCHDOG=1\n").unwrap()
    }
}

async fn is_served(mut peer: Peer, world: &World) {
    peer.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
    peer.expect("WELCOME alice").await;
}

#[test]
fn a_socket_that_is_passed_is_served_alone() {
    story(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = passing(listener, &["--tls", "off"], world).start();
        server.says(&format!("listening on {address}")).await;
        is_served(world.connect_to(address).await, world).await;
        server.signal("TERM");
        server.finish().await.exited(0).never_said(":7878");
    });
}

#[test]
fn what_listen_says_is_beside_it_and_may_be_the_same() {
    story(async |world| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, path) = (listener.local_addr().unwrap(), world.path("beside.socket"));
        let (passed, beside) = (address.to_string(), format!("unix:{}", path.display()));
        let flags = ["--tls", "off", "--listen", &beside, "--listen", &passed];
        let mut server = passing(listener, &flags, world).start();
        server.says(&format!("listening on {passed}")).await;
        server.says(&format!("listening on {beside}")).await;
        is_served(world.connect_to(address).await, world).await;
        let socket = Socket::Unix(UnixStream::connect(&path).unwrap());
        is_served(Peer::on(Transport::plain(socket).unwrap()), world).await;
        server.signal("TERM");
        server.finish().await.exited(0);
    });
}

#[test]
fn the_file_of_a_passed_socket_stays() {
    story(async |world| {
        let path = world.path("passed.socket");
        let listener = UnixListener::bind(&path).unwrap();
        let mut server = passing(listener, &[], world).start();
        server.says(&format!("listening on unix:{}", path.display())).await;
        server.signal("TERM");
        server.finish().await.exited(0);
        assert!(path.exists());
    });
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    story(async |world| {
        let refused = |socket: OwnedFd| passing(socket, &["--tls", "off"], world).start().finish();
        let file = File::open("/dev/null").unwrap();
        refused(file.into()).await.exited(1).said("socket 1 of those passed to the server");
        let (connected, _peer) = UnixStream::pair().unwrap();
        refused(connected.into()).await.exited(1).said("it does not listen");
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        refused(open.into()).await.exited(1).said("--tls off is for Unix sockets");
    });
}

#[test]
fn a_service_manager_is_told_how_the_server_is() {
    story(async |world| {
        let manager = Manager::at(world.path("notify"));
        let flags = ["--listen", "127.0.0.1:0", "--tls", "off"];
        let server = Launch::operator(&flags).on(&world.path("hosted"));
        let server = server.variable("NOTIFY_SOCKET", &manager.path);
        let mut server = server.variable("WATCHDOG_USEC", "200000").start();
        server.says("listening on").await;
        assert_eq!(manager.hears(), "READY=1\n");
        for _ in 0..3 {
            assert_eq!(manager.hear(), "WATCHDOG=1\n");
        }
        server.signal("HUP");
        let reloading = manager.hears();
        assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
        assert_eq!(manager.hears(), "READY=1\n");
        server.signal("TERM");
        assert_eq!(manager.hears(), "STOPPING=1\n");
        server.finish().await.exited(0);
    });
}

#[test]
fn a_service_manager_that_is_gone_hurts_nobody() {
    story(async |world| {
        let flags = ["--listen", "127.0.0.1:0", "--tls", "off"];
        let server = Launch::operator(&flags).on(&world.path("hosted"));
        let mut server = server.variable("NOTIFY_SOCKET", "/nonexistent/notify").start();
        let line = server.says_line("listening on ").await;
        let address = line.rsplit(' ').next().unwrap().parse().unwrap();
        is_served(world.connect_to(address).await, world).await;
        server.logs("telling the service manager").await;
        server.signal("TERM");
        server.finish().await.exited(0);
    });
}
