//! What somebody who means harm does, each as a row of [`ATTACKS`].
//!
//! An attacker is a process of its own: it gets ready, says so on stdout, and begins once its stdin ends. It ends when it
//! is killed, or by itself after [`LIMIT`]. Where the server closes its connection it comes again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use rustix::process::setpriority_process;
use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tinychat::message::Name;
use tinychat::trust::Identity;
use tinychat::trust::tls::client_config;
use tinychat::wire::MAX_CHUNK;
use tinychat::wire::frame::{ClientFrame, ServerFrame};

use super::Result;
use super::bounces::{bounce, fates};
use super::deaf::{CROWD, blocked, deaf};
use super::lists::{devices, list};
use super::load::Crowd;
use super::load::person::Person;
use super::load::socket::Socket;
use super::means::{Deed, FRAMES, LIMIT, again, discard, flood, mallory, shouts};
use super::subject::Kind;

/// What one who is ready says.
pub(crate) const READY: &str = "ready\n";

/// The priority of one who attacks.
const LOWEST: i32 = 19;

/// How many addresses one has, and how often a second each connects: within what one address may.
const ADDRESSES: u8 = 250;
const HANDSHAKES: u32 = 8;

/// How many file connections one person may have.
const CARRIERS: usize = 8;

/// How many come at once, after the server was away.
const RETURNING: usize = 2_000;

/// How many messages one writes who writes much, and how long each is: not quite as much as may wait.
const LETTERS: usize = 240;
const LETTER: usize = 64 * 1024;

/// How many chunks one uploads.
const CHUNKS: usize = 16;

/// How many talk to one who comes and goes.
const WATCHERS: usize = 500;

/// One of them.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Whether the server is under TLS meanwhile.
    pub(crate) tls: bool,
    /// Gets ready: what is to be done then, each on a thread of its own.
    prepare: fn(SocketAddr) -> Result<Vec<Deed>>,
}

/// All of them.
pub(crate) const ATTACKS: &[Attack] = &[
    Attack {
        name: "online",
        what: "ONLINE without a pause, where 3000 are there",
        tls: false,
        prepare: online,
    },
    Attack {
        name: "deaf",
        what: "ONLINE 40 times on each of 1500 connections that read nothing, where 3000 are there",
        tls: false,
        prepare: deaf,
    },
    Attack {
        name: "blocked",
        what: "the same, each asked by somebody whom an accomplice blocks, so that all answers differ",
        tls: false,
        prepare: blocked,
    },
    Attack {
        name: "ack",
        what: "ACK that moves nothing, without a pause",
        tls: false,
        prepare: ack,
    },
    Attack {
        name: "bad-key",
        what: "KEY with what is no name, without a pause",
        tls: false,
        prepare: |server| Ok(vec![shouts(server, "KEY -\r\n".into())]),
    },
    Attack {
        name: "long-names",
        what: "KEY with names of one letter and 31 marks, without a pause",
        tls: false,
        prepare: |server| Ok(vec![shouts(server, format!("KEY e{}\r\n", "\u{302}".repeat(31)))]),
    },
    Attack {
        name: "talk",
        what: "TALK and CLOSE without a pause",
        tls: false,
        prepare: |server| Ok(vec![shouts(server, "TALK mule 0\r\nCLOSE mule\r\n".into())]),
    },
    Attack {
        name: "block",
        what: "BLOCK and UNBLOCK without a pause",
        tls: false,
        prepare: |server| Ok(vec![shouts(server, "BLOCK mule\r\nUNBLOCK mule\r\n".into())]),
    },
    Attack {
        name: "bounce",
        what: "messages to an accomplice who bounces every other one, without a pause",
        tls: false,
        prepare: bounce,
    },
    Attack {
        name: "fates",
        what: "TALK without a pause, each time answered with 900 fates of what bounced",
        tls: false,
        prepare: fates,
    },
    Attack {
        name: "devices",
        what: "DEVICES of a name with the longest list, without a pause",
        tls: false,
        prepare: devices,
    },
    Attack {
        name: "list",
        what: "LIST of the longest list, which is there already, without a pause",
        tls: false,
        prepare: list,
    },
    Attack {
        name: "nobody",
        what: "a message to one name after the other that nobody has, without a pause",
        tls: false,
        prepare: |server| Ok(vec![Box::new(move || again(|| write_to_nobody(server)))]),
    },
    Attack {
        name: "offer",
        what: "OFFER and DROP without a pause, on 8 file connections",
        tls: false,
        prepare: offer,
    },
    Attack {
        name: "write",
        what: "messages of 64 KiB without a pause, 15 MiB to each of one after the other who is not there",
        tls: false,
        prepare: |server| Ok(vec![Box::new(move || again(|| write_much(server)))]),
    },
    Attack {
        name: "again",
        what: "comes for 15 MiB that wait, takes them without acknowledging any, and comes again",
        tls: false,
        prepare: take_again,
    },
    Attack {
        name: "upload",
        what: "uploads 4 MiB and drops them, without a pause, on 8 file connections",
        tls: false,
        prepare: upload,
    },
    Attack {
        name: "flap",
        what: "comes and goes without a pause, where 500 talk to them",
        tls: false,
        prepare: flap,
    },
    Attack {
        name: "hello",
        what: "TLS handshakes that go no further, from 250 addresses, 8 a second each",
        tls: true,
        prepare: hello,
    },
    Attack {
        name: "return",
        what: "2000 whom the server knows come at once, under TLS",
        tls: true,
        prepare: come_back,
    },
];

/// Does what the one with this name does.
pub(crate) fn commit(name: &str, server: SocketAddr) -> Result<()> {
    rlimit::increase_nofile_limit(u64::MAX)?;
    let attack = ATTACKS.iter().find(|attack| attack.name == name).ok_or("no such attack")?;
    let deeds = (attack.prepare)(server)?;
    print!("{READY}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    // Of this thread, and of those that it starts.
    setpriority_process(None, LOWEST)?;
    for deed in deeds {
        thread::spawn(deed);
    }
    thread::sleep(LIMIT);
    Ok(())
}

fn online(server: SocketAddr) -> Result<Vec<Deed>> {
    let crowd = Crowd::gather(Kind::Tinychat, server, CROWD)?;
    let shouts = shouts(server, "ONLINE\r\n".into());
    Ok(vec![Box::new(move || {
        let _crowd = crowd;
        shouts()
    })])
}

fn ack(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let mut mule = Person::sign_in(server, &identity, "mule")?;
    mule.talk_to("mallory")?;
    let words = b"ACK mule 1\r\n".repeat(FRAMES);
    Ok(vec![Box::new(move || {
        let mut n = 0;
        again(|| {
            let mut mallory = mallory(server, &identity)?;
            mallory.talk_to("mule")?;
            n += 1;
            write!(mule.socket.out, "MSG mallory {n} {n:032x} text 0 1\r\nx\r\n")?;
            mule.socket.flush()?;
            while !matches!(mallory.socket.next_line()?.get(..3), Some(b"MSG")) {}
            flood(mallory.socket.into_stream()?, &words)
        })
    })])
}

fn write_to_nobody(server: SocketAddr) -> Result<()> {
    let mut stream = mallory(server, &Identity::generate()?)?.socket.into_stream()?;
    discard(&stream)?;
    for number in 0u64.. {
        let peer = format!("nobody{number}");
        let words = format!(
            "TALK {peer} 0\r\nMSG {peer} 1 00000000000000000000000000000001 text 0 2\r\nhi\r\nCLOSE {peer}\r\n"
        );
        stream.write_all(words.as_bytes())?;
    }
    Ok(())
}

/// As many messages to somebody as one writes who writes much.
fn letters(peer: &str) -> Vec<u8> {
    let text = "x".repeat(LETTER);
    let letters =
        (1..=LETTERS).map(|n| format!("MSG {peer} {n} {n:032x} text 0 {LETTER}\r\n{text}\r\n"));
    letters.collect::<String>().into_bytes()
}

fn write_much(server: SocketAddr) -> Result<()> {
    let mut stream = mallory(server, &Identity::generate()?)?.socket.into_stream()?;
    discard(&stream)?;
    for number in 0u64.. {
        let peer = format!("mule{number}");
        write!(stream, "TALK {peer} 0\r\n")?;
        stream.write_all(&letters(&peer))?;
        write!(stream, "CLOSE {peer}\r\n")?;
    }
    Ok(())
}

fn take_again(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let mut mule = Person::sign_in(server, &Identity::generate()?, "mule")?;
    mule.talk_to("mallory")?;
    mule.socket.out.extend_from_slice(&letters("mallory"));
    mule.socket.flush()?;
    let all = format!("STORED mallory {LETTERS}");
    while mule.socket.next_line()?.trim_ascii_end() != all.as_bytes() {}
    Ok(vec![Box::new(move || {
        again(|| {
            let mut stream = mallory(server, &identity)?.socket.into_stream()?;
            stream.write_all(b"TALK mule 0\r\n")?;
            std::io::copy(&mut stream.take((LETTERS * LETTER) as u64), &mut std::io::sink())?;
            Ok(())
        })
    })])
}

fn flap(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let watch = |number| {
        let mut person = Person::sign_in(server, &identity, &format!("watcher{number}"))?;
        person.talk_to("mallory")?;
        person.socket.into_stream()
    };
    let watchers = (0..WATCHERS).map(watch).collect::<Result<Vec<_>>>()?;
    Ok(vec![Box::new(move || {
        let _watchers = watchers;
        loop {
            // It may be refused: that is what is to be.
            let _ = mallory(server, &identity);
        }
    })])
}

fn offer(server: SocketAddr) -> Result<Vec<Deed>> {
    carry(server, |line| {
        line.out.extend_from_slice(b"OFFER mule 100000000\r\n");
        line.flush()?;
        let blob = blob_of(&line.next_line()?)?;
        write!(line.out, "DROP {blob}\r\n")?;
        line.flush()?;
        line.next_line().map(drop)
    })
}

fn upload(server: SocketAddr) -> Result<Vec<Deed>> {
    carry(server, |line| {
        write!(line.out, "OFFER mule {}\r\n", CHUNKS * MAX_CHUNK)?;
        line.flush()?;
        let blob = blob_of(&line.next_line()?)?;
        for number in 0..CHUNKS {
            write!(line.out, "CHUNK {} {MAX_CHUNK}\r\n", number * MAX_CHUNK)?;
            line.out.resize(line.out.len() + MAX_CHUNK, b'x');
            line.out.extend_from_slice(b"\r\n");
            line.flush()?;
        }
        while !line.next_line()?.starts_with(b"KEPT") {}
        write!(line.out, "DROP {blob}\r\n")?;
        line.flush()?;
        line.next_line().map(drop)
    })
}

fn blob_of(have: &[u8]) -> Result<String> {
    let have = std::str::from_utf8(have)?;
    Ok(have.split(' ').nth(1).ok_or("no blob")?.into())
}

/// The same again and again on each file connection that one may have.
fn carry(server: SocketAddr, what: fn(&mut Socket) -> Result<()>) -> Result<Vec<Deed>> {
    let mut mallory = mallory(server, &Identity::generate()?)?;
    mallory.say(&ClientFrame::Ticket)?;
    let ServerFrame::Ticket { ticket } = mallory.hear()? else { return Err("no ticket".into()) };
    let mallory = Arc::new(mallory);
    let deed = |_| -> Deed {
        let mallory = mallory.clone();
        Box::new(move || {
            let _signed_in = mallory;
            again(|| {
                let mut line = Socket::connect(server)?;
                write!(line.out, "CARRY tinychat/2 {ticket}\r\n")?;
                loop {
                    what(&mut line)?;
                }
            })
        })
    };
    Ok((0..CARRIERS).map(deed).collect())
}

/// Each says the same `ClientHello`, which costs it nothing, and goes once it is answered.
fn hello(server: SocketAddr) -> Result<Vec<Deed>> {
    let name = ServerName::IpAddress(server.ip().into());
    let mut words = Vec::new();
    ClientConnection::new(Arc::new(client_config()?), name)?.write_tls(&mut words)?;
    let deed = |first: u8| -> Deed {
        let words = words.clone();
        Box::new(move || {
            let pause = Duration::from_secs(1) / HANDSHAKES / u32::from(ADDRESSES / 10);
            for number in 0u32.. {
                let next = Instant::now() + pause;
                let last = first + 10 * u8::try_from(number % u32::from(ADDRESSES / 10))?;
                let said = stream_from(last, server).and_then(|mut stream| {
                    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
                    stream.write_all(&words)?;
                    stream.read(&mut [0; 16])
                });
                // It may be closed unread: that is what is to be.
                let _ = said;
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(())
        })
    };
    Ok((2..12).map(deed).collect())
}

/// A connection from another address of this machine, 127.0.0.`last`.
fn stream_from(last: u8, server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)))?;
    connect(&socket, &server)?;
    Ok(socket.into())
}

fn come_back(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Arc::new(Identity::generate()?);
    let sign_in = move |number: usize| -> Result<TcpStream> {
        let socket = Socket::connect_to(Kind::Tls, server)?;
        let name: Name = format!("friend{number}").parse()?;
        Person::sign_in_on(socket, &identity, name.as_str())?.socket.into_stream()
    };
    for number in 0..RETURNING {
        sign_in(number)?;
    }
    let deed = |first: usize| -> Deed {
        let sign_in = sign_in.clone();
        Box::new(move || {
            let back = (first..RETURNING).step_by(8).filter_map(|number| sign_in(number).ok());
            let _held: Vec<_> = back.collect();
            thread::sleep(LIMIT);
            Ok(())
        })
    };
    Ok((0..8).map(deed).collect())
}
