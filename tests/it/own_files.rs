//! Files of one's own, with the real client: what they are called, what they say of themselves, several at once, and
//! what is called back.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use tinychat::server::Rate;
use tinychat::wire::MAX_CHUNK;

use crate::carrying::noise;
use crate::files::{marie_writes, own_file, send, until_some_of_it_is_in};
use crate::programs::{Finished, Launch};
use crate::screen::desk;
use crate::sealed::comes;
use crate::world::{World, story, story_with};

const MIB: usize = 1024 * 1024;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// What somebody's commands come to.
async fn obeys(world: &World, name: &str, peer: &str, commands: &str) -> Finished {
    Launch::of(world, name).to(peer).with_commands().pipe(commands).await
}

fn waiting(world: &World) -> usize {
    fs::read_dir(world.path("server/blobs")).unwrap().count()
}

#[test]
fn a_name_that_is_no_utf8_is_sent_and_made_so() {
    story(async |world| {
        comes(world, "marie").await;
        let names = [&b"ol\xe9.txt"[..], b"caf\xe9=1.txt"];
        for (name, flag) in names.into_iter().zip([&["--file"][..], &[]]) {
            let path = world.path("").join(OsStr::from_bytes(name));
            fs::write(&path, "hello").unwrap();
            let joined = [b"--file=", path.as_os_str().as_bytes()].concat();
            let value = if flag.is_empty() { OsStr::from_bytes(&joined) } else { path.as_os_str() };
            let john = Launch::of(world, "john").with(&["send", "--to", "marie"]);
            john.with(flag).with_word(value).pipe("").await.exited(0).was_quiet();
        }
        let words = ["send", "--to", "marie", "--", "no", "--file"];
        let john = Launch::of(world, "john").with(&words).with_word(OsStr::from_bytes(b"\xe9"));
        john.pipe("").await.exited(2).said("a message is text in UTF-8");
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&[
            "john: [file 1: ol\u{fffd}.txt, text/plain, 5 B]",
            "john: [file 2: caf\u{fffd}=1.txt, text/plain, 5 B]",
        ]);
    });
}

#[test]
fn a_file_that_has_not_the_size_that_it_says_is_refused() {
    story(async |world| {
        for path in ["/proc/self/status", "/sys/kernel/mm/transparent_hugepage/enabled"] {
            // Not every system has the second one.
            if Path::new(path).exists() {
                let sent = send(world, Path::new(path), &[]).await;
                sent.exited(1).said(&format!("cannot send {path}: it says that it has "));
                sent.said("and has not; send a copy of it");
            }
        }
        assert_eq!(waiting(world), 0);
    });
}

#[test]
fn a_file_that_grows_while_it_goes_is_not_sent() {
    let slowly = |config: &mut tinychat::server::Config| {
        config.rates.files = Rate { each_second: MIB as u32 / 2, burst: MAX_CHUNK as u32 };
    };
    story_with(slowly, async |world| {
        comes(world, "marie").await;
        let path = own_file(world, "log", &noise(MIB));
        let mut witness = world.sign_in("witness").await;
        let john = Launch::of(world, "john").with(&["send", "--to", "marie", "--file"]);
        let john = john.with_word(path.as_os_str()).start();
        until_some_of_it_is_in(&world.path("server/blobs"), 100_000, &mut witness).await;
        File::options().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        john.finish().await.exited(1).said("log has changed since; send it again, or a copy of it");
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        assert_eq!(waiting(world), 0, "the server was told that it is not wanted");
    });
}

#[test]
fn several_files_go_at_once() {
    story(async |world| {
        comes(world, "marie").await;
        let [a, b] = ["a.txt", "b.txt"].map(|name| own_file(world, name, name.as_bytes()));
        let files =
            ["send", "--to", "marie", "--file", text(&a), "--file", text(&b), "two", "of them"];
        Launch::of(world, "john").with(&files).pipe("").await.exited(0).was_quiet();
        let nowhere = ["send", "--to", "marie", "--file", text(&a), "--file", "/nowhere"];
        let john = Launch::of(world, "john").with(&nowhere).pipe("").await;
        john.exited(1).said("cannot send /nowhere: No such file");
        let typed = format!("/SEND {} '{}' again\n", text(&a), text(&b));
        obeys(world, "john", "marie", &typed).await.exited(0);
        let mut lines = Launch::of(world, "marie").to("john").pipe("").await.exited(0).lines();
        assert_eq!(
            lines[..2],
            [
                "john: [file 1: a.txt, text/plain, 5 B] two of them",
                "john: [file 2: b.txt, text/plain, 5 B]",
            ]
        );
        // Those that are typed go beside each other.
        lines[2..].iter_mut().for_each(|line| line.replace_range(12..13, "n"));
        lines[2..].sort();
        let expected = ["a.txt, text/plain, 5 B] again", "b.txt, text/plain, 5 B]"];
        assert_eq!(lines[2..], expected.map(|it| format!("john: [file n: {it}")));
    });
}

#[test]
fn of_several_files_those_that_are_not_sent_are_named() {
    story(async |world| {
        comes(world, "marie").await;
        let [a, b] = ["a.txt", "b.txt"].map(|name| own_file(world, name, name.as_bytes()));
        let address = world.address();
        world.stop().await;
        let files = ["--timeout", "1s", "send", "--to", "marie", "--file", text(&a), "--file"];
        let john = Launch::at(address, "john", &world.path("john")).with(&files);
        let john = john.with_word(b.as_os_str()).pipe("").await;
        john.exited(1).said("it is kept; goes out").said(&format!("not sent: {}", text(&b)));
        world.start().await;
        Launch::of(world, "john").to("marie").pipe("").await.exited(0);
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).printed(&["john: [file 1: a.txt, text/plain, 5 B]"]);
    });
}

#[test]
fn a_space_without_quotes_is_explained_and_the_line_is_kept() {
    story(async |world| {
        let path = own_file(world, "my notes.txt", b"some notes\n");
        let mut john = desk(world, "john", "marie");
        john.sees("john online");
        john.presses(&format!("/SEND {}\r", text(&path)));
        john.sees("a path with spaces stands in quotes:");
        john.until("the line is still there", |it| {
            // It may take more than one row.
            let shown = it.rows().concat().replace([' ', '│'], "");
            shown.contains("/SEND/") && shown.contains("mynotes.txt")
        });
        assert_eq!(waiting(world), 0);
        john.presses("\u{3}\u{3}\u{3}");
        john.ends(0);
        let saved = obeys(world, "marie", "john", "/SAVE 1 /tmp/my notes\n").await;
        saved.exited(1).said("one with spaces stands in quotes: /SAVE 1 '/tmp/my notes'");
    });
}

#[test]
fn a_file_that_waits_is_called_back() {
    story(async |world| {
        comes(world, "marie").await;
        marie_writes(world).await;
        for name in ["one.txt", "two.txt", "three.txt"] {
            send(world, &own_file(world, name, b"hello"), &[]).await.exited(0);
        }
        assert_eq!(waiting(world), 3);
        let john = obeys(world, "john", "marie", "/CANCEL one.txt\n/FILES\n").await;
        john.exited(0).said("one.txt to marie: cancelled").said("two.txt to marie: sent, 5 B");
        obeys(world, "john", "marie", "/CANCEL\n")
            .await
            .exited(0)
            .said("three.txt to marie: cancelled");
        assert_eq!(waiting(world), 1, "the server was told");
        let john = obeys(world, "john", "marie", "/CANCEL one.txt\n").await;
        john.exited(1)
            .said("no file is on its way to marie or from marie, and none called one.txt waits");
        let marie = Launch::of(world, "marie").to("john").pipe("").await;
        marie.exited(0).said("file 1 of john, one.txt: the server does not have it any more");
        marie.said("file 2 of john, two.txt: here").said("file 3 of john, three.txt: the server");
        // What has come stays.
        obeys(world, "john", "marie", "/CANCEL\n").await.exited(1).said("and none waits");
    });
}
