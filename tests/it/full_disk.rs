//! A server whose disk is full, and gets room again, or a client that prints to it: what is refused, what is still
//! done, and that nothing is lost or doubled.
//!
//! Each story has a small disk of its own, in memory. To mount one needs root and a system that lets
//! root do so; elsewhere these stories say that they are skipped.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::carrying::noise;
use crate::files::until_some_of_it_is_in;
use crate::lists::{first, is_told, lists};
use crate::metrics::get;
use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::{Launch, free_address};
use crate::sealed::comes_to;
use crate::world::{Peer, World, patiently, story};

/// The engine and what it may write at once fit into it several times.
const SIZE: &str = "size=64m,mode=700";

fn numbered(n: u64) -> String {
    format!("this is message {n}")
}

/// More than is left in a page that a file has already.
fn long(n: u64) -> String {
    format!("{n:09}").repeat(6_000)
}

/// A small disk.
struct Disk(PathBuf);

impl Disk {
    /// None if this system lets nobody mount one here.
    fn mount(at: PathBuf) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", SIZE, "tinychat-test"]).arg(&at).output();
        let reason = match mounted {
            Ok(output) if output.status.success() => return Some(Self(at)),
            Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_string(),
            Err(error) => format!("mount: {error}"),
        };
        eprintln!("skipped: cannot mount a tmpfs: {reason}");
        None
    }

    fn data(&self) -> PathBuf {
        self.0.join("server")
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Fills it, but for so many bytes.
    fn fill(&self, spare: u64) {
        let mut filler = File::create(self.filler()).unwrap();
        for piece in [1024 * 1024, 4096] {
            while filler.write_all(&vec![1; piece]).is_ok() {}
        }
        let length = filler.metadata().unwrap().len();
        filler.set_len(length - spare).unwrap();
    }

    fn make_room(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a server that was just killed may not have ended.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Tells a story with a small disk, if there can be one.
fn story_on_disk(tell: impl AsyncFnOnce(&mut World, &Disk)) {
    story(async |world| {
        if let Some(disk) = Disk::mount(world.path("disk")) {
            tell(world, &disk).await;
        }
    });
}

/// Writes one long message after the other until one is refused. Returns its number; none of them
/// was stored.
async fn write_until_refused(peer: &mut Peer, whom: &str, mut n: u64) -> u64 {
    let refused = async {
        loop {
            peer.say(whom, n, &long(n)).await;
            if let Some(line) = peer.barrier().await.into_iter().next() {
                let refused = line.strip_prefix(&format!("ERR STORE {whom} "));
                let refused = refused.unwrap_or_else(|| panic!("a refusal: {line}"));
                return refused.split(' ').next().unwrap().parse().unwrap();
            }
            n += 1;
        }
    };
    patiently("a message is refused", refused).await
}

#[test]
fn what_a_client_prints_on_a_full_disk_is_not_printed_twice() {
    story_on_disk(async |world, disk| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.say("john", 1, "before").await;
        let lines = ["a", "b"].map(|letter| letter.repeat(3_000));
        marie.say("john", 2, &lines.join("\n")).await;
        marie.expect("STORED john 2").await;
        let log = disk.data();
        let append = || File::options().append(true).create(true).open(&log).unwrap();
        // A page for the first line, and none for the second.
        append();
        disk.fill(4096);
        let john = || Launch::of(world, "john").to("marie").printing_to(append());
        john().pipe("").await.exited(1).said("cannot print what marie wrote");
        assert_eq!(fs::read_to_string(&log).unwrap(), "marie: before\n");
        disk.make_room();
        john().pipe("").await.exited(0).was_quiet();
        let [a, b] = lines;
        let all = format!("marie: before\nmarie: {a}\nmarie: {b}\n");
        assert!(fs::read_to_string(&log).unwrap() == all, "each of it once");
    });
}

#[test]
fn what_was_shown_is_not_shown_again_because_the_data_folder_is_full() {
    story_on_disk(async |world, disk| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let john = || Launch::at(world.address(), "john", &disk.data()).to("marie");
        let (mut output, end) = std::io::pipe().unwrap();
        let first = john().with(&["--follow"]).printing_to(end).start();
        marie.expect("PRESENCE john online").await;
        // More than is in the pipe: the face waits with the second one in its hand.
        let line = "x".repeat(60_000);
        for n in 1..=10 {
            marie.say("john", n, &format!("{n:02} {line}")).await;
        }
        marie.expect("DELIVERED john 10").await;
        disk.fill(0);
        let reader = std::thread::spawn(move || std::io::read_to_string(&mut output).unwrap());
        first.end().await.exited(1).said("disk is full");
        let first = reader.join().unwrap();
        disk.make_room();
        let again = john().pipe("").await;
        let seen: Vec<_> = first.lines().map(String::from).chain(again.exited(0).lines()).collect();
        let numbers: Vec<_> = seen.iter().map(|line| line[7..9].to_string()).collect();
        let all: Vec<_> = (1..=10).map(|n| format!("{n:02}")).collect();
        assert_eq!(numbers, all, "each once");
    });
}

#[test]
fn a_full_disk_refuses_aloud_and_loses_nothing() {
    story_on_disk(async |world, disk| {
        let (server, address) = serve(&disk.data(), &[]).await;
        // New names could not be written.
        sign_in(world, address, "bob").await.quit().await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.until_away("bob").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.expect("STORED bob 3").await;
        disk.fill(0);
        let refused = write_until_refused(&mut alice, "bob", 4).await;
        let have = refused - 1;
        assert_eq!(alice.talk("bob").await, format!("away {have} 3 0 0"));

        // What was taken goes its way.
        let text = |n| if n <= 3 { numbered(n) } else { long(n) };
        let mut bob = sign_in(world, address, "bob").await;
        assert_eq!(bob.talk("alice").await, format!("online 0 0 0 {have}"));
        bob.hears_all("alice", 1, 1..=have, text).await;
        alice.expect("PRESENCE bob online").await;
        bob.ack("alice", 2).await;
        alice.expect("DELIVERED bob 2").await;
        operate(&["check"], &disk.data()).await.exited(0).was_quiet();

        // That made room in the backlog, but none on the disk.
        alice.expect("ROOM bob").await;
        alice.talk("bob").await;
        alice.say("bob", refused, &long(refused)).await;
        alice.expect(&format!("ERR STORE bob {refused}")).await;
        alice.hears_nothing().await;
        disk.make_room();
        alice.expect("ROOM bob").await;
        assert_eq!(alice.talk_until_stored("bob").await, format!("online {have} {have} 2 0"));
        alice.say_all("bob", refused..=refused + 3, long).await;
        bob.hears_all("alice", refused, refused..=refused + 3, long).await;
        alice.expect(&format!("STORED bob {}", refused + 3)).await;
        server.kill().await;

        let (server, address) = serve(&disk.data(), &[]).await;
        let mut bob = sign_in(world, address, "bob").await;
        // What bob had acknowledged needs not be on disk yet when the server is killed.
        let told = bob.talk("alice").await;
        let waiting: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
        let last = refused + 3;
        assert!((last - 2..=last).contains(&waiting), "{told}");
        bob.hears_all("alice", 1, last - waiting + 1..=last, text).await;
        bob.hears_nothing().await;
        bob.ack("alice", waiting).await;
        let mut alice = sign_in(world, address, "alice").await;
        bob.barrier().await;
        assert_eq!(alice.talk("bob").await, format!("online {last} {last} {last} 0"));
        stop(server).await;
    });
}

#[test]
fn a_server_whose_disk_is_full_is_not_ready() {
    story_on_disk(async |world, disk| {
        let socket = world.path("metrics.socket");
        let metrics = format!("unix:{}", socket.display());
        let (server, address) = serve(&disk.data(), &["--metrics", &metrics]).await;
        assert_eq!(get(&socket, "/readyz").status, 200);
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        disk.fill(0);
        write_until_refused(&mut alice, "bob", 1).await;
        let refused = get(&socket, "/readyz");
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.body.contains("nothing can be stored now"), "{refused:?}");
        assert!(get(&socket, "/metrics").body.contains("\ntinychat_ready 0\n"));
        assert_eq!(get(&socket, "/healthz").status, 200);
        disk.make_room();
        alice.expect("ROOM bob").await;
        assert_eq!(get(&socket, "/readyz").status, 200);
        stop(server).await;
    });
}

/// After the disk was full the store is opened again, and one whose watermark is gone is refused.
#[test]
fn a_server_that_cannot_read_its_mailbox_says_that_it_is_busy_until_it_can() {
    story_on_disk(async |world, disk| {
        let (mut server, address) = serve(&disk.data(), &[]).await;
        sign_in(world, address, "bob").await.quit().await;
        let mut carol = sign_in(world, address, "carol").await;
        let list = first(world, "carol");
        lists(&mut carol, &list).await;
        let mut dave = sign_in(world, address, "dave").await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.until_away("bob").await;
        alice.talk("bob").await;
        disk.fill(0);
        let have = write_until_refused(&mut alice, "bob", 1).await - 1;
        let (watermark, away) = (disk.data().join("mailbox.watermark"), disk.0.join("away"));
        fs::rename(&watermark, &away).unwrap();
        disk.make_room();
        server.logs("its watermark").await;
        dave.send("TALK bob 0").await;
        carol.send("DEVICES carol").await;
        for mut closed in [dave, carol] {
            closed.expect("ERR BUSY -").await;
            closed.end().await;
        }

        fs::rename(&away, &watermark).unwrap();
        alice.expect("ROOM bob").await;
        let mut dave = sign_in(world, address, "dave").await;
        assert_eq!(dave.talk("bob").await, "away 0 0 0 0");
        is_told(&mut dave, "carol", Some(&list)).await;
        assert_eq!(alice.talk_until_stored("bob").await, format!("away {have} {have} 0 0"));
        stop(server).await;
    });
}

#[test]
fn a_server_that_is_killed_with_a_full_disk_has_what_it_stored() {
    story_on_disk(async |world, disk| {
        let (server, address) = serve(&disk.data(), &[]).await;
        sign_in(world, address, "bob").await.quit().await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.until_away("bob").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.expect("STORED bob 3").await;
        disk.fill(0);
        write_until_refused(&mut alice, "bob", 4).await;
        server.kill().await;
        starts_again(world, disk, 3, "killed").await;
    });
}

#[test]
fn a_server_that_is_stopped_with_a_full_disk_has_what_it_stored() {
    story_on_disk(async |world, disk| {
        let (server, address) = serve(&disk.data(), &[]).await;
        sign_in(world, address, "bob").await.quit().await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.until_away("bob").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.expect("STORED bob 3").await;
        disk.fill(0);
        write_until_refused(&mut alice, "bob", 4).await;
        stop(server).await;
        starts_again(world, disk, 3, "stopped").await;
    });
}

#[test]
fn a_server_that_finds_no_room_says_so_and_starts_later() {
    story_on_disk(async |world, disk| {
        let (mut server, address) = serve(&disk.data(), &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=3, numbered).await;
        alice.expect("STORED bob 3").await;
        for spare in [0, 4_096, 8_192, 16_384, 65_536, 262_144] {
            server.kill().await;
            disk.fill(spare);
            refuses_or_starts(&disk.data(), spare == 0).await;
            disk.make_room();
            server = serve(&disk.data(), &[]).await.0;
            let checked = operate(&["check"], &disk.data()).await;
            let lines = checked.exited(0).lines();
            assert_eq!(lines.last().unwrap(), "3 messages, 51 bytes, 1 session", "{spare} spare");
        }
        stop(server).await;
        // A first start.
        let fresh = disk.0.join("fresh");
        for spare in [0, 4_096, 16_384, 32_768, 131_072] {
            disk.fill(spare);
            refuses_or_starts(&fresh, spare == 0).await;
            disk.make_room();
        }
        let (server, _) = serve(&fresh, &[]).await;
        stop(server).await;
    });
}

/// A server that has little room says why it ends, or serves.
async fn refuses_or_starts(data: &Path, refuses: bool) {
    let mut server = Launch::server(free_address(), data).start();
    server.says("").await;
    // One that serves ends well when it is told to; the other has ended by itself.
    server.signals_if_there("TERM");
    let ended = server.end().await;
    if refuses || !ended.err.contains("listening on") {
        ended.exited(1).said("No space left on device").said("tinychat-server: cannot ");
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    }
}

/// After its disk was full: not before there is room, and then with what it had.
async fn starts_again(world: &World, disk: &Disk, stored: u64, how: &str) {
    refuses_or_starts(&disk.data(), true).await;
    disk.make_room();
    let (server, address) = serve(&disk.data(), &[]).await;
    operate(&["check"], &disk.data()).await.exited(0).was_quiet();
    let mut bob = sign_in(world, address, "bob").await;
    let told = bob.talk("alice").await;
    // What was never reported as stored may be there or not.
    let waiting: u64 = told.rsplit(' ').next().unwrap().parse().unwrap();
    assert!(waiting >= stored, "{how}: {told}");
    let text = |n| if n <= stored { numbered(n) } else { long(n) };
    bob.hears_all("alice", 1, 1..=waiting, text).await;
    bob.hears_nothing().await;
    let mut alice = sign_in(world, address, "alice").await;
    assert_eq!(alice.talk("bob").await, format!("online {waiting} {waiting} 0 0"), "{how}");
    alice.say("bob", waiting + 1, "and on").await;
    bob.hears("alice", waiting + 1, waiting + 1, "and on").await;
    stop(server).await;
}

#[test]
fn a_script_whose_own_disk_is_full_is_told_and_sends_once_when_there_is_room() {
    story_on_disk(async |world, disk| {
        let (address, data) = (world.address(), disk.0.join("john"));
        let send = async |text: &str| {
            let words = ["send", "--to", "marie", text];
            Launch::at(address, "john", &data).with(&words).pipe("").await
        };
        send("one").await.exited(0);
        disk.fill(0);
        send("two").await.exited(1).said("No space left");
        disk.make_room();
        send("three").await.exited(0);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        marie.hears("john", 1, 1, "one").await;
        marie.hears("john", 2, 2, "three").await;
        marie.hears_nothing().await;
    });
}

#[test]
fn a_file_that_fills_the_servers_disk_goes_on_when_there_is_room() {
    story_on_disk(async |world, disk| {
        let flags = ["--file-rate", "512KiB,256KiB", "--reserve", "0B"];
        let (mut server, address) = serve(&disk.data(), &flags).await;
        let mut witness = sign_in(world, address, "witness").await;
        comes_to(world, address, "marie", &world.path("marie")).await;
        let (path, content) = (world.path("file"), noise(2 << 20));
        fs::write(&path, &content).unwrap();
        let send = ["send", "--to", "marie", "--file", path.to_str().unwrap()];
        let john = Launch::at(address, "john", &world.path("john")).with(&send).start();
        until_some_of_it_is_in(&disk.data().join("blobs"), 300_000, &mut witness).await;
        disk.fill(0);
        server.logs("the server has room for").await;
        disk.make_room();
        john.finish().await.exited(0);
        let marie = Launch::at(address, "marie", &world.path("marie")).to("john");
        marie.with_commands().pipe("/GET 1\n").await.exited(0).said("file 1 of john, file: here");
        assert_eq!(fs::read(world.path("marie/files/1")).unwrap(), content);
        stop(server).await;
    });
}

#[test]
fn a_file_that_does_not_fit_here_stays_with_the_server() {
    story_on_disk(async |world, disk| {
        let (path, content) = (world.path("file"), noise(4 << 20));
        fs::write(&path, &content).unwrap();
        let send = ["send", "--to", "marie", "--file", path.to_str().unwrap()];
        let data = disk.0.join("marie");
        comes_to(world, world.address(), "marie", &data).await;
        Launch::of(world, "john").with(&send).pipe("").await.exited(0);
        let marie = || Launch::at(world.address(), "marie", &data).to("john").with_commands();
        marie().with(&["--get-up-to", "0"]).pipe("").await.exited(0);
        disk.fill(1 << 20);
        let got = marie().pipe("/GET 1\n").await;
        got.exited(1).said("failed: it has 4.0 MiB, and ").said("/GET tries again");
        disk.make_room();
        marie().pipe("/GET 1\n").await.exited(0).said("file 1 of john, file: here");
        assert_eq!(fs::read(data.join("files/1")).unwrap(), content);
    });
}
