//! The server's log as lines of fields: who came, who was refused, what operators did. And fail2ban, which reads it.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tinychat::log_output::Event;
use tinychat::time_text::is_moment;
use tinychat::trust::Identity;

use crate::keys::{shell, with_programs};
use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::{Finished, Launch, Program, free_address};
use crate::world::{FIRST_INSTALLATION, World, story};

const JSON: &[&str] = &["--log-format", "json"];
const LOGFMT: &[&str] = &["--log-format", "logfmt"];

const MANUAL: &str = include_str!("../../share/man/tinychat-server.8.md");

/// Stops a server, and gives what it logged.
async fn ended(server: Program) -> Finished {
    server.signal("TERM");
    let ended = server.finish().await;
    ended.exited(0);
    ended
}

/// The lines of a log in JSON.
async fn log_of(server: Program) -> Vec<Value> {
    let log = ended(server).await.lines();
    let line =
        |line: &String| serde_json::from_str(line).unwrap_or_else(|it| panic!("{it}: {line}"));
    log.iter().map(line).collect()
}

fn events<'a>(log: &'a [Value], event: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["event"] == event).collect()
}

/// Somebody with another key claims a name, and is refused.
async fn try_to_be(name: &str, world: &World, address: SocketAddr) -> Identity {
    let thief = Identity::generate().unwrap();
    let mut peer = world.connect_to(address).await;
    peer.prove(name, &thief, FIRST_INSTALLATION).await;
    peer.expect("ERR TAKEN -").await;
    thief
}

/// Says something that is none of the protocol.
fn say_rubbish(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"rubbish\r\n").unwrap();
    stream
}

#[test]
fn a_refused_sign_in_is_one_line_that_says_who_from_where() {
    story(async |world| {
        let (server, address) = serve(&world.path("server-1"), JSON).await;
        let _john = sign_in(world, address, "john").await;
        let thief = try_to_be("john", world, address).await;
        let log = log_of(server).await;
        let refused = events(&log, "sign_in_refused");
        assert_eq!(refused.len(), 1, "{log:#?}");
        let refused = refused[0];
        assert!(is_moment(refused["time"].as_str().unwrap()), "{refused}");
        assert_eq!(refused["level"], "warn");
        assert_eq!(refused["name"], "john");
        assert_eq!(refused["key"], thief.public().fingerprint().to_string());
        assert_eq!(refused["code"], "TAKEN");
        let addr: SocketAddr = refused["addr"].as_str().unwrap().parse().unwrap();
        assert!(addr.ip().is_loopback() && addr.port() > 0, "{refused}");
        let came = events(&log, "signed_in");
        assert_eq!(came.len(), 1, "{log:#?}");
        assert_eq!(came[0]["key"], world.identity("john").public().fingerprint().to_string());
        let left = events(&log, "left");
        assert_eq!(left[0]["connection"], came[0]["connection"]);
    });
}

#[test]
fn what_operators_do_is_logged_with_whose_process_asked() {
    const DONE: [&str; 7] =
        ["ban", "unban", "remove", "reset_key", "invite", "backup", "operator_refused"];
    story(async |world| {
        let (data, file) = (world.path("server-1"), world.path("backup"));
        let (server, address) = serve(&data, JSON).await;
        for name in ["eve", "bob"] {
            sign_in(world, address, name).await;
        }
        for words in [
            &["user", "ban", "eve"][..],
            &["user", "list"],
            &["user", "unban", "eve"],
            &["check"],
            &["user", "remove", "bob"],
            &["user", "reset-key", "eve"],
            &["invite", "--address", "chat.example.org"],
        ] {
            operate(words, &data).await.exited(0);
        }
        let backup = Launch::operator(&["backup"]).on(&data).with(&[file.to_str().unwrap()]);
        backup.pipe("").await.exited(0);
        operate(&["user", "ban", "nobody"], &data).await.exited(1);
        let log = log_of(server).await;
        let word = |line: &Value, field: &str| line[field].as_str().map(String::from);
        let is_done = |line: &&Value| DONE.iter().any(|event| line["event"] == *event);
        let done: Vec<_> = log.iter().filter(is_done).collect();
        let told: Vec<_> = done.iter().map(|it| (word(it, "event"), word(it, "name"))).collect();
        let names = [Some("eve"), Some("eve"), Some("bob"), Some("eve"), None, None, None];
        let names = names.map(|name| name.map(String::from));
        let expected: Vec<_> =
            DONE.map(|event| Some(event.to_owned())).into_iter().zip(names).collect();
        assert_eq!(told, expected);
        assert_eq!(done[5]["bytes"], fs::metadata(&file).unwrap().len());
        if cfg!(target_os = "linux") {
            let own = rustix::process::geteuid().as_raw();
            assert!(done.iter().all(|line| line["uid"] == own), "{done:#?}");
        }
    });
}

#[test]
fn what_operators_did_while_no_server_ran_is_in_the_next_log() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        sign_in(world, address, "eve").await;
        stop(server).await;
        operate(&["user", "ban", "eve"], &data).await.exited(0).was_quiet();
        operate(&["user", "list"], &data).await.exited(0).was_quiet();
        for times in [1, 0] {
            let (server, _) = serve(&data, JSON).await;
            let log = log_of(server).await;
            let bans = events(&log, "ban");
            assert_eq!(bans.len(), times, "{log:#?}");
            for ban in bans {
                assert_eq!(ban["name"], "eve");
                assert_eq!(ban["uid"], rustix::process::geteuid().as_raw());
                let (at, time) = (ban["at"].as_str().unwrap(), ban["time"].as_str().unwrap());
                assert!(is_moment(at) && at < time, "{ban}");
            }
        }
        assert!(!data.join("operators").exists());
    });
}

/// Damages what a stopped server has stored.
fn damage(data: &Path, text: &str) {
    let journal = data.join("mailbox/0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    let at = bytes.windows(text.len()).position(|it| it == text.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(&journal, bytes).unwrap();
}

#[test]
fn that_an_operator_goes_on_with_a_damaged_mailbox_is_logged() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        for n in 1..=9 {
            alice.say("bob", n, &format!("this is message {n}")).await;
            alice.expect(&format!("STORED bob {n}")).await;
        }
        stop(server).await;
        damage(&data, "this is message 6");
        operate(&["check"], &data).await.exited(1);
        operate(&["check", "--accept"], &data).await.exited(0).was_quiet();
        let (server, _) = serve(&data, JSON).await;
        let log = log_of(server).await;
        let accepted = events(&log, "accept");
        assert_eq!(accepted.len(), 1, "{log:#?}");
        assert_eq!(accepted[0]["uid"], rustix::process::geteuid().as_raw());
    });
}

#[test]
fn a_connection_that_is_closed_before_a_byte_is_for_developers_to_see() {
    story(async |world| {
        for (tls, level) in [("on", "info"), ("off", "info"), ("on", "debug"), ("off", "debug")] {
            let address = free_address();
            let listen = address.to_string();
            let flags = ["--listen", &listen, "--tls", tls, "--log-level", level];
            let data = world.path(&format!("{tls}-{level}"));
            let mut server = Launch::operator(&flags).with(JSON).on(&data).start();
            server.says("listening on").await;
            for _ in 0..3 {
                drop(TcpStream::connect(address).unwrap());
                if level == "debug" {
                    server.logs("connection_closed").await;
                }
            }
            let _last = say_rubbish(address);
            server.logs("_refused").await;
            let log = log_of(server).await;
            let closed = events(&log, "connection_closed");
            assert!(closed.iter().all(|line| line["level"] == "debug"), "{closed:#?}");
            assert_eq!(closed.len(), if level == "debug" { 3 } else { 0 }, "{tls} {level}");
            let of_connections = log.iter().filter(|line| !line["addr"].is_null());
            assert_eq!(of_connections.count(), 1 + closed.len(), "{log:#?}");
        }
    });
}

#[test]
fn start_and_stop_say_what_the_server_is_and_what_it_has() {
    story(async |world| {
        let (server, address) = serve(&world.path("server-1"), JSON).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "hello").await;
        alice.expect("STORED bob 1").await;
        let log = log_of(server).await;
        let [start, stop] = ["start", "stop"].map(|event| events(&log, event));
        assert_eq!((start.len(), stop.len()), (1, 1), "{log:#?}");
        let (start, stop) = (start[0], stop[0]);
        assert_eq!(start["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(start["listen"], address.to_string());
        assert_eq!(start["tls"], false);
        assert_eq!(start["max_connections"], 50_000);
        assert_eq!((&start["names"], &start["messages"]), (&0.into(), &0.into()));
        assert_eq!((&stop["names"], &stop["messages"]), (&1.into(), &1.into()));
        assert_eq!((&stop["taken"], &stop["connections"]), (&1.into(), &1.into()));
        // What the engine of the mailbox says of itself is not there.
        let others = log.iter().filter(|line| line["event"].is_null());
        for line in others {
            assert!(line["target"].as_str().unwrap().starts_with("tinychat"), "{line}");
        }
    });
}

#[test]
fn nobody_writes_a_line_or_a_field_of_the_log_themselves() {
    story(async |world| {
        let (mut server, address) = serve(&world.path("server-1"), LOGFMT).await;
        let name = "eve\"event=ban\\";
        let mut eve = world.connect_to(address).await;
        eve.prove(name, &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        let line = server.logs_line("name=\"eve").await;
        assert!(line.contains(r#" name="eve\"event=ban\\" "#), "{line}");
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"\x1b[2J\xc2\x9b\"event=ban\r\n").unwrap();
        server.logs("sign_in_refused").await;
        let log = ended(server).await;
        let text = log.text();
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        for line in text.lines() {
            assert!(line.starts_with("time=2") && !line.contains(" event=ban"), "{line}");
        }
    });
}

#[test]
fn without_the_option_the_log_is_as_it_was() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let _john = sign_in(world, address, "john").await;
        try_to_be("john", world, address).await;
        operate(&["user", "ban", "john"], &data).await.exited(0);
        let log = ended(server).await.text();
        assert!(log.contains("john signed in"), "{log}");
        assert!(log.contains("a connection from 127.0.0.1 was refused: TAKEN the name "), "{log}");
        const VERSION: &str = concat!("tinychat-server ", env!("CARGO_PKG_VERSION"));
        for field in ["sign_in_refused", "SHA256:", "\"event\"", "an operator", VERSION] {
            assert!(!log.contains(field), "{field} in {log}");
        }
    });
}

#[test]
fn a_log_of_fields_that_takes_nothing_hurts_nobody() {
    story(async |world| {
        let full = File::options().write(true).open("/dev/full").map(Stdio::from);
        let (_, closed) = std::io::pipe().unwrap();
        for (name, log) in [("full", full), ("closed", Ok(closed.into()))] {
            let Ok(log) = log else { continue };
            let address = free_address();
            let launch = Launch::server(address, &world.path(name)).with(JSON);
            let mut server = launch.printing_to(log).start();
            server.says("listening on").await;
            let john = Launch::at(address, "john", &world.path(&format!("{name}-john")));
            john.to("marie").pipe("hello\n").await.exited(0).was_quiet();
            stop(server).await;
        }
    });
}

#[test]
fn the_manual_has_every_event() {
    let missing: Vec<_> =
        Event::ALL.iter().filter(|it| !MANUAL.contains(&format!("`{}`", it.name()))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn another_format_is_wrong_usage() {
    story(async |world| {
        let wrong = operate(&["--log-format", "xml"], &world.path("server-1")).await;
        wrong.exited(2).printed(&[]).said("the format of the log is json or logfmt");
    });
}

#[test]
fn fail2ban_finds_who_is_refused_by_the_filter_of_the_manual() {
    let Some(folder) = with_programs(&["fail2ban-regex"]) else { return };
    let folder = folder.path();
    let filter = MANUAL.split("```").find(|it| it.starts_with("ini\n[Definition]")).unwrap();
    fs::write(folder.join("tinychat.conf"), filter.strip_prefix("ini\n").unwrap()).unwrap();
    story(async |world| {
        let address = free_address();
        let launch = Launch::server(address, &world.path("server-1")).with(JSON);
        let log = File::create(folder.join("log")).unwrap();
        let mut server = launch.printing_to(log).start();
        server.says("listening on").await;
        // What somebody calls themselves is no address.
        let name = "\",\"addr\"=\"192.0.2.1";
        let mut john = world.connect_to(address).await;
        john.prove(name, &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        john.next().await;
        let _marie = sign_in(world, address, "marie").await;
        for _ in 0..2 {
            try_to_be("marie", world, address).await;
        }
        let mut rubbish = say_rubbish(address);
        // Its end, which comes behind the line.
        std::io::copy(&mut rubbish, &mut std::io::sink()).unwrap();
        stop(server).await;
    });
    let found = shell(folder, "fail2ban-regex -o ip log ./tinychat.conf");
    assert_eq!(found.lines().collect::<Vec<_>>(), ["127.0.0.1"; 3], "{found}");
}
