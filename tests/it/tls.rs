//! The line and the server's key: what TLS protects, and what a signature is bound to.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use async_std::net::{TcpListener, TcpStream};
use async_std::task::spawn;
use futures::future::join;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use tinychat::server::{Config, Handshake, Server, StartError, Tls};
use tinychat::trust::tls::{ALPN, Certificates, Channel, Credentials};
use tinychat::trust::{CertificateFiles, Fingerprint};
use tinychat::wire::transport::{Socket, Transport};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::programs::{Launch, Program, free_address};
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story, story_with};

/// A world whose server has TLS, as is usual.
fn with_tls(config: &mut Config) {
    config.tls = Tls::Own;
}

/// The key that the world's server shows.
async fn shown(world: &World) -> Fingerprint {
    server_key(&world.connect().await)
}

fn server_key(peer: &Peer) -> Fingerprint {
    match peer.channel {
        Channel::Tls { server, .. } => server,
        Channel::Plain => panic!("there is no TLS"),
    }
}

/// Says HELLO as alice, and proves it with what she signs for another connection than this one.
async fn prove_for(world: &World, peer: &mut Peer, channel: &Channel) {
    let alice = world.identity("alice");
    peer.send(&format!("HELLO tinychat/2 alice {} {FIRST_INSTALLATION} online", alice.public()))
        .await;
    let text = sign_in_text(&"alice".parse().unwrap(), &peer.challenge().await, channel);
    peer.send_proof(&alice.sign(SIGN_IN_NAMESPACE, &text).unwrap()).await;
}

#[test]
fn people_talk_under_tls_as_they_do_without() {
    story_with(with_tls, async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let long = |n| format!("{n} {}", "x".repeat(30_000));
        alice.say_all("bob", 1..=40, long).await;
        bob.hears_all("alice", 1, 1..=40, long).await;
        bob.ack("alice", 40).await;
        alice.expect("DELIVERED bob 40").await;
        bob.quit().await;
        alice.expect("PRESENCE bob away").await;
        alice.say("bob", 41, "later").await;
        alice.expect("STORED bob 41").await;
    });
}

#[test]
fn a_signature_is_worth_nothing_on_another_connection() {
    story_with(with_tls, async |world| {
        let mut alice = world.connect().await;
        let Channel::Tls { server, binding } = alice.channel else { panic!("there is no TLS") };
        let other = Fingerprint::of(b"another server");
        let mut other_binding = binding;
        other_binding[31] ^= 1;
        let wrong = [
            Channel::Plain,
            Channel::Tls { server: other, binding },
            Channel::Tls { server, binding: other_binding },
            world.connect().await.channel,
        ];
        for channel in wrong {
            let mut alice = world.connect().await;
            prove_for(world, &mut alice, &channel).await;
            alice.expect("ERR PROOF -").await;
            alice.end().await;
        }
        let right = alice.channel;
        prove_for(world, &mut alice, &right).await;
        alice.expect("WELCOME alice").await;
    });
}

#[test]
fn who_stands_between_the_two_gets_no_further() {
    story_with(with_tls, async |world| {
        // Mallory has a key of her own, and passes every byte on.
        let files = certificate_files(&world.path(""), "mallory");
        let mallory = Certificates::open_or_make(files).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (between, server) = (listener.local_addr().unwrap(), world.address());
        let relay = spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let socket = Socket::Tcp(stream.try_into().unwrap());
            let victim = Transport::accept(socket, &mallory.current()).await.unwrap();
            pass_on(victim, connect(server).await).await;
        });
        let mut alice = Peer::on(connect(between).await);
        assert_ne!(server_key(&alice), shown(world).await);
        alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
        alice.expect("ERR PROOF -").await;
        alice.end().await;
        patiently("mallory gives up", relay).await;
        // The name is still to be had.
        world.sign_in("alice").await;
    });
}

async fn connect(address: SocketAddr) -> Transport {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::IpAddress(address.ip().into());
    let connecting = Transport::connect(Socket::Tcp(stream.try_into().unwrap()), name);
    patiently("TLS is agreed on", connecting).await.unwrap()
}

async fn pass_on(one: Transport, other: Transport) {
    let (Transport { reader: a, writer: b, .. }, Transport { reader: c, writer: d, .. }) =
        (one, other);
    join(copy(a, d), copy(c, b)).await;
}

async fn copy(
    mut from: tinychat::wire::transport::BoxReader,
    mut to: tinychat::wire::transport::BoxWriter,
) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..read]).await.is_err() || to.flush().await.is_err() {
            break;
        }
    }
    let _ = to.close().await;
}

// The server's key.

fn certificate_files(folder: &Path, name: &str) -> CertificateFiles {
    let file = |what| folder.join(format!("{name}-{what}.pem"));
    CertificateFiles { certificate: file("certificate"), key: file("key") }
}

#[test]
fn a_server_has_the_same_key_for_ever_and_alone() {
    story_with(with_tls, async |world| {
        let first = shown(world).await;
        let folder = world.path("server");
        for file in ["key.pem", "certificate.pem"] {
            let mode = std::fs::metadata(folder.join(file)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{file}");
        }
        world.restart().await;
        assert_eq!(shown(world).await, first);
        // A renewed certificate, for the same key.
        std::fs::remove_file(folder.join("certificate.pem")).unwrap();
        world.restart().await;
        assert_eq!(shown(world).await, first);
    });
}

#[test]
fn a_server_does_without_tls_on_its_own_machine_only() {
    let refused = |listen: &str| {
        let folder = tempfile::tempdir().unwrap();
        let config = Config::new(vec![listen.into()], folder.path().into());
        let bound = async_std::task::block_on(Server::bind(Config { tls: Tls::Off, ..config }));
        bound.err()
    };
    assert!(matches!(refused("0.0.0.0:0"), Some(StartError::Unprotected(_))));
    assert!(matches!(refused("[::]:0"), Some(StartError::Unprotected(_))));
    assert!(refused("127.0.0.1:0").is_none());
    assert!(refused("localhost:0").is_none());
}

#[test]
fn a_key_that_everybody_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = certificate_files(folder.path(), "own");
    Certificates::open_or_make(files.clone()).unwrap();
    let readable = |mode| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&files.key, permissions).unwrap();
        Certificates::open(files.clone())
    };
    // That a group reads it is how certificates are shared among services.
    readable(0o640).unwrap();
    let error = readable(0o644).unwrap_err();
    assert!(error.to_string().contains("chmod o= "), "{error}");
}

#[test]
fn a_certificate_that_is_none_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let (own, other) =
        (certificate_files(folder.path(), "own"), certificate_files(folder.path(), "other"));
    Certificates::open_or_make(own.clone()).unwrap();
    Certificates::open_or_make(other.clone()).unwrap();
    let missing = folder.path().join("missing.pem");
    for (certificate, key, part) in [
        (&missing, &own.key, "cannot read "),
        (&own.certificate, &missing, "cannot read "),
        (&own.key, &own.key, "is a private key, and no certificate"),
        (&own.certificate, &own.certificate, "is a certificate, and no private key"),
        (&own.certificate, &other.key, "is not that of the certificate"),
    ] {
        let files = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
        let error = Certificates::open(files).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn one_who_does_not_agree_on_tls_is_closed_in_time() {
    let hasty = |config: &mut Config| {
        with_tls(config);
        config.timing.handshake = Handshake::within(std::time::Duration::from_millis(1_200));
    };
    story_with(hasty, async |world| {
        let mut silent = TcpStream::connect(world.address()).await.unwrap();
        let mut talker = TcpStream::connect(world.address()).await.unwrap();
        talker.write_all(b"HELLO tinychat/2 alice\r\n").await.unwrap();
        for stream in [&mut silent, &mut talker] {
            let mut rest = Vec::new();
            let _ = patiently("the server closes", stream.read_to_end(&mut rest)).await;
        }
    });
}

#[test]
fn one_connection_too_many_is_closed_before_tls() {
    let one = |config: &mut Config| {
        with_tls(config);
        config.max_connections = 1;
    };
    story_with(one, async |world| {
        let _alice = world.sign_in("alice").await;
        let mut stream = TcpStream::connect(world.address()).await.unwrap();
        let mut rest = Vec::new();
        patiently("the server closes", stream.read_to_end(&mut rest)).await.unwrap();
        assert_eq!(rest, b"");
    });
}

// The real programs.

/// A server as people start it, and the address that it says to join with.
pub(crate) struct Hosted {
    pub(crate) server: Program,
    pub(crate) address: String,
    key: String,
}

impl Hosted {
    pub(crate) async fn start(flags: &[&str], data: &Path) -> Self {
        let listen = free_address().to_string();
        let launch = Launch::operator(&["--listen", &listen]).with(flags).on(data);
        let mut server = launch.start();
        let line = server.says_line("join with --server '").await;
        let target = line.split('\'').nth(1).unwrap().strip_prefix("tinychat://").unwrap();
        let (address, key) = target.split_once('#').unwrap();
        Self { server, address: address.into(), key: key.into() }
    }

    /// Somebody at the client, who says where to go.
    fn person(&self, world: &World, name: &str, server: &str) -> Launch {
        Launch::tinychat(&["--user", name, "--server", server]).on(&world.path(name))
    }

    pub(crate) async fn stop(self) {
        self.server.signal("TERM");
        self.server.finish().await.exited(0);
    }
}

fn known_servers(world: &World, name: &str) -> PathBuf {
    world.path(name).join("known_servers")
}

#[test]
fn a_server_is_shown_once_and_known_from_then_on() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let alice = || hosted.person(world, "alice", &hosted.address).to("bob");
        let first = alice().pipe("hello\n").await;
        first
            .exited(0)
            .said(&format!("first time at {}; its key is {}", hosted.address, hosted.key));
        alice().pipe("again\n").await.exited(0).was_quiet();
        let file = known_servers(world, "alice");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert_eq!(text, format!("{} {}\n", hosted.address, hosted.key));
        let bob = hosted.person(world, "bob", &hosted.address).to("alice").pipe("").await;
        bob.exited(0).printed(&["alice: hello", "alice: again"]);
        hosted.stop().await;
    });
}

#[test]
fn another_key_stops_the_client_until_its_owner_accepts_it() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let (address, old) = (hosted.address.clone(), hosted.key.clone());
        hosted.person(world, "alice", &address).to("bob").pipe("one\n").await.exited(0);
        hosted.stop().await;
        // At the same address, somebody with another key.
        let other = Launch::operator(&["--listen", &address]).on(&world.path("other"));
        let mut other = other.start();
        let line = other.says_line("join with").await;
        let alice = || {
            let flags = ["--user", "alice", "--server", &address, "--to", "bob"];
            Launch::tinychat(&flags).on(&world.path("alice"))
        };
        for _ in 0..2 {
            let refused = alice().pipe("two\n").await;
            let file = known_servers(world, "alice").display().to_string();
            refused.exited(3).said("HAS CHANGED").said(&old).said("delete line 1 of").said(&file);
            let new = line.split(['#', '\'']).nth(2).unwrap();
            refused.said(&format!("shown: {new}")).said("not sent yet; kept");
        }
        std::fs::write(known_servers(world, "alice"), "").unwrap();
        alice().pipe("").await.exited(0).said("first time at");
        other.signal("TERM");
        other.finish().await.exited(0);
    });
}

#[test]
fn an_address_with_a_key_is_checked_the_first_time_too() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let wrong = Fingerprint::of(b"another server").to_string();
        let target = |key: &str| format!("tinychat://{}#{key}", hosted.address);
        let alice = |server: &str| hosted.person(world, "alice", server).to("bob");
        let refused = alice(&target(&wrong)).pipe("hello\n").await;
        refused.exited(3).said("is not the server that you named").said(&wrong).said(&hosted.key);
        assert!(!known_servers(world, "alice").exists(), "nobody was met");
        alice(&target(&hosted.key)).pipe("").await.exited(0);
        let bob = hosted.person(world, "bob", &hosted.address).to("alice").pipe("").await;
        bob.exited(0).printed(&["alice: hello"]);
        hosted.stop().await;
    });
}

#[test]
fn an_operators_certificate_is_read_again_and_a_renewed_one_alarms_nobody() {
    story(async |world| {
        let files = certificate_files(&world.path(""), "own");
        Certificates::open_or_make(files.clone()).unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let (certificate, key) = (text(&files.certificate), text(&files.key));
        let flags = ["--cert", &certificate, "--key", &key];
        let mut hosted = Hosted::start(&flags, &world.path("hosted")).await;
        let alice = |hosted: &Hosted| hosted.person(world, "alice", &hosted.address).to("bob");
        alice(&hosted).pipe("one\n").await.exited(0).said(&hosted.key);

        // Renewed: another certificate for the same key.
        std::fs::remove_file(&files.certificate).unwrap();
        Certificates::open_or_make(files.clone()).unwrap();
        hosted.server.signal("HUP");
        hosted.server.logs("read the certificate again").await;
        alice(&hosted).pipe("two\n").await.exited(0).was_quiet();

        // Broken: the server goes on with what it has.
        std::fs::write(&files.certificate, "rubbish").unwrap();
        hosted.server.signal("HUP");
        hosted.server.logs("the certificate stays the one that it was").await;
        alice(&hosted).pipe("three\n").await.exited(0).was_quiet();

        // Another key: that is another server.
        std::fs::remove_file(&files.certificate).unwrap();
        std::fs::remove_file(&files.key).unwrap();
        Certificates::open_or_make(files.clone()).unwrap();
        hosted.server.signal("HUP");
        hosted.server.logs("read the certificate again").await;
        hosted.server.says("clients that know the old one refuse the new one").await;
        alice(&hosted).pipe("four\n").await.exited(3).said("HAS CHANGED");
        hosted.stop().await;
    });
}

#[test]
fn a_restored_server_is_the_one_that_it_was() {
    story(async |world| {
        let (data, file) = (world.path("hosted"), world.path("backup"));
        let hosted = Hosted::start(&[], &data).await;
        let address = hosted.address.clone();
        hosted.person(world, "alice", &address).to("bob").pipe("one\n").await.exited(0);
        let words = ["backup", file.to_str().unwrap()];
        Launch::operator(&words).on(&data).pipe("").await.exited(0);
        hosted.stop().await;
        let restored = world.path("restored");
        let words = ["restore", file.to_str().unwrap()];
        Launch::operator(&words).on(&restored).pipe("").await.exited(0);
        let mode = std::fs::metadata(restored.join("key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut server = Launch::operator(&["--listen", &address]).on(&restored).start();
        server.says("join with").await;
        let flags = ["--user", "alice", "--server", &address, "--to", "bob"];
        let alice = Launch::tinychat(&flags).on(&world.path("alice")).pipe("two\n").await;
        alice.exited(0).was_quiet();
        server.signal("TERM");
        server.finish().await.exited(0);
    });
}

#[test]
fn a_server_may_listen_on_a_unix_socket() {
    story(async |world| {
        let path = world.path("chat.socket");
        let listen = format!("unix:{}", path.display());
        let start = || Launch::operator(&["--listen", &listen]).on(&world.path("hosted")).start();
        let mut server = start();
        server.says(&format!("listening on {listen}")).await;
        let alice = || Launch::tinychat(&["--user", "alice", "--server", &listen, "--to", "bob"]);
        let alice = || alice().on(&world.path("alice"));
        alice().pipe("hello\n").await.exited(0).said("first time at");
        let target = server.says_line("join with").await.split('\'').nth(1).unwrap().to_owned();
        let flags = ["--user", "carol", "--server", &target, "--to", "bob"];
        let carol = Launch::tinychat(&flags).on(&world.path("carol")).pipe("hello\n").await;
        carol.exited(0);
        // Another server does not take it away; one that was killed leaves it to the next.
        let other =
            Launch::operator(&["--listen", &listen]).on(&world.path("other")).pipe("").await;
        other.exited(1).said("another process does");
        server.kill().await;
        let mut server = start();
        server.says("listening on").await;
        alice().pipe("again\n").await.exited(0).was_quiet();
        server.signal("TERM");
        server.finish().await.exited(0);
        assert!(!path.exists(), "it is removed");
    });
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced_by_one() {
    story(async |world| {
        let path = world.path("letter");
        std::fs::write(&path, "dear bob").unwrap();
        let listen = format!("unix:{}", path.display());
        let server = Launch::operator(&["--listen", &listen]).on(&world.path("hosted"));
        server.pipe("").await.exited(1).said("there is a file that is no socket");
        assert_eq!(std::fs::read(&path).unwrap(), b"dear bob");
    });
}

#[test]
fn a_client_whose_server_has_no_tls_is_told_what_to_do() {
    story(async |world| {
        let server = world.address().to_string();
        let flags = ["--user", "alice", "--server", &server, "--to", "bob"];
        let alice = Launch::tinychat(&flags).on(&world.path("alice")).pipe("hello\n").await;
        alice.exited(3).said("does not speak TLS").said("--tls off");
    });
}

#[test]
fn a_client_that_leaves_tls_out_is_told_what_to_do() {
    story_with(with_tls, async |world| {
        let alice = Launch::of(world, "alice").to("bob").with(&["--timeout", "1s"]);
        alice.pipe("hello\n").await.exited(3).said("leave --tls off away");
    });
}

#[test]
fn a_server_on_the_net_gets_nothing_without_tls() {
    story(async |world| {
        let Some(listener) = on_the_net().await else {
            return eprintln!("SKIPPED: this machine has no address but its own loopback");
        };
        let server = listener.local_addr().unwrap().to_string();
        let alice =
            Launch::at(&server, "alice", &world.path("alice")).to("bob").pipe("hello\n").await;
        alice.exited(3).said("is not on this machine");
        assert!(listener.accept().now_or_never().is_none(), "nobody came");
    });
}

/// A listener on an address of this machine that others can reach, if it has one.
async fn on_the_net() -> Option<TcpListener> {
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: it tells which address would be the sender's (192.0.2.0/24 is for examples).
    probe.connect("192.0.2.1:9").ok()?;
    let own = probe.local_addr().ok()?.ip();
    if own.is_loopback() { None } else { TcpListener::bind((own, 0)).await.ok() }
}

#[test]
fn a_named_key_and_no_tls_do_not_go_together() {
    story(async |world| {
        let key = Fingerprint::of(b"any");
        let server = format!("tinychat://{}#{key}", world.address());
        let alice =
            Launch::at(&server, "alice", &world.path("alice")).to("bob").pipe("hello\n").await;
        alice.exited(2).said("leave out either the fingerprint or --tls off");
    });
}

#[test]
fn an_operator_can_look_the_key_up() {
    story(async |world| {
        let data = world.path("hosted");
        let hosted = Hosted::start(&[], &data).await;
        let status = Launch::operator(&["status"]).on(&data).pipe("").await;
        assert!(status.lines().contains(&format!("Key: {}", hosted.key)), "{:?}", status.lines());
        hosted.stop().await;
    });
}

// Servers that are not what they seem.

/// A server that is not ours, at an address that clients may know.
struct Fake {
    address: SocketAddr,
    /// How many bytes were said to each that agreed on TLS.
    said: async_channel::Receiver<usize>,
}

impl Fake {
    async fn at(address: SocketAddr, config: ServerConfig) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, said) = async_channel::unbounded();
        let credentials = Credentials { config: config.into(), fingerprint: Fingerprint::of(b"") };
        spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let socket = Socket::Tcp(stream.try_into().unwrap());
                if let Ok(mut transport) = Transport::accept(socket, &credentials).await {
                    let mut bytes = Vec::new();
                    let _ = transport.reader.read_to_end(&mut bytes).await;
                    let _ = tell.send(bytes.len()).await;
                }
            }
        });
        Self { address, said }
    }
}

/// What a server shows that has this certificate, and this key, whether they fit or not.
fn shows(
    certificate: &CertificateFiles,
    key: &CertificateFiles,
    alpn: Option<&[u8]>,
) -> ServerConfig {
    let chain = vec![CertificateDer::from_pem_file(&certificate.certificate).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&key.key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = provider.key_provider.load_private_key(key).unwrap();
    let both = SingleCertAndKey::from(CertifiedKey::new(chain, key));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(both));
    config.alpn_protocols = alpn.map(Vec::from).into_iter().collect();
    config
}

/// Alice has met a server, which is away now; its address, and its certificate.
async fn alice_has_met_a_server(world: &World) -> (SocketAddr, CertificateFiles) {
    let data = world.path("hosted");
    let hosted = Hosted::start(&[], &data).await;
    let address = hosted.address.clone();
    hosted.person(world, "alice", &address).to("bob").pipe("one\n").await.exited(0);
    hosted.stop().await;
    let files =
        CertificateFiles { certificate: data.join("certificate.pem"), key: data.join("key.pem") };
    (address.parse().unwrap(), files)
}

fn alice_again(world: &World, address: SocketAddr) -> Launch {
    let server = address.to_string();
    let alice = Launch::tinychat(&["--user", "alice", "--server", &server, "--to", "bob"]);
    alice.on(&world.path("alice"))
}

#[test]
fn whoever_shows_a_certificate_needs_its_key() {
    story(async |world| {
        let (address, files) = alice_has_met_a_server(world).await;
        let mallorys = certificate_files(&world.path(""), "mallory");
        Certificates::open_or_make(mallorys.clone()).unwrap();
        let fake = Fake::at(address, shows(&files, &mallorys, Some(ALPN))).await;
        let alice = alice_again(world, address).with(&["--timeout", "1s"]).pipe("two\n").await;
        alice.exited(3).said("not sent yet");
        assert!(fake.said.is_empty(), "nobody agreed on TLS");
        assert_eq!(fake.address, address);
    });
}

#[test]
fn nothing_is_said_to_a_server_with_another_key() {
    story(async |world| {
        let (address, _) = alice_has_met_a_server(world).await;
        let mallorys = certificate_files(&world.path(""), "mallory");
        Certificates::open_or_make(mallorys.clone()).unwrap();
        let fake = Fake::at(address, shows(&mallorys, &mallorys, Some(ALPN))).await;
        alice_again(world, address).pipe("two\n").await.exited(3).said("HAS CHANGED");
        assert_eq!(patiently("alice is gone", fake.said.recv()).await, Ok(0));
    });
}

#[test]
fn a_server_of_something_else_is_not_met() {
    story(async |world| {
        let others = certificate_files(&world.path(""), "other");
        Certificates::open_or_make(others.clone()).unwrap();
        let any = "127.0.0.1:0".parse().unwrap();
        let fake = Fake::at(any, shows(&others, &others, None)).await;
        let alice = alice_again(world, fake.address).pipe("two\n").await;
        alice.exited(3).said("does not speak TLS as a TinyChat server does");
        assert!(!known_servers(world, "alice").exists());
    });
}

#[test]
fn somebody_else_at_a_known_address_is_waited_out() {
    story(async |world| {
        let (address, files) = alice_has_met_a_server(world).await;
        let listener = TcpListener::bind(address).await.unwrap();
        let mut alice = alice_again(world, address).with(&["--follow", "--receipts"]).start();
        alice.types("two\n");
        let (mut stream, _) = patiently("alice comes", listener.accept()).await.unwrap();
        stream.write_all(b"HTTP/1.1 302 Pay first\r\n\r\n").await.unwrap();
        drop((stream, listener));
        // The line is paid for.
        let flags = ["--listen", &address.to_string()];
        let server = Launch::operator(&flags).on(files.key.parent().unwrap()).start();
        alice.says("stored bob 2").await;
        server.signal("TERM");
        server.finish().await.exited(0);
    });
}

#[test]
fn flags_of_tls_that_do_not_fit_are_refused() {
    story(async |world| {
        let data = world.path("hosted");
        for (flags, part) in [
            (&["--tls", "maybe"][..], "it is on or off"),
            (&["--cert", "x"], "--cert and --key go together"),
            (&["--tls", "off", "--cert", "x", "--key", "y"], "no use for a certificate"),
            (&["--tls", "off", "--listen", "0.0.0.0:0"], "--tls off is for Unix sockets"),
            (&["--cert", "/nowhere/c", "--key", "/nowhere/k"], "cannot read /nowhere/c"),
        ] {
            let refused = Launch::operator(flags).on(&data).pipe("").await;
            refused.said(part);
        }
    });
}

// Without any program of ours.

#[test]
fn openssl_and_ssh_keygen_sign_in_by_the_specification() {
    for tool in ["openssl", "ssh-keygen"] {
        if Command::new(tool).arg("-?").output().is_err() {
            eprintln!("SKIPPED: there is no {tool} here to sign in with");
            return;
        }
    }
    story_with(with_tls, async |world| {
        let key = world.path("id").to_str().unwrap().to_owned();
        make_key(&key, "");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sign_in.sh");
        let address = world.address().to_string();
        let script = Launch::program("sh").with(&[script, &address, "alice", &key, "bob", "hello"]);
        let alice = script.pipe("").await;
        let server = format!("the server is {}", shown(world).await);
        alice.exited(0).printed(&[&server, "stored: hello"]);
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 1, "hello").await;
    });
}

/// Has `ssh-keygen` make a key.
pub(crate) fn make_key(path: &str, passphrase: &str) {
    let mut command = Command::new("ssh-keygen");
    // The fewest rounds: nobody attacks a test's passphrase.
    command.args(["-q", "-t", "ed25519", "-a", "1", "-N", passphrase, "-f", path]);
    assert!(command.status().unwrap().success());
}
