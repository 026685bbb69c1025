//! Sealed messages: what two people write to each other, their host cannot read. Real programs, and the real server.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::Connection;
use serde_json::Value;

use crate::operators::sign_in;
use crate::pipe::read_all;
use crate::programs::{Launch, Program, numbered};
use crate::world::{World, patiently, story};

/// All files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whether bytes stand in some file of a folder: as they are, or as base64 wherever that begins.
pub(crate) fn is_anywhere(folder: &Path, word: impl AsRef<[u8]>) -> bool {
    let wanted = spellings(word);
    files(folder).iter().any(|path| {
        let bytes = fs::read(path).unwrap();
        wanted.iter().any(|it| bytes.windows(it.len()).any(|part| part == it))
    })
}

/// Bytes as they are, and as what of them shows in base64 wherever that begins.
pub(crate) fn spellings(word: impl AsRef<[u8]>) -> Vec<Vec<u8>> {
    let word = word.as_ref();
    let encoded = (0..3).map(|ahead| {
        let text = STANDARD.encode([&b"xxx"[..ahead], word].concat());
        // What is next to the word is in the first and last digits, too.
        text.as_bytes()[4.min(text.len())..text.len() - 4].to_vec()
    });
    encoded.chain([word.to_vec()]).collect()
}

/// Somebody sits down at a client once, and goes again.
pub(crate) async fn comes(world: &World, name: &str) {
    comes_by(world.address(), world, name).await;
}

/// The same by another way to the server.
pub(crate) async fn comes_by(way: SocketAddr, world: &World, name: &str) {
    let client = Launch::at(way, name, &world.path(name));
    comes_with(world, world.address(), name, client).await;
}

/// The same at one of several servers, with any data folder.
pub(crate) async fn comes_to(world: &World, server: SocketAddr, name: &str, folder: &Path) {
    comes_with(world, server, name, Launch::at(server, name, folder)).await;
}

/// The same at a client that is given.
pub(crate) async fn comes_with(world: &World, server: SocketAddr, name: &str, client: Launch) {
    let friend = format!("{name}-s-friend");
    let mut witness = sign_in(world, server, &friend).await.telling_of_lists();
    witness.talk(name).await;
    let person = client.to("nobody").with(&["--follow"]).start();
    witness.expect(&format!("PRESENCE {name} online")).await;
    witness.expect(&format!("CHANGED {name} 1")).await;
    leaves(person).await;
    witness.expect(&format!("PRESENCE {name} away")).await;
    witness.quit().await;
}

/// The same where only programs can look: somebody else asks until there are keys.
pub(crate) async fn comes_among_programs(person: Launch, name: &str, friend: impl Fn() -> Launch) {
    let person = person.to("nobody").with(&["--follow"]).start();
    loop {
        let asked = friend().to(name).pipe("").await;
        let told = &asked.exited(0).err;
        if !told.contains("has no keys here yet") && !told.contains("nobody has the name") {
            break;
        }
        assert!(person.is_running());
    }
    leaves(person).await;
}

/// Somebody goes. Gives what their client has printed.
pub(crate) async fn leaves(program: Program) -> Vec<String> {
    program.signal("TERM");
    program.finish().await.lines()
}

#[test]
fn the_host_cannot_read_what_waits_for_whoever_has_been_there() {
    const WORD: &str = "tulip-bulbs-from-delft";
    story(async |world| {
        comes(world, "bob").await;
        let write = async |to: &str| {
            Launch::of(world, "alice").to(to).pipe(format!("{WORD}\n")).await.exited(0);
        };
        write("bob").await;
        assert!(!is_anywhere(&world.disk(), WORD));
        write("carol").await;
        assert!(is_anywhere(&world.disk(), WORD), "nobody has that name, and so no key");
        let read = format!("alice: {WORD}");
        assert_eq!(read_all(world, "bob", "alice").await, std::slice::from_ref(&read));
        assert_eq!(read_all(world, "carol", "alice").await, [read]);
    });
}

#[test]
fn two_who_are_there_write_to_each_other_sealed_and_in_order() {
    story(async |world| {
        comes(world, "bob").await;
        let mut bob = Launch::of(world, "bob").to("alice").with(&["--follow"]).start();
        let mut alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        alice.types(numbered(1..=300));
        bob.prints_all((1..=300).map(|n| format!("alice: message {n}"))).await;
        bob.types(numbered(1..=300));
        alice.prints_all((1..=300).map(|n| format!("bob: message {n}"))).await;
        assert!(!is_anywhere(&world.disk(), "message 2"));
        leaves(alice).await;
        leaves(bob).await;
    });
}

#[test]
fn any_number_of_fresh_folders_write_sealed_and_all_is_read() {
    const JOBS: usize = 12;
    story(async |world| {
        comes(world, "bob").await;
        comes(world, "alice").await;
        let key = world.path("alice").join("id_ed25519");
        let job = async |number: usize| {
            let folder = world.path(&format!("job{number}"));
            let word = format!("backup {number} is done");
            let words = ["--identity", key.to_str().unwrap(), "send", "--to", "bob", &word];
            let done = Launch::at(world.address(), "alice", &folder).with(&words).pipe("").await;
            done.exited(0);
        };
        for number in 1..=JOBS {
            job(number).await;
        }
        assert!(!is_anywhere(&world.disk(), "is done"));
        let all: Vec<_> = (1..=JOBS).map(|n| format!("alice: backup {n} is done")).collect();
        assert_eq!(read_all(world, "bob", "alice").await, all);
    });
}

#[test]
fn what_was_sealed_for_keys_that_are_gone_comes_again() {
    story(async |world| {
        comes(world, "bob").await;
        let alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        alice.types("one\ntwo\n");
        let status = async || {
            let asked = Launch::of(world, "alice").with(&["status"]).pipe("").await;
            asked.text()
        };
        while !status().await.contains(", 2 stored") {
            assert!(alice.is_running());
        }
        // Bob's disk died. What he has left is the key of his name.
        let (old, new) = (world.path("bob"), world.path("new"));
        fs::DirBuilder::new().mode(0o700).create(&new).unwrap();
        fs::copy(old.join("id_ed25519"), new.join("id_ed25519")).unwrap();
        let bob = Launch::at(world.address(), "bob", &new).to("alice").with(&["--follow"]);
        let mut bob = bob.start();
        bob.prints("alice: one").await;
        bob.prints("alice: two").await;
        leaves(alice).await;
        leaves(bob).await;
    });
}

#[test]
fn whoever_writes_to_somebody_without_keys_is_told_who_can_read_it() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let told = Launch::of(world, "alice").to("bob").pipe("hello\n").await;
        let sentence =
            "bob has no keys here yet, so says the server; what you write now can be read by";
        assert_eq!(told.exited(0).err.matches(sentence).count(), 1, "{}", told.err);
        bob.quit().await;
        comes(world, "carol").await;
        let told = Launch::of(world, "alice").to("carol").pipe("hello\n").await;
        told.exited(0).never_said("keys");
    });
}

/// The key with which a client opens the next message of the only chain that it has.
fn next_key(folder: &Path) -> String {
    let store = Connection::open(folder.join("messages.db")).unwrap();
    let only = "SELECT pickle FROM session";
    let pickle: String = store.query_row(only, (), |row| row.get(0)).unwrap();
    let session: Value = serde_json::from_str(&pickle).unwrap();
    session["receiving_chains"]["inner"][0]["hkdf_ratchet"]["key"].to_string()
}

/// Whether something stands in a client's database, or in what lies beside it.
fn is_in_the_store(folder: &Path, text: &str) -> bool {
    ["messages.db", "messages.db-wal", "messages.db-shm"].iter().any(|file| {
        let bytes = fs::read(folder.join(file)).unwrap_or_default();
        bytes.windows(text.len()).any(|it| it == text.as_bytes())
    })
}

#[test]
fn a_key_that_has_opened_a_message_is_in_no_file_soon_and_when_its_owner_has_left() {
    story(async |world| {
        comes(world, "bob").await;
        let folder = world.path("bob");
        let mut bob = Launch::of(world, "bob").to("alice").with(&["--follow"]).start();
        let alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        alice.types("one\n");
        bob.prints("alice: one").await;
        let key = next_key(&folder);
        assert!(is_in_the_store(&folder, &key));
        alice.types("two\n");
        bob.prints("alice: two").await;
        // He goes on sitting there.
        let soon = async {
            while is_in_the_store(&folder, &key) {
                async_std::task::yield_now().await;
            }
        };
        patiently("the log is emptied", soon).await;
        let key = next_key(&folder);
        alice.types("three\n");
        bob.prints("alice: three").await;
        leaves(bob).await;
        assert!(!is_in_the_store(&folder, &key));
        leaves(alice).await;
    });
}
