//! Data folders: whose they are, who may use them, and what is in them after kills.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rusqlite::Connection;

use crate::programs::{Launch, numbered};
use crate::world::{World, story};

/// What a query finds in somebody's message store.
fn rows(folder: &Path, query: &str) -> Vec<String> {
    let store = Connection::open(folder.join("messages.db")).unwrap();
    let mut query = store.prepare(query).unwrap();
    query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn bodies(folder: &Path) -> Vec<String> {
    rows(folder, "SELECT CAST(body AS TEXT) FROM message ORDER BY id")
}

pub(crate) fn states(folder: &Path) -> Vec<String> {
    rows(folder, "SELECT DISTINCT state FROM message ORDER BY state")
}

pub(crate) fn copy(folder: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::Permissions::from_mode(0o700)).unwrap();
    for file in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// Everybody's folder is made, with a key and an empty store.
async fn make_folder(world: &World, name: &str, peer: &str) {
    Launch::of(world, name).to(peer).pipe("").await.exited(0);
}

// Whose it is.

#[test]
fn people_who_share_an_account_have_folders_of_their_own() {
    story(async |world| {
        let (server, home) = (world.address().to_string(), world.path("home"));
        for (name, peer, printed) in [("john", "marie", &[][..]), ("marie", "john", &["john: hi"])]
        {
            let flags = ["--server", &server, "--tls", "off", "--user", name, "--to", peer];
            let somebody = Launch::tinychat(&flags).variable("XDG_DATA_HOME", &home);
            somebody.pipe("hi\n").await.exited(0).printed(printed).was_quiet();
            assert_eq!(bodies(&home.join("tinychat").join(name)).len(), printed.len() + 1);
        }
    });
}

#[test]
fn a_folder_is_its_owners_alone() {
    story(async |world| {
        make_folder(world, "john", "marie").await;
        let folder = world.path("john");
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(mode(&folder.join("id_ed25519")), 0o600);
    });
}

#[test]
fn nobody_else_reads_messages_whatever_the_folder_allows() {
    story(async |world| {
        let folder = world.path("john");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let john = Launch::of(world, "john").to("marie").with(&["--follow"]).start();
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        john.types("hello\n");
        marie.hears("john", 1, 1, "hello").await;
        for file in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            assert_eq!(mode(&file.path()), 0o600, "{file:?}");
        }
        drop(john);
    });
}

#[test]
fn a_client_that_has_ended_left_all_its_messages_in_one_file() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
        let folder = world.path("john");
        for file in ["messages.db-wal", "messages.db-shm"] {
            assert!(!folder.join(file).exists(), "{file} was left behind");
        }
        assert_eq!(bodies(&folder), ["hello"]);
    });
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    story(async |world| {
        make_folder(world, "john", "marie").await;
        let key = world.path("john").join("id_ed25519");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        let john = Launch::of(world, "john").to("marie").pipe("x\n").await;
        john.exited(1).said("can be read by others").said("chmod 600");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        make_folder(world, "john", "marie").await;
    });
}

#[test]
fn a_folder_that_belongs_to_somebody_else_is_refused() {
    story(async |world| {
        make_folder(world, "john", "marie").await;
        let johns = world.path("john");
        let marie = Launch::at(world.address(), "marie", &johns).to("john").pipe("x\n").await;
        marie.exited(1).printed(&[]).said("this data folder belongs to john");
        assert_eq!(bodies(&johns), [""; 0]);
    });
}

#[test]
fn a_folder_has_one_client_at_a_time() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let mut first = Launch::of(world, "john").to("marie").start();
        first.types("hello\n");
        marie.hears("john", 1, 1, "hello").await;
        marie.ack("john", 1).await;
        let second = Launch::of(world, "john").to("marie").pipe("x\n").await;
        second.exited(1).printed(&[]).said("in use by another process");
        marie.say("john", 1, "still there?").await;
        first.prints("marie: still there?").await;
        first.finish().await.exited(0);
        Launch::of(world, "john").to("marie").pipe("y\n").await.exited(0);
        marie.hears("john", 2, 2, "y").await;
    });
}

#[test]
fn what_cannot_be_a_folder_is_refused() {
    story(async |world| {
        fs::write(world.path("john"), "").unwrap();
        let john = Launch::of(world, "john").to("marie").pipe("x\n").await;
        john.exited(1).printed(&[]).said("as data folder").said("choose another with --data");
        let below = world.path("john").join("deeper");
        let john = Launch::at(world.address(), "john", &below).to("marie").pipe("x\n").await;
        john.exited(1).printed(&[]).said("choose another with --data");
    });
}

#[test]
fn damaged_files_are_refused_and_left_as_they_are() {
    story(async |world| {
        for (file, complaint) in [
            ("messages.db", "cannot use the message store"),
            ("id_ed25519", "not a key in OpenSSH"),
            ("device_ed25519", "not a key in OpenSSH"),
        ] {
            let folder = world.path(file);
            let john = || Launch::at(world.address(), "john", &folder).to("marie");
            john().pipe("").await;
            let garbage = "garbage\n".repeat(1_000);
            // SQLite would mend the one with what is in the other.
            let _ = fs::remove_file(folder.join("messages.db-wal"));
            fs::write(folder.join(file), &garbage).unwrap();
            let john = john().with(&["--follow"]).pipe("x\n").await;
            john.exited(1).printed(&[]).said(complaint).said(file);
            assert!(fs::read(folder.join(file)).unwrap() == garbage.as_bytes(), "{file} is kept");
        }
    });
}

#[test]
fn files_that_were_emptied_are_refused_and_nothing_begins_anew() {
    story(async |world| {
        for (file, complaint) in [
            ("messages.db", "is empty: it was damaged"),
            ("id_ed25519", "is empty: if it had a key, put it back"),
        ] {
            let folder = world.path(file);
            Launch::at(world.address(), "john", &folder).to("marie").pipe("").await;
            fs::write(folder.join(file), "").unwrap();
            let john = Launch::at(world.address(), "john", &folder).to("marie").pipe("x\n").await;
            john.exited(1).printed(&[]).said(complaint).said(file);
            assert_eq!(fs::read(folder.join(file)).unwrap(), b"", "{file} is left as it is");
        }
        let history = Launch::tinychat(&["history", "--user", "john"]);
        let history = history.on(&world.path("messages.db")).pipe("").await;
        history.exited(1).printed(&[]).said("is empty: it was damaged");
    });
}

// Of other versions.

/// A folder that the program of layout 5 left.
fn layout_5(world: &World) -> std::path::PathBuf {
    let folder = world.path("john");
    fs::create_dir(&folder).unwrap();
    let store = Connection::open(folder.join("messages.db")).unwrap();
    store.execute_batch(include_str!("../layouts/client-5.sql")).unwrap();
    let known = include_str!("../layouts/client-5.known_servers");
    fs::write(folder.join("known_servers"), known).unwrap();
    folder
}

#[test]
fn an_older_folder_is_brought_up_to_date_by_whoever_opens_it_first() {
    story(async |world| {
        let folder = layout_5(world);
        let history = async |flags: &[&str]| {
            let history = Launch::tinychat(&["history", "--user", "john"]).with(flags);
            history.on(&folder).pipe("").await.exited(0).lines()
        };
        let all = history(&[]).await;
        assert_eq!(all.len(), 11, "{all:?}");
        assert_eq!(history(&["--server", "127.0.0.1:7101"]).await.len(), 10);
        assert_eq!(history(&["--server", "localhost:7101"]).await.len(), 10);
        assert_eq!(history(&["--server", "127.0.0.1:7102"]).await.len(), 1);
        let john = Launch::at(world.address(), "john", &folder).to("marie").pipe("hi\n").await;
        john.exited(0).was_quiet();
        assert_eq!(history(&[]).await[..11], all);
    });
}

#[test]
fn an_older_folder_is_brought_up_to_date_by_the_client() {
    story(async |world| {
        let folder = layout_5(world);
        Launch::at(world.address(), "john", &folder).to("marie").pipe("hi\n").await.exited(0);
        assert_eq!(bodies(&folder).len(), 12);
    });
}

#[test]
fn a_folder_of_layout_8_is_read_and_written() {
    story(async |world| {
        let folder = world.path("john");
        fs::create_dir(&folder).unwrap();
        let store = Connection::open(folder.join("messages.db")).unwrap();
        store.execute_batch(include_str!("../layouts/client-8.sql")).unwrap();
        drop(store);
        let history = Launch::tinychat(&["history", "--user", "john"]).on(&folder);
        let history = history.pipe("").await.exited(0).text();
        for said in ["hello john", "hi anna", "seven"] {
            assert!(history.contains(said), "{said} is not in:\n{history}");
        }
        Launch::at(world.address(), "john", &folder).to("marie").pipe("eight\n").await.exited(0);
        assert_eq!(bodies(&folder).len(), 14);
    });
}

#[test]
fn a_newer_folder_is_refused_by_its_layout() {
    story(async |world| {
        make_folder(world, "john", "marie").await;
        let store = Connection::open(world.path("john").join("messages.db")).unwrap();
        store.pragma_update(None, "user_version", 99).unwrap();
        drop(store);
        let john = Launch::of(world, "john").to("marie").pipe("x\n").await;
        john.exited(1).printed(&[]).said("has layout 99").said("a newer one has used it");
        let history = Launch::tinychat(&["history", "--user", "john"]).on(&world.path("john"));
        history.pipe("").await.exited(1).said("has layout 99");
    });
}

// Two of the same.

#[test]
fn the_same_key_elsewhere_takes_over_and_the_first_gives_in() {
    story(async |world| {
        make_folder(world, "john", "marie").await;
        let (here, there) = (world.path("john"), world.path("elsewhere"));
        copy(&here, &there);
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let first = Launch::at(world.address(), "john", &here).to("marie").with(&["--follow"]);
        let first = first.start();
        marie.expect("PRESENCE john online").await;
        let second = Launch::at(world.address(), "john", &there).to("marie").with(&["--follow"]);
        let mut second = second.start();
        let first = first.end().await;
        first.exited(1).said("signed in elsewhere with the same key").never_said("trying again");
        marie.say("john", 1, "which one?").await;
        second.prints("marie: which one?").await;
        second.types("the second\n");
        marie.hears("john", 1, 1, "the second").await;
        second.signal("INT");
        second.end().await.exited(130).never_said("elsewhere");
    });
}

// Kills.

/// Long enough that a thousand of them do not fit into a pipe.
fn long_message(n: u64) -> String {
    format!("message {n} {}", "x".repeat(200))
}

#[test]
fn a_receiver_killed_in_the_middle_misses_nothing() {
    story(async |world| {
        let all: Vec<String> = (1..=1_000).map(long_message).collect();
        let john = async |input: String| {
            let john = Launch::of(world, "john").to("marie").pipe(input).await;
            john.exited(0).was_quiet();
        };
        john(all.join("\n")).await;
        let mut killed = Launch::of(world, "marie").to("john").read_only(100).start();
        killed.prints_all(all[..100].iter().map(|it| format!("john: {it}"))).await;
        let before = killed.kill().await;
        let after = Launch::of(world, "marie").to("john").pipe("").await;
        after.exited(0).was_quiet();

        let (before, after) = (shown_numbers(&before.text()), shown_numbers(&after.text()));
        let (reached, resumed) = (before.len() as u64, after[0]);
        assert!(before.iter().copied().eq(1..=reached), "in order: {before:?}");
        assert!(after.iter().copied().eq(resumed..=1_000), "in order: {after:?}");
        assert!(reached < 1_000, "it was killed in the middle");
        assert!(resumed <= reached + 1, "{reached} were shown, then came {resumed}");
        assert!(bodies(&world.path("marie")) == all, "the history has each once, in order");
        assert_eq!(states(&world.path("marie")), ["shown"]);

        john(String::new()).await;
        assert_eq!(states(&world.path("john")), ["delivered"]);
    });
}

/// The numbers of the messages that were shown, but for a last line that is not whole.
fn shown_numbers(printed: &str) -> Vec<u64> {
    let whole = printed.rfind('\n').map_or("", |end| &printed[..end]);
    let number = |line: &str| line.split(' ').nth(2).unwrap().parse().unwrap();
    whole.lines().map(number).collect()
}

#[test]
fn a_killed_sender_sends_next_time_what_it_had_read() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        let john = Launch::of(world, "john").to("marie").start();
        john.types(numbered(1..=3_000));
        marie.hears("john", 1, 1, "message 1").await;
        john.kill().await;
        Launch::of(world, "john").to("marie").pipe("the end\n").await.exited(0);
        let mut heard = vec!["message 1".to_string()];
        while heard.last().is_none_or(|last| last != "the end") {
            heard.push(marie.hear().await.text);
        }
        let numbers = numbered(1..heard.len() as u64);
        assert_eq!(heard.join("\n"), format!("{numbers}the end"), "each once, without a gap");
        assert!(bodies(&world.path("john")) == heard, "and so the history has it");
    });
}

#[test]
fn what_was_acknowledged_and_not_shown_is_shown_next_time() {
    story(async |world| {
        Launch::of(world, "marie").to("john").pipe("one\ntwo\n").await.exited(0);
        make_folder(world, "john", "anna").await;
        let mut anna = world.sign_in("anna").await;
        anna.talk("john").await;
        let mut john = Launch::of(world, "john").to("marie").with(&["--follow"]).start();
        john.prints_all(["marie: one".into(), "marie: two".into()]).await;
        john.signal("INT");
        john.end().await.exited(130);
        // As a kill between writing and showing would have left it.
        let store = Connection::open(world.path("john").join("messages.db")).unwrap();
        let change = "UPDATE message SET state = 'received' WHERE CAST(body AS TEXT) = 'two'";
        assert_eq!(store.execute(change, ()).unwrap(), 1);
        drop(store);
        let john = Launch::of(world, "john").to("anna").pipe("").await;
        john.exited(0).printed(&[]).said("1 message from marie; --to marie reads");
        let john = Launch::of(world, "john").to("marie").pipe("").await;
        john.exited(0).printed(&["marie: two"]).was_quiet();
    });
}

#[test]
fn another_spelling_of_the_server_takes_nothing_from_the_first() {
    story(async |world| {
        let port = world.address().port();
        let via = |host: &str, peer: &str, name: &str| {
            Launch::at(format!("{host}:{port}"), name, &world.path(name)).to(peer)
        };
        via("127.0.0.1", "marie", "john").pipe("one\n").await.exited(0).was_quiet();
        via("localhost", "marie", "john").pipe("two\n").await.exited(0).was_quiet();
        via("127.0.0.1", "marie", "john").pipe("three\n").await.exited(0).was_quiet();
        let marie = via("127.0.0.1", "john", "marie").pipe("").await;
        marie.exited(0).printed(&["john: one", "john: two", "john: three"]);
    });
}
