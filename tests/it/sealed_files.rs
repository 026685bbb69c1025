//! Sealed files: what somebody sends, their host cannot read, nor change unseen. Real programs, and the real server.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tinychat::server::{Config, Rate};
use tinychat::wire::MAX_CHUNK;

use crate::carrying::{Carrier, noise};
use crate::files::{own_file, until_some_of_it_is_in};
use crate::programs::{Finished, Launch};
use crate::sealed::{comes, files, is_anywhere, leaves};
use crate::world::{World, story, story_with};

const MIB: usize = 1024 * 1024;

/// How long a chunk of a file is, how long it is when it is sealed, and what the server has before the first.
const CHUNK: usize = 64 * 1024;
const SEALED: usize = CHUNK + 16;
const LABEL: usize = 4096;

fn alice_sends(world: &World, path: &Path, words: &[&str]) -> Launch {
    let send = ["send", "--to", "bob", "--file", path.to_str().unwrap()];
    Launch::of(world, "alice").with(&[&send, words].concat())
}

/// What bob says to alice; it ends when all is done.
async fn bob_says(world: &World, lines: &str) -> Finished {
    Launch::of(world, "bob").to("alice").with_commands().pipe(lines).await
}

/// What waits on the server.
fn blobs(world: &World) -> Vec<PathBuf> {
    files(&world.path("server/blobs"))
}

/// What alice's one upload is sealed with.
fn seed(world: &World) -> [u8; 32] {
    let store = rusqlite::Connection::open(world.path("alice/messages.db")).unwrap();
    store.query_row("SELECT seed FROM upload", (), |row| row.get(0)).unwrap()
}

/// So slow that whoever wants to be in the middle of it need not hurry.
fn slowly(config: &mut Config) {
    config.rates.files = Rate { each_second: MIB as u32 / 2, burst: MAX_CHUNK as u32 };
}

#[test]
fn the_host_has_no_piece_of_a_file_nor_its_name_nor_what_is_said_of_it() {
    const PIECE: &str = "seventeen bulbs of the queen of the night";
    story(async |world| {
        comes(world, "bob").await;
        let content = [&noise(CHUNK + 7)[..], PIECE.as_bytes(), &[7; 100]].concat();
        let path = own_file(world, "receipt-of-the-gardener.bin", &content);
        alice_sends(world, &path, &["what", "tulips", "cost"]).pipe("").await.exited(0).was_quiet();
        assert_eq!(blobs(world).len(), 1);
        let disk = world.disk();
        for secret in [PIECE, "receipt-of-the-gardener", "what tulips cost"] {
            assert!(!is_anywhere(&disk, secret), "{secret}");
        }
        assert!(!is_anywhere(&disk, &content[..32]));
        // Whoever seals nothing shows that it would be found.
        let mut carol = world.sign_in("carol").await;
        Carrier::of(world, &mut carol).await.upload("bob", &content).await;
        let disk = world.disk();
        assert!(is_anywhere(&disk, PIECE) && is_anywhere(&disk, &content[..32]));
        let head = "file 1: receipt-of-the-gardener.bin, application/octet-stream, 64.1 KiB";
        let told = format!("alice: [{head}] what tulips cost");
        bob_says(world, "/GET 1\n").await.exited(0).printed(&[&told]);
        assert_eq!(fs::read(world.path("bob/files/1")).unwrap(), content);
        // Nor do those who read what came see how it was sealed.
        let history = Launch::of(world, "bob").with(&["history", "--json"]).pipe("").await;
        assert!(!history.exited(0).text().contains("seed"), "{}", history.text());
    });
}

#[test]
fn a_file_that_is_another_by_now_goes_under_another_key_and_what_was_begun_is_dropped() {
    story_with(slowly, async |world| {
        comes(world, "bob").await;
        let mut witness = world.sign_in("witness").await;
        let first = noise(2 * MIB);
        let path = own_file(world, "file", &first);
        let written = fs::metadata(&path).unwrap().modified().unwrap();
        let folder = world.path("server/blobs");
        let alice = alice_sends(world, &path, &[]).start();
        until_some_of_it_is_in(&folder, 300_000, &mut witness).await;
        alice.kill().await;
        let (begun, before) = (blobs(world).remove(0), seed(world));
        let chunk = fs::read(&begun).unwrap()[LABEL..LABEL + SEALED].to_vec();

        // Nothing but its last byte is another one, and its time says that nothing is.
        let second = [&first[..2 * MIB - 1], &[!first[2 * MIB - 1]]].concat();
        fs::write(&path, &second).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
        let again = Launch::of(world, "alice").to("bob").pipe("").await;
        again.exited(0).said("file to bob: sent, 2.0 MiB");
        let all = blobs(world);
        assert_eq!(all.len(), 1, "the server was told that the first is not wanted");
        assert_ne!(seed(world), before);
        assert_ne!(fs::read(&all[0]).unwrap()[LABEL..LABEL + SEALED], chunk, "of the same bytes");

        let bob = Launch::of(world, "bob").to("alice").with_commands().start();
        bob.types("/GET 1\n");
        until_some_of_it_is_in(&world.path("bob/files"), 300_000, &mut witness).await;
        bob.kill().await;
        let part = fs::read(world.path("bob/files/1.part")).unwrap();
        assert!(second.starts_with(&part), "what is here of it is plain");
        bob_says(world, "").await.exited(0).said("file 1 of alice, file: here, 2.0 MiB");
        assert!(fs::read(world.path("bob/files/1")).unwrap() == second);
        assert_eq!(blobs(world).len(), 0);
    });
}

#[test]
fn an_upload_goes_on_under_its_key_where_its_sender_was_killed() {
    story_with(slowly, async |world| {
        comes(world, "bob").await;
        let mut witness = world.sign_in("witness").await;
        let content = noise(2 * MIB);
        let path = own_file(world, "file", &content);
        let alice = alice_sends(world, &path, &[]).start();
        until_some_of_it_is_in(&world.path("server/blobs"), 300_000, &mut witness).await;
        alice.kill().await;
        let (begun, before) = (blobs(world).remove(0), seed(world));
        let sealed = fs::read(&begun).unwrap();
        Launch::of(world, "alice").to("bob").pipe("").await.exited(0).said("file to bob: sent");
        assert_eq!(seed(world), before);
        let whole = fs::read(begun.with_extension("")).unwrap();
        assert!(whole[LABEL..].starts_with(&sealed[LABEL..]), "it is the same upload");
        bob_says(world, "/GET 1\n").await.exited(0).said("file 1 of alice, file: here");
        assert!(fs::read(world.path("bob/files/1")).unwrap() == content);
    });
}

#[test]
fn what_the_host_changes_in_a_file_is_found_and_nothing_of_it_is_kept() {
    story(async |world| {
        comes(world, "bob").await;
        let path = own_file(world, "file", &noise(3 * CHUNK));
        alice_sends(world, &path, &[]).pipe("").await.exited(0);
        let blob = File::options().read(true).write(true).open(&blobs(world)[0]).unwrap();
        let (mut byte, at) = ([0], (LABEL + SEALED + 100) as u64);
        blob.read_exact_at(&mut byte, at).unwrap();
        blob.write_all_at(&[!byte[0]], at).unwrap();
        let told = "chunk 1 of the file is not what was sealed there; what came was thrown away";
        let bob = bob_says(world, "/GET 1\n").await;
        bob.exited(1).said(&format!("file 1 of alice, file: failed: {told}"));
        assert!(files(&world.path("bob/files")).is_empty());
        bob_says(world, "/FILES\n").await.said(told);
    });
}

#[test]
fn a_file_for_somebody_without_keys_waits_and_goes_once_they_have_been_there() {
    story(async |world| {
        let path = own_file(world, "file", b"hello");
        let sent = alice_sends(world, &path, &[]).pipe("").await;
        sent.exited(3).said(
            "bob has no keys to seal it with, so says the server; it goes out once bob has come",
        );
        sent.said("it is kept until then: do not send it again");
        let typed = Launch::of(world, "alice").to("bob").with_commands();
        let typed = typed.pipe("hello\n").await;
        typed
            .exited(3)
            .said("what waits here for bob was not sent")
            .said("1 message not sent yet; kept");
        assert_eq!(blobs(world).len(), 0);
        let mut alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        alice.says("bob has no keys here yet, so says the server; a file for bob waits here").await;
        comes(world, "bob").await;
        alice.says("file to bob: sent, 5 B").await;
        leaves(alice).await;
        let bob = bob_says(world, "/GET 1\n").await;
        bob.exited(0).printed(&["alice: hello", "alice: [file 1: file, text/plain, 5 B]"]);
        assert_eq!(fs::read(world.path("bob/files/2")).unwrap(), b"hello");
    });
}

#[test]
fn a_file_whose_key_the_host_can_read_is_not_fetched() {
    story(async |world| {
        let mut carol = world.sign_in("carol").await;
        carol.talk("bob").await;
        let blob = Carrier::of(world, &mut carol).await.upload("bob", b"hello").await;
        let told = serde_json::json!({
            "blob": blob, "name": "file", "size": 5, "blake3": blake3::hash(b"hello").to_string(),
            "seed": "07".repeat(32),
        });
        let told = told.to_string();
        let head = format!("MSG bob 1 {:032x} file 0 {}", 1, told.len());
        carol.send_bytes(format!("{head}\r\n{told}\r\n").as_bytes()).await;
        carol.expect("STORED bob 1").await;
        let bob = Launch::of(world, "bob").to("carol").with_commands();
        let bob = bob.pipe("/GET 1\n").await;
        let why = "its key came unsealed, so the host could read it; not fetched";
        bob.exited(1).printed(&["carol: [file 1: file, 5 B]"]);
        bob.said(&format!("file 1 of carol, file: failed: {why}"));
        assert!(!world.path("bob/files/1").exists());
    });
}
