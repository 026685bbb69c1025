//! What operators do, with the real program: `check`, `backup`, `restore`, beside a running server and
//! without one; the socket they ask on; the limits they set.

use std::cell::Cell;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tinychat::task::let_others_run;
use tinychat::trust::Identity;
use tinychat::wire::MAX_CHUNK;

use crate::carrying::{Carrier, noise};
use crate::programs::{Finished, Launch, Program, free_address};
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story};

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

/// A server as a process of its own.
pub(crate) async fn serve(data: &Path, flags: &[&str]) -> (Program, SocketAddr) {
    let address = free_address();
    let mut server = Launch::server(address, data).with(flags).start();
    server.says("listening on").await;
    (server, address)
}

pub(crate) async fn sign_in(world: &World, address: SocketAddr, name: &str) -> Peer {
    let mut peer = world.connect_to(address).await;
    peer.prove(name, &world.identity(name), FIRST_INSTALLATION).await;
    peer.expect(&format!("WELCOME {name}")).await;
    peer
}

pub(crate) async fn operate(words: &[&str], data: &Path) -> Finished {
    Launch::operator(words).on(data).pipe("").await
}

async fn backup(data: &Path, file: &Path) -> Finished {
    Launch::operator(&["backup"]).on(data).with(&[text(file)]).pipe("").await
}

pub(crate) async fn restore(data: &Path, file: &Path) -> Finished {
    Launch::operator(&["restore"]).on(data).with(&[text(file)]).pipe("").await
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Stops a server as operators do.
pub(crate) async fn stop(server: Program) {
    server.signal("TERM");
    server.exits(0).await;
}

/// Somebody gets all that waits, once and in order, and says so. Returns how much it was.
async fn takes_all(peer: &mut Peer, from: &str, text: impl Fn(u64) -> String) -> u64 {
    let told = peer.talk(from).await;
    let waiting = told.rsplit(' ').next().unwrap().parse().unwrap();
    peer.hears_all(from, 1, 1..=waiting, text).await;
    peer.hears_nothing().await;
    peer.ack(from, waiting).await;
    peer.barrier().await;
    waiting
}

/// A stopped server's folder in which so many messages from alice wait for bob.
async fn folder_with(world: &World, messages: u64, text: impl Fn(u64) -> String) -> PathBuf {
    let data = world.path("server-1");
    let (server, address) = serve(&data, &[]).await;
    let mut alice = sign_in(world, address, "alice").await;
    alice.talk("bob").await;
    alice.say_all("bob", 1..=messages, text).await;
    alice.talk_until_stored("bob").await;
    stop(server).await;
    data
}

#[test]
fn a_book_of_names_that_was_emptied_while_messages_wait_gives_nobodys_name_away() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut john = sign_in(world, address, "john").await;
        john.talk("marie").await;
        john.say("marie", 1, "hello").await;
        john.expect("STORED marie 1").await;
        stop(server).await;
        fs::write(data.join("names"), "").unwrap();
        let refused = Launch::server(free_address(), &data).start().end().await;
        refused.exited(1).said("it was damaged").said("names is empty, but messages wait");
        // Who does not have it any more may say so.
        fs::remove_file(data.join("names")).unwrap();
        for _ in 0..2 {
            let (server, _) = serve(&data, &[]).await;
            stop(server).await;
        }
    });
}

#[test]
fn a_server_is_checked_and_backed_up_while_people_write() {
    story(async |world| {
        let data = world.path("server-1");
        let unbounded = ["--session-backlog", "0,0", "--recipient-backlog", "0,0"];
        let unbounded = [&unbounded[..], &["--first-contact", "0"]].concat();
        let (server, address) = serve(&data, &unbounded).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        let (stored, done) = (Cell::new(0), Cell::new(false));
        let writing = async {
            while !done.get() {
                let next = stored.get() + 1;
                alice.say_all("bob", next..next + 50, numbered).await;
                alice.expect(&format!("STORED bob {}", next + 49)).await;
                stored.set(next + 49);
            }
        };
        let file = world.path("backup");
        let operating = async {
            let checked = operate(&["check"], &data).await;
            checked.exited(0).was_quiet();
            let first = stored.get();
            backup(&data, &file).await.exited(0).printed(&[]).was_quiet();
            backup(&data, &world.path("backup-2")).await.exited(0).was_quiet();
            done.set(true);
            first
        };
        let ((), first) = futures::join!(writing, operating);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!world.path("backup.partial").exists());
        stop(server).await;

        let restored = world.path("server-2");
        restore(&restored, &file).await.exited(0).printed(&[]).was_quiet();
        let (server, address) = serve(&restored, &unbounded).await;
        let mut thief = world.connect_to(address).await;
        thief.prove("alice", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        thief.expect("ERR TAKEN").await;
        let mut bob = sign_in(world, address, "bob").await;
        let heard = takes_all(&mut bob, "alice", numbered).await;
        assert!((first..=stored.get()).contains(&heard), "{first}, {heard}, {}", stored.get());
        // The rest comes from alice's own disk.
        let mut alice = sign_in(world, address, "alice").await;
        assert_eq!(alice.talk("bob").await, format!("online {heard} {heard} {heard} 0"));
        alice.say_all("bob", heard + 1..=stored.get() + 1, numbered).await;
        bob.hears_all("alice", heard + 1, heard + 1..=stored.get() + 1, numbered).await;
        stop(server).await;
    });
}

#[test]
fn a_stopped_server_is_checked_and_backed_up() {
    story(async |world| {
        let data = folder_with(world, 3, numbered).await;
        let checked = operate(&["check"], &data).await;
        checked.exited(0).was_quiet();
        let lines = checked.lines();
        assert!(lines[0].starts_with("alice to bob: 3 messages, 51 bytes, the oldest of "));
        assert_eq!(lines[1..], ["3 messages, 51 bytes, 1 session"]);
        assert!(!checked.text().contains("this is"), "never what they say");
        let file = world.path("backup");
        backup(&data, &file).await.exited(0).was_quiet();
        let restored = world.path("deep/er/server-2");
        restore(&restored, &file).await.exited(0).was_quiet();
        operate(&["check"], &restored).await.exited(0).printed(&[&lines[0], &lines[1]]);
        let (server, address) = serve(&restored, &[]).await;
        let mut bob = sign_in(world, address, "bob").await;
        assert_eq!(takes_all(&mut bob, "alice", numbered).await, 3);
        stop(server).await;
    });
}

#[test]
fn what_was_delivered_a_moment_ago_is_not_counted_by_a_check() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.talk_until_stored("bob").await;
        let mut bob = sign_in(world, address, "bob").await;
        bob.talk("alice").await;
        bob.hears_all("alice", 1, 1..=3, numbered).await;
        for (acknowledged, waits) in [(2, "1 message, 17 bytes, "), (3, "0 messages, 0 bytes, ")] {
            bob.ack("alice", acknowledged).await;
            bob.barrier().await;
            let checked = operate(&["check"], &data).await;
            checked.exited(0).was_quiet();
            let last = checked.lines().pop().unwrap();
            assert!(last.starts_with(waits), "{}", checked.text());
        }
        stop(server).await;
    });
}

#[test]
fn files_that_wait_are_checked_backed_up_and_go_with_their_receiver() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        let content = noise(MAX_CHUNK + 5);
        let mut carrier = Carrier::at(world, address, &mut alice).await;
        let blob = carrier.upload("bob", &content).await;
        carrier.offer("bob", 10).await;
        let line =
            format!("1 file, {} bytes; 1 more on the way, with 0 bytes so far", content.len());
        let checked = ["0 messages, 0 bytes, 0 sessions", &line];
        operate(&["check"], &data).await.exited(0).printed(&checked);
        let (file, copy) = (world.path("backup"), world.path("server-2"));
        backup(&data, &file).await.exited(0).was_quiet();
        fs::write(data.join("blobs/notes.txt"), "whose?").unwrap();
        let strayed = operate(&["check"], &data).await;
        strayed.exited(1).said("not all in the folder of files is a file that waits");
        assert!(
            strayed.text().contains("notes.txt: it belongs to no message"),
            "{}",
            strayed.text()
        );
        stop(server).await;

        restore(&copy, &file).await.exited(0).was_quiet();
        let (server, address) = serve(&copy, &[]).await;
        let mut bob = sign_in(world, address, "bob").await;
        let mut carrier = Carrier::at(world, address, &mut bob).await;
        assert_eq!(carrier.fetch(&blob, 0, content.len()).await, content);
        operate(&["user", "remove", "bob"], &copy).await.exited(0);
        operate(&["check"], &copy).await.exited(0).printed(&checked[..1]);
        stop(server).await;

        let mut damaged = fs::read(&file).unwrap();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        fs::write(&file, damaged).unwrap();
        restore(&world.path("server-3"), &file).await.exited(1).said("its hash is not");
    });
}

#[test]
fn a_backup_that_could_not_be_restored_is_none() {
    story(async |world| {
        let data = folder_with(world, 3, numbered).await;
        let file = world.path("backup");
        // Longer than any that is read.
        fs::write(data.join("certificate.pem"), "x".repeat(100_000)).unwrap();
        let refused = backup(&data, &file).await;
        refused.exited(1).said("could not be restored, and is not kept").said("a part is too long");
        assert!(!file.exists());
        let left = fs::read_dir(file.parent().unwrap()).unwrap();
        let left =
            left.filter(|it| it.as_ref().unwrap().file_name().to_string_lossy().contains("backup"));
        assert_eq!(left.count(), 0);
        fs::remove_file(data.join("certificate.pem")).unwrap();
        backup(&data, &file).await.exited(0).was_quiet();
    });
}

#[test]
fn nor_is_one_with_books_that_a_server_would_not_start_with() {
    story(async |world| {
        let (data, file) = (world.path("server-1"), world.path("backup"));
        let (server, _) = serve(&data, &[]).await;
        let names = data.join("names");
        let sound = fs::read(&names).unwrap();
        fs::write(&names, "rubbish\n").unwrap();
        let refused = backup(&data, &file).await;
        refused.exited(1).said("could not be restored, and is not kept").said("line 1 of");
        assert!(!file.exists());
        fs::write(&names, sound).unwrap();
        backup(&data, &file).await.exited(0).was_quiet();
        stop(server).await;
    });
}

#[test]
fn what_is_there_is_not_overwritten() {
    story(async |world| {
        let data = folder_with(world, 3, numbered).await;
        let (file, precious) = (world.path("backup"), world.path("precious"));
        fs::write(&precious, "mine").unwrap();
        backup(&data, &precious).await.exited(1).said("exists; choose another name");
        assert_eq!(fs::read(&precious).unwrap(), b"mine");
        backup(&data, &file).await.exited(0);
        restore(&data, &file).await.exited(1).said("is not empty; a backup is restored into a new");
        let somewhere = world.path("somewhere");
        fs::create_dir(&somewhere).unwrap();
        restore(&somewhere, &file).await.exited(0).was_quiet();
        operate(&["check"], &data).await.exited(0).was_quiet();
        restore(&world.path("new"), &world.path("none")).await.exited(1).said("cannot read");
        assert!(!world.path("new").exists());
    });
}

#[test]
fn a_backup_that_is_not_whole_is_refused_and_leaves_nothing() {
    story(async |world| {
        let data = folder_with(world, 40, numbered).await;
        let (file, bad) = (world.path("backup"), world.path("bad"));
        backup(&data, &file).await.exited(0);
        let backup = fs::read(&file).unwrap();
        // Behind its last part an archive has two blocks of zeros.
        let end = backup.iter().rposition(|byte| *byte != 0).unwrap();
        let mut variants: Vec<_> = (0..8)
            .map(|part| backup[..end * part / 8].to_vec())
            .chain([backup[..end].to_vec()])
            .collect();
        let written: Vec<_> = (0..end).filter(|at| backup[*at] != 0).collect();
        for at in written.iter().step_by(written.len() / 12) {
            let mut altered = backup.clone();
            altered[*at] ^= 0x55;
            variants.push(altered);
        }
        for (number, variant) in variants.into_iter().enumerate() {
            fs::write(&bad, variant).unwrap();
            let into = world.path("server-2");
            let refused = restore(&into, &bad).await;
            refused.exited(1).said("tinychat-server: ");
            assert_eq!(refused.err.lines().count(), 1, "{number}: {}", refused.err);
            assert!(!into.exists(), "{number}: a folder is left");
            assert!(!world.path("server-2.restoring").exists(), "{number}");
        }
    });
}

#[test]
fn a_folder_without_a_mailbox_is_told() {
    story(async |world| {
        let empty = world.path("empty");
        for exists in [false, true] {
            for words in [&["check"][..], &["check", "--accept"], &["backup", "file"]] {
                let told = operate(words, &empty).await;
                told.exited(1).printed(&[]).said("there is no mailbox in ").said("--data");
                assert_eq!(empty.exists(), exists, "it makes nothing");
            }
            if !exists {
                fs::create_dir(&empty).unwrap();
            }
        }
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
    });
}

#[test]
fn a_damaged_mailbox_is_refused_until_an_operator_accepts_what_is_left() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        for n in 1..=9 {
            alice.say("bob", n, &numbered(n)).await;
            alice.expect(&format!("STORED bob {n}")).await;
        }
        stop(server).await;
        let journal = data.join("mailbox/0.jnl");
        let mut bytes = fs::read(&journal).unwrap();
        let sixth = bytes.windows(17).position(|it| it == numbered(6).as_bytes()).unwrap();
        bytes[sixth] ^= 1;
        fs::write(&journal, &bytes).unwrap();

        let refused = Launch::server(free_address(), &data).pipe("").await;
        refused.exited(1).said("is damaged: ").said("tinychat-server check");
        let checked = operate(&["check"], &data).await;
        checked.exited(1).said("the mailbox is damaged");
        assert!(checked.text().contains("alice to bob: 5 messages"), "{}", checked.text());
        assert!(fs::read(&journal).unwrap() == bytes, "it is as it was");
        let accepted = operate(&["check", "--accept"], &data).await;
        accepted.exited(0).was_quiet();
        assert!(accepted.text().contains("mailbox.refused.1"), "{}", accepted.text());
        assert!(fs::read(data.join("mailbox.refused.1/0.jnl")).unwrap() == bytes);

        let (server, address) = serve(&data, &[]).await;
        let mut bob = sign_in(world, address, "bob").await;
        assert_eq!(takes_all(&mut bob, "alice", numbered).await, 5);
        // What was lost comes again from alice.
        let mut alice = sign_in(world, address, "alice").await;
        assert_eq!(alice.talk("bob").await, "online 5 5 5 0");
        alice.say_all("bob", 6..=9, numbered).await;
        bob.hears_all("alice", 6, 6..=9, numbered).await;
        operate(&["check"], &data).await.exited(0);
        stop(server).await;
        operate(&["check"], &data).await.exited(0);
    });
}

// The socket.

/// What the server answers to these bytes.
fn answer(data: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(data.join("control")).unwrap();
    stream.write_all(request).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    // Closing with something unread is an end too.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn the_control_socket_is_for_its_owner_and_takes_no_rubbish() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mode = fs::metadata(data.join("control")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        for rubbish in
            [&b"rubbish\n"[..], b"\n", b"", b"check", b"CHECK\n", b"\xff\n", &[b'x'; 9999]]
        {
            let answer = answer(&data, rubbish);
            match rubbish {
                // The end of what is asked is the end of the line.
                b"check" => assert!(answer.ends_with("done\n"), "{answer}"),
                b"\xff\n" => assert_eq!(answer, "error a request is a line of text in UTF-8\n"),
                _ => assert!(answer.is_empty() || answer.starts_with("error "), "{answer}"),
            }
        }
        assert!(answer(&data, b"rubbish\n").contains("does not know that request"));
        operate(&["check"], &data).await.exited(0).printed(&["0 messages, 0 bytes, 0 sessions"]);
        sign_in(world, address, "alice").await.barrier().await;
        stop(server).await;
        assert!(!data.join("control").exists());
    });
}

#[test]
fn whoever_can_connect_to_the_server_can_ask_it_too() {
    story(async |world| {
        for number in 0..3 {
            let (address, data) = (free_address(), world.path(&format!("server-{number}")));
            let server = Launch::server(address, &data).start();
            let connecting = async {
                while TcpStream::connect(address).is_err() {
                    let_others_run().await;
                }
            };
            patiently("it takes connections", connecting).await;
            UnixStream::connect(data.join("control")).unwrap();
            operate(&["invite"], &data).await.exited(0);
            stop(server).await;
            assert!(!data.join("control").exists());
        }
        // Of a server that did not start nothing is left to ask.
        let (data, taken) = (world.path("server-0"), world.address());
        Launch::server(taken, &data).start().end().await.exited(1).said("another process does");
        assert!(!data.join("control").exists());
    });
}

#[test]
fn too_many_requests_at_once_are_told_so() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, _) = serve(&data, &[]).await;
        let connect = || UnixStream::connect(data.join("control")).unwrap();
        let silent: Vec<_> = (0..4).map(|_| connect()).collect();
        let refused = operate(&["check"], &data).await;
        refused.exited(1).printed(&[]).said("too many requests are under way");
        drop(silent);
        let served = async { while !operate(&["check"], &data).await.err.is_empty() {} };
        patiently("there is room for requests again", served).await;
        stop(server).await;
    });
}

#[test]
fn an_operator_who_takes_nothing_hurts_nobody() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        // More than the buffers on the way take.
        alice.say_all("bob", 1..=100, |_| "x".repeat(60_000)).await;
        alice.talk_until_stored("bob").await;
        let mut stalled = UnixStream::connect(data.join("control")).unwrap();
        stalled.write_all(b"backup\n").unwrap();
        let mut begin = [0; 5];
        stalled.read_exact(&mut begin).unwrap();
        assert_eq!(&begin, b"data ");
        operate(&["check"], &data).await.exited(0).was_quiet();
        alice.say("bob", 101, "still here").await;
        alice.talk_until_stored("bob").await;
        let begin = Instant::now();
        stop(server).await;
        assert!(begin.elapsed() < Duration::from_secs(20), "it waits for nobody");
    });
}

#[test]
fn a_backup_that_is_cut_leaves_no_file() {
    story(async |world| {
        let data = world.path("fake");
        fs::create_dir(&data).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(data.join("control")).unwrap();
        let file = world.path("backup");
        for answer in
            ["", "data 10\nabc", "data 3\nabc", "data x\n", "done", "error no\n", "rubbish\n"]
        {
            let operator = Launch::operator(&["backup"]).on(&data).with(&[text(&file)]).start();
            let (mut server, _) = listener.accept().unwrap();
            server.read_exact(&mut [0; 7]).unwrap();
            server.write_all(answer.as_bytes()).unwrap();
            drop(server);
            operator.end().await.exited(1);
            assert!(!file.exists() && !world.path("backup.partial").exists(), "{answer:?}");
        }
    });
}

// Limits.

#[test]
fn limits_are_announced_and_kept() {
    story(async |world| {
        let flags = ["--session-backlog", "2,1MiB", "--recipient-backlog=3,2MiB", "--keep", "2h"];
        let none = ["--session-backlog", "0", "--recipient-backlog", "0,0", "--keep", "0"];
        let least = ["--memory", "1KiB", "--keep", "0s"];
        let limits: [(&[&str], &[&str]); 3] = [
            (
                &flags,
                &[
                    "backlog=2",
                    "backlog-bytes=1048576",
                    "recipient=3",
                    "recipient-bytes=2097152",
                    "keep=7200",
                ],
            ),
            (
                &none,
                &["backlog=0", "backlog-bytes=0", "recipient=0", "recipient-bytes=0", "keep=0"],
            ),
            (&least, &["backlog=10000", "recipient=100000", "keep=0"]),
        ];
        for (number, (flags, words)) in limits.into_iter().enumerate() {
            let (server, address) = serve(&world.path(&format!("server-{number}")), flags).await;
            let mut alice = world.connect_to(address).await;
            alice.prove("alice", &world.identity("alice"), FIRST_INSTALLATION).await;
            let welcome = alice.next().await;
            for word in words {
                assert!(welcome.split(' ').any(|it| it == *word), "{word} in {welcome}");
            }
            alice.talk("bob").await;
            alice.say_all("bob", 1..=3, numbered).await;
            match number {
                0 => assert!(alice.catch_up().await[0].starts_with("ERR FULL bob 3 ")),
                // Nothing of it is too much, however little is held in memory.
                _ => {
                    assert_eq!(alice.talk_until_stored("bob").await, "away 3 3 0 0");
                    let mut bob = sign_in(world, address, "bob").await;
                    assert_eq!(takes_all(&mut bob, "alice", numbered).await, 3);
                }
            }
            stop(server).await;
        }
    });
}

#[test]
fn wrong_limits_and_commands_are_wrong_usage() {
    story(async |world| {
        let huge = u64::MAX.to_string();
        for words in [
            &["--keep", "banana"][..],
            &["--keep", "-1d"],
            &["--keep", "500ms"],
            &["--keep", "400000000000y"],
            &["--memory", "lots"],
            &["--threads", "0"],
            &["--threads", "many"],
            &["--memory", "-1"],
            &["--session-backlog", "many"],
            &["--session-backlog", "5,"],
            &["--session-backlog", "-5,1MiB"],
            &["--session-backlog", &huge],
            &["--session-backlog", "1,2,3"],
            &["--recipient-backlog", "5,much"],
            &["--recipient-backlog", "5,15EiB"],
            &["--recipient-backlog"],
            &["check", "--nonsense"],
            &["check", "word"],
            &["backup"],
            &["backup", "one", "two"],
            &["restore"],
            &["restore", "--accept", "file"],
            &["destroy"],
        ] {
            let finished = operate(words, &world.path("server-1")).await;
            finished.exited(2).printed(&[]).said("tinychat-server: ").said("--help");
        }
        assert!(!world.path("server-1").exists());
    });
}
