//! Whoever should get in gets in, whatever the network: names with dead addresses, one link, proxies, slow lines.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process;
use std::thread;
use std::time::Duration;

use async_channel::Receiver;
use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
use tinychat::client::{Client, Command, Config, Event, HANDSHAKE};
use tinychat::server::{self, Tls};

use crate::files::own_file;
use crate::programs::{Launch, free_address};
use crate::sealed::comes_among_programs;
use crate::socks::{Conduct, Proxy};
use crate::times::{SetTimes, SlowWay};
use crate::tls::Hosted;
use crate::world::{World, patiently, story, story_with};

/// A world whose server has TLS, as one has that is not on the same machine.
fn with_tls(config: &mut server::Config) {
    config.tls = Tls::Own;
}

/// John's client, with a server that has a name.
fn start(
    world: &World,
    port: u16,
    configure: impl FnOnce(&mut Config),
) -> (Client, Receiver<Event>) {
    let server = format!("chat.example:{port}").parse().unwrap();
    let mut config = Config::new(server, "john".parse().unwrap(), world.path("john"));
    configure(&mut config);
    Client::start(config, None).unwrap()
}

async fn leave(john: Client) {
    john.give(Command::Leave).await;
    john.join().await;
}

/// What comes of connecting: nothing if it does, else why not.
async fn outcome(events: &Receiver<Event>) -> Option<String> {
    loop {
        match patiently("a word of the line", events.recv()).await.unwrap() {
            Event::Connected => return None,
            Event::Disconnected { because, .. } => return Some(format!("{because:?}")),
            _ => {}
        }
    }
}

// Names with several addresses.

/// An address that swallows packets: its queue is full, and nobody ever accepts.
struct Silent {
    _listener: OwnedFd,
    _queue: Vec<TcpStream>,
}

impl Silent {
    /// None if the machine does not have the address.
    fn at(address: SocketAddr) -> Option<Self> {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        if bind(&listener, &address).is_err() {
            eprintln!("SKIPPED: this machine cannot listen at {address}");
            return None;
        }
        listen(&listener, 0).unwrap();
        let knock = || TcpStream::connect_timeout(&address, Duration::from_millis(500));
        let queue: Vec<_> = std::iter::repeat_with(knock).take(8).map_while(Result::ok).collect();
        assert!(queue.len() < 8, "the queue at {address} is full");
        Some(Self { _listener: listener, _queue: queue })
    }
}

const FIRST: [u8; 4] = [127, 0, 0, 2];
const SECOND: [u8; 4] = [127, 0, 0, 1];

#[test]
fn a_name_whose_first_address_swallows_packets_is_reached_at_the_next() {
    story_with(with_tls, async |world| {
        let port = world.address().port();
        let Some(_silent) = Silent::at((FIRST, port).into()) else { return };
        let (john, events) = start(world, port, |config| {
            config.lookup = |_, port| Ok(vec![(FIRST, port).into(), (SECOND, port).into()]);
        });
        assert_eq!(outcome(&events).await, None);
        leave(john).await;
    });
}

#[test]
fn where_addresses_fail_differently_each_is_named() {
    story(async |world| {
        let port = free_address().port();
        let Some(_silent) = Silent::at((FIRST, port).into()) else { return };
        let (john, events) = start(world, port, |config| {
            config.lookup = |_, port| Ok(vec![(FIRST, port).into(), (SECOND, port).into()]);
            config.handshake = Duration::from_secs(4);
        });
        let because = outcome(&events).await.unwrap();
        assert!(because.contains(&format!("127.0.0.2:{port}: no answer within 1s")), "{because}");
        assert!(because.contains(&format!("127.0.0.1:{port}: Connection refused")), "{because}");
        leave(john).await;
    });
}

#[test]
fn a_name_that_nobody_looks_up_in_time_is_said() {
    story(async |world| {
        let (john, events) = start(world, 1, |config| {
            config.lookup = |_, _| {
                loop {
                    thread::park();
                }
            };
            config.handshake = Duration::from_secs(3);
        });
        let because = outcome(&events).await.unwrap();
        let said = "the name chat.example was not found within 500ms";
        assert!(because.contains(said), "{because}");
        leave(john).await;
    });
}

// One link.

/// Tells a story that it is told in a network of its own.
const OWN_NETWORK: &str = "TINYCHAT_TEST_OWN_NETWORK";

/// A network with one interface, which has a link-local address.
const SET_UP: &str = "ip link set lo up && ip address add fe80::7/64 dev lo nodad && exec \"$@\"";

/// Tells a story of this module again in a network of its own, if the machine allows that.
fn retold_in_own_network(story: &str) -> bool {
    let within = |words: &[&str]| {
        let mut command = process::Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", SET_UP, "sh"]).args(words);
        command
    };
    let is_allowed = std::env::var_os(OWN_NETWORK).is_none()
        && within(&["true"]).output().is_ok_and(|it| it.status.success());
    if is_allowed {
        let this = std::env::current_exe().unwrap();
        let name = format!("networks::{story}");
        let mut retold = within(&[this.to_str().unwrap(), "--exact", &name, "--nocapture"]);
        let retold = retold.env(OWN_NETWORK, "yes").output().unwrap();
        assert!(retold.status.success(), "{}", String::from_utf8_lossy(&retold.stderr));
    }
    is_allowed
}

/// A link-local address of this machine, and its interface: the number and the name.
fn link_local() -> Option<(Ipv6Addr, u32, String)> {
    let interfaces = fs::read_to_string("/proc/net/if_inet6").ok()?;
    let found = interfaces.lines().find_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let address = Ipv6Addr::from(u128::from_str_radix(words.first()?, 16).ok()?);
        let number = u32::from_str_radix(words.get(1)?, 16).ok()?;
        let name = words.last()?.to_string();
        address.is_unicast_link_local().then_some((address, number, name))
    });
    if found.is_none() {
        eprintln!("SKIPPED: this machine has no link-local address");
    }
    found
}

#[test]
fn a_server_on_one_link_is_reached_as_it_says_and_by_the_name_of_the_interface() {
    if retold_in_own_network(
        "a_server_on_one_link_is_reached_as_it_says_and_by_the_name_of_the_interface",
    ) {
        return;
    }
    story(async |world| {
        let Some((address, number, interface)) = link_local() else { return };
        let listen = format!("[{address}%{interface}]:0");
        let mut server = Launch::operator(&["--listen", &listen]).on(&world.path("hosted")).start();
        let line = server.says_line("join with --server '").await;
        let said = line.split('\'').nth(1).unwrap().to_owned();
        let (zone, nowhere) =
            (format!("%{number}]"), said.replace(&format!("%{number}]"), "%nowhere0]"));
        for spelled in [format!("%{interface}]"), format!("%25{interface}]"), zone.clone()] {
            let server = said.replace(&zone, &spelled);
            let john = Launch::tinychat(&["--user", "john", "--server", &server, "--to", "marie"]);
            john.on(&world.path("john")).pipe("hello\n").await.exited(0);
        }
        let flags = ["--user", "john", "--server", &nowhere, "--to", "marie", "--timeout", "1s"];
        let john = Launch::tinychat(&flags).on(&world.path("john")).pipe("hello\n").await;
        john.exited(3).said("this machine has no network interface nowhere0");
        server.signal("TERM");
        server.finish().await.exited(0);
    });
}

// Proxies.

/// Somebody who goes through a proxy, to a server that has a name.
fn through(world: &World, proxy: &str, server: &str) -> Launch {
    let flags = ["--user", "john", "--server", server, "--proxy", proxy];
    Launch::tinychat(&flags).on(&world.path("john"))
}

#[test]
fn a_host_of_tor_is_reached_through_a_proxy_and_files_go_the_same_way() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let conduct = Conduct::leading_to(hosted.address.parse().unwrap());
        let tor = Proxy::start(Conduct { login: Some(("john", "p@ss")), ..conduct });
        let proxy = format!("socks5h://john:p%40ss@{}", tor.address);
        let server = "abcdefgh.onion";
        let hello = through(world, &proxy, server).to("marie").pipe("hello\n").await;
        hello.exited(0).said("first time at abcdefgh.onion:7878");
        assert_eq!(tor.asked(), ["abcdefgh.onion:7878"]);
        let direct = |name: &str| {
            let flags = ["--user", name, "--server", &hosted.address];
            Launch::tinychat(&flags).on(&world.path(name))
        };
        comes_among_programs(direct("marie"), "marie", || direct("anna")).await;
        let file = own_file(world, "file", &[7; 100_000]);
        let send = ["send", "--to", "marie", "--file", file.to_str().unwrap()];
        through(world, &proxy, server).with(&send).pipe("").await.exited(0);
        assert_eq!(tor.asked(), ["abcdefgh.onion:7878"; 3]);
        hosted.stop().await;
    });
}

#[test]
fn a_proxy_of_the_environment_is_used_or_named_and_never_for_this_machine() {
    story(async |world| {
        let hosted = Hosted::start(&[], &world.path("hosted")).await;
        let tor = Proxy::start(Conduct::leading_to(hosted.address.parse().unwrap()));
        let john = |server: &str, variable: &str, value: &str| {
            let flags = ["--user", "john", "--server", server];
            let john = Launch::tinychat(&flags).on(&world.path("john")).to("marie");
            john.variable(variable, value).pipe("hello\n")
        };
        let unspoken = john("chat.example.org", "ALL_PROXY", "http://127.0.0.1:3128").await;
        unspoken.exited(2).said("the variable ALL_PROXY names a proxy of the kind http");
        john(&hosted.address, "ALL_PROXY", "http://127.0.0.1:3128").await.exited(0);
        let spoken = format!("socks5h://{}", tor.address);
        john("chat.example.org", "all_proxy", &spoken).await.exited(0);
        assert_eq!(tor.asked(), ["chat.example.org:7878"]);
        hosted.stop().await;
    });
}

#[test]
fn nothing_is_said_without_tls_to_a_server_that_only_seems_to_be_here() {
    story(async |world| {
        // The proxy is on this machine, and so is what it leads to.
        let tor = Proxy::start(Conduct::leading_to(world.address()));
        let proxy = format!("socks5h://{}", tor.address);
        let john = through(world, &proxy, "chat.example.org").with(&["--tls", "off"]).to("marie");
        john.pipe("hello\n").await.exited(3).said("chat.example.org:7878 is not on this machine");
        assert_eq!(tor.asked(), [""; 0]);
        // So is the name, as somebody's resolver has it.
        let (_john, events) = start(world, world.address().port(), |config| {
            config.tls = false;
            config.lookup = |_, port| Ok(vec![(SECOND, port).into()]);
        });
        let ended = async {
            loop {
                if let Event::Ended(ending) = events.recv().await.unwrap() {
                    return ending.failure.unwrap().to_string();
                }
            }
        };
        let said = patiently("the client ends", ended).await;
        assert!(said.contains("is not on this machine"), "{said}");
    });
}

/// What answers in the place of a proxy, and is none.
fn web_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0; 3]).unwrap();
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    address
}

#[test]
fn what_is_the_proxys_fault_is_called_so() {
    story(async |world| {
        let conduct = Conduct::leading_to(world.address());
        let guarded = Proxy::start(Conduct { login: Some(("john", "right")), ..conduct.clone() });
        let lost = Proxy::start(Conduct { reply: 4, ..conduct });
        let (nobody, web) = (free_address(), web_server());
        for (proxy, said) in [
            (format!("john:wrong@{}", guarded.address), "refused the name and the password"),
            (format!("{}", guarded.address), "wants to know who you are"),
            (format!("{}", lost.address), "did not get to chat.example.org:7878"),
            (format!("{nobody}"), "is away: Connection refused"),
            (format!("{web}"), "is no SOCKS5 proxy"),
        ] {
            let john = through(world, &format!("socks5h://{proxy}"), "chat.example.org");
            let john = john.with(&["--timeout", "1s"]).to("marie").pipe("hello\n").await;
            let address = proxy.rsplit('@').next().unwrap();
            john.exited(3).said(said).said(address).never_said("wrong");
        }
    });
}

// Slow lines.

#[test]
fn the_way_through_a_proxy_takes_nothing_from_the_time_to_sign_in() {
    story_with(with_tls, async |world| {
        let times = SetTimes::new();
        // TLS takes two ways, and signing in four more.
        let way = SlowWay::new(&times, Duration::from_secs(4));
        let slowly = Some((Duration::from_secs(50), way));
        let satellite = Proxy::start(Conduct { slowly, ..Conduct::leading_to(world.address()) });
        let (john, events) = start(world, 7878, |config| {
            config.proxy = Some(format!("socks5h://{}", satellite.address).parse().unwrap());
            config.times = times.clone();
        });
        assert_eq!(outcome(&events).await, None);
        assert!(times.passed() > HANDSHAKE, "both together take longer than each may");
        leave(john).await;
    });
}
