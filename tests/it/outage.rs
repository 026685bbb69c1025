//! Servers that are away, go, come back, refuse, or are none: what the client does meanwhile.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use async_channel::Receiver;
use tinychat::mailbox::Usage;
use tinychat::server::Config;

use crate::programs::{Launch, Program, free_address, numbered};
use crate::world::{World, patiently, story, story_with};

/// A story that begins while nothing listens at the server's address. The server started later in it
/// is always there.
fn story_without_server(tell: impl AsyncFnOnce(&mut World, SocketAddr)) {
    let address = free_address();
    let listen_there = |config: &mut Config| config.listen = vec![address.to_string()];
    story_with(listen_there, async |world| {
        world.stop().await;
        tell(world, address).await;
    });
}

/// Somebody's client, also while there is no server.
fn at(world: &World, address: SocketAddr, name: &str) -> Launch {
    Launch::at(address, name, &world.path(name))
}

// A server that is away.

#[test]
fn what_cannot_be_sent_in_time_is_counted_kept_and_sent_next_time() {
    story_without_server(async |world, address| {
        let john = at(world, address, "john").to("marie").with(&["--timeout", "1", "--commands"]);
        let john = john.pipe("one\n/TALK anna\ntwo\nthree\n").await;
        john.exited(3).printed(&[]).said("is away").said("gave up after 1 s");
        john.said("3 messages not sent yet; kept; goes out with the next run of any tinychat");
        world.start().await;
        // To others than whom one now talks to, too.
        let john = Launch::of(world, "john").to("somebody").pipe("").await;
        john.exited(0).printed(&[]).was_quiet();
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: one"]);
        let anna = Launch::of(world, "anna").to("john").pipe("").await;
        anna.exited(0).printed(&["john: two", "john: three"]);
    });
}

/// How long the processor worked for the children of a shell, of what its `times` prints.
fn worked(times: &str) -> f64 {
    let children = times.lines().nth(1).unwrap();
    let of_one = |time: &str| -> f64 {
        let (minutes, seconds) = time.strip_suffix('s').unwrap().split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    children.split(' ').map(of_one).sum()
}

#[test]
fn whoever_waits_for_a_server_does_nothing_meanwhile() {
    story_without_server(async |world, address| {
        let john = |to: &str, patience: &str| {
            at(world, address, "john").to(to).with(&["--timeout", patience])
        };
        john("marie", "1").pipe("one\n").await.exited(3);
        let command = john("anna", "6").into_command();
        let mut words = vec!["-c", "\"$@\" </dev/null; times", "sh"];
        words.push(command.get_program().to_str().unwrap());
        words.extend(command.get_args().map(|word| word.to_str().unwrap()));
        let times = Launch::program("sh").with(&words).pipe("").await.exited(0).text();
        assert!(worked(&times) < 1.5, "{times}");
        world.start().await;
    });
}

#[test]
fn a_client_waits_for_a_server_that_starts_later() {
    story_without_server(async |world, address| {
        let mut marie = at(world, address, "marie").to("john").with(&["--follow"]).start();
        let mut john = at(world, address, "john").to("marie").start();
        john.types("one\ntwo\n");
        john.ends_input();
        for client in [&mut john, &mut marie] {
            client.says(&format!("the server {address} is away")).await;
        }
        world.start().await;
        marie.prints_all(["john: one".into(), "john: two".into()]).await;
        john.end().await.exited(0).printed(&[]);
        marie.signal("INT");
        marie.end().await.exited(130).printed(&["john: one", "john: two"]);
    });
}

#[test]
fn who_follows_tries_again_without_end() {
    story(async |world| {
        let listener = async_std::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let john = at(world, address, "john").to("marie").with(&["--follow", "--timeout", "1"]);
        let john = john.start();
        // Between the first and the fifth lies more than a second, by the client's own pauses.
        for _ in 0..5 {
            drop(patiently("the client tries to connect", listener.accept()).await.unwrap());
        }
        john.signal("INT");
        john.end().await.exited(130).never_said("gave up");
    });
}

#[test]
fn an_interrupted_client_counts_what_it_could_not_send() {
    story_without_server(async |world, address| {
        let mut john = at(world, address, "john").to("marie").with_commands().start();
        john.types("one\ntwo\n/HELP\n");
        // Behind the last line.
        john.says("//text").await;
        john.signal("INT");
        john.end().await.exited(130).said("2 messages not sent yet; kept; goes out");
        let john = at(world, address, "john").to("marie").start();
        world.start().await;
        john.finish().await.exited(0).never_said("not sent");
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: one", "john: two"]);
    });
}

// A server that goes and comes back.

#[test]
fn a_client_reconnects_to_a_server_that_restarts() {
    story_without_server(async |world, address| {
        world.start().await;
        let mut marie = Launch::of(world, "marie").to("john").with(&["--follow"]).start();
        let mut john = Launch::of(world, "john").to("marie").with(&["--follow"]).start();
        john.types("before\n");
        marie.prints("john: before").await;
        world.stop().await;
        for client in [&mut john, &mut marie] {
            client.says(&format!("the server {address} is away")).await;
        }
        john.types("meanwhile\n");
        marie.types("I too\n");
        world.start().await;
        for client in [&mut john, &mut marie] {
            client.says(&format!("connected to {address}")).await;
        }
        marie.prints("john: meanwhile").await;
        john.prints("marie: I too").await;
        john.types("after\n");
        marie.prints("john: after").await;
        for (client, printed) in [
            (john, &["marie: I too"][..]),
            (marie, &["john: before", "john: meanwhile", "john: after"]),
        ] {
            client.signal("TERM");
            client.end().await.exited(143).printed(printed);
        }
    });
}

#[test]
fn a_server_killed_again_and_again_loses_and_doubles_nothing() {
    story(async |world| {
        let (address, data) = (free_address(), world.path("killed"));
        let mut server = start_server(address, &data).await;
        let mut marie = at(world, address, "marie").to("john").with(&["--follow"]).start();
        let john = at(world, address, "john").to("marie").start();
        for round in 0..3 {
            let first = round * 300 + 1;
            john.types(numbered(first..first + 300));
            // It dies in the middle of them, with all that it had in memory.
            marie.prints_all((first..first + 150).map(|n| format!("john: message {n}"))).await;
            server.kill().await;
            server = start_server(address, &data).await;
            let rest = first + 150..first + 300;
            marie.prints_all(rest.map(|n| format!("john: message {n}"))).await;
        }
        john.finish().await.exited(0).said("connected");
        marie.signal("INT");
        assert_eq!(marie.end().await.exited(130).lines().len(), 900, "nothing came twice");
        server.signal("TERM");
        server.end().await.exited(0);
    });
}

async fn start_server(address: SocketAddr, data: &std::path::Path) -> Program {
    let mut server = Launch::server(address, data).start();
    server.says(&format!("listening on {address}")).await;
    server
}

#[test]
fn a_server_with_an_older_store_is_sent_all_that_it_has_lost_before_the_client_ends() {
    story(async |world| {
        let (address, data) = (free_address(), world.path("restored"));
        let server = start_server(address, &data).await;
        at(world, address, "john").to("marie").pipe(numbered(1..=900)).await.exited(0);
        server.kill().await;
        std::fs::remove_dir_all(&data).unwrap();
        let _server = start_server(address, &data).await;
        at(world, address, "john").to("marie").pipe("").await.exited(0).was_quiet();
        let marie = at(world, address, "marie").to("john").pipe("").await;
        let expected: Vec<_> = (1..=900).map(|n| format!("john: message {n}")).collect();
        assert_eq!(marie.exited(0).lines(), expected);
    });
}

// A server that takes no more.

fn three_for_each_session(config: &mut Config) {
    config.quota.session = Usage { messages: 3, bytes: 1_000_000 };
}

#[test]
fn what_a_full_server_refuses_is_sent_when_marie_has_read() {
    story_with(three_for_each_session, async |world| {
        let mut john = Launch::of(world, "john").to("marie").start();
        john.types(numbered(1..=5));
        john.ends_input();
        john.says("marie cannot be sent more for now: 3 messages").await;
        let mut lines = Launch::of(world, "marie").to("john").pipe("").await.exited(0).lines();
        john.end().await.exited(0).never_said("not sent yet");
        lines.extend(Launch::of(world, "marie").to("john").pipe("").await.exited(0).lines());
        assert_eq!(lines, (1..=5).map(|n| format!("john: message {n}")).collect::<Vec<_>>());
    });
}

#[test]
fn what_a_full_server_refuses_for_too_long_is_kept_for_next_time() {
    story_with(three_for_each_session, async |world| {
        let john = Launch::of(world, "john").to("marie").with(&["--timeout", "3"]);
        let john = john.pipe(numbered(1..=5)).await;
        john.exited(3).said("the server takes no more messages for now");
        john.said("2 messages not sent yet; kept; goes out");
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: message 1", "john: message 2", "john: message 3"]);
        Launch::of(world, "john").to("marie").pipe("").await.exited(0).was_quiet();
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: message 4", "john: message 5"]);
    });
}

// What listens there is no server.

/// Answers everybody's first line with these bytes and then says no more. Tells of each connection.
fn impostor(answer: &[u8]) -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (tell, connections) = async_channel::unbounded();
    let answer = answer.to_vec();
    thread::spawn(move || {
        for stream in listener.incoming().map(Result::unwrap) {
            // What is left unread when a connection closes can cut off the answer.
            let _ = BufReader::new(&stream).read_line(&mut String::new());
            let _ = (&stream).write_all(&answer);
            if tell.send_blocking(stream).is_err() {
                return;
            }
        }
    });
    (address, connections)
}

#[test]
fn what_speaks_another_protocol_is_not_tried_again() {
    story(async |world| {
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(4_096).collect();
        for answer in [
            &b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"[..],
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"220 mail.example.org ESMTP\r\n",
            b"WELCOME john\r\n",
            b"WELCOME john ping=9223372036854775807\r\n",
            b"PONG\r\n",
            &noise,
        ] {
            let (address, _connections) = impostor(answer);
            let john = at(world, address, "john").to("marie").with(&["--timeout", "5m"]);
            let john = john.pipe("hello\n").await;
            john.exited(3).printed(&[]).said("does not speak TinyChat's protocol");
            john.said("1 message not sent yet; kept").never_said("trying again");
            assert_safe_to_print(&john.err);
            std::fs::remove_dir_all(world.path("john")).unwrap();
        }
    });
}

#[test]
fn what_says_nothing_is_given_up_in_time() {
    story(async |world| {
        let (address, connections) = impostor(b"");
        let john = at(world, address, "john").to("marie").with(&["--timeout", "1"]);
        let john = john.pipe("hello\n").await;
        john.exited(3).printed(&[]).said("gave up after 1 s").said("1 message not sent yet");
        assert!(!connections.is_empty(), "it was connected");
    });
}

#[test]
fn what_closes_at_once_is_given_up_in_time() {
    story(async |world| {
        let (address, connections) = impostor(b"");
        drop(connections);
        let john = at(world, address, "john").to("marie").with(&["--timeout", "1"]);
        let john = john.pipe("hello\n").await;
        john.exited(3).printed(&[]).said("gave up after 1 s").said("1 message not sent yet");
    });
}

#[test]
fn nothing_that_a_server_says_steers_a_terminal() {
    story(async |world| {
        for (answer, said) in [
            ("ERR TAKEN - no \u{202e}evil\r\n", "no \u{fffd}evil"),
            ("ERR TAKEN - no \u{1b}[2J\r\n", "does not speak TinyChat's protocol"),
            ("\u{1b}[2J\u{202e}evil\r\n", "does not speak TinyChat's protocol"),
        ] {
            let (address, _connections) = impostor(answer.as_bytes());
            let john = at(world, address, "john").to("marie").pipe("").await;
            john.exited(1).said(said);
            assert_safe_to_print(&john.err);
        }
    });
}

#[track_caller]
fn assert_safe_to_print(text: &str) {
    let harmful = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(harmful), "{text:?}");
}
