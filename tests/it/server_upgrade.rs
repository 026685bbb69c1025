//! What earlier versions of the server have left: a folder and a backup of each, first of all of the program that wrote
//! layout 1 of the mailbox. In both, Alice wrote to Bob from folders 1 to 8: from the third on all is delivered,
//! and one of them knows it; of the first 1, 2, 3 and 7 have expired and 8 and 9 wait; of the second 5 has and
//! 6 and 9 do. Bob has left her a word, Carol him three and a file.

use std::fs;
use std::path::{Path, PathBuf};

use async_std::task::block_on;
use tinychat::mailbox::{EmbeddedMailbox, Mailbox, Standing};
use tinychat::message::SessionKey;

use crate::operators::{operate, restore};
use crate::world::{Peer, World, story_with};

/// The folder, as tar: empty folders are part of it.
pub(crate) const FOLDER: &[u8] = include_bytes!("../layouts/server-1.tar");
/// What its program's `backup` made of it.
const BACKUP: &[u8] = include_bytes!("../layouts/server-1.backup");

/// The same of the program that wrote layout 2: Alice wrote three messages to Bob from folder 1, and Bob took the first.
const FOLDER_2: &[u8] = include_bytes!("../layouts/server-2.tar");
const BACKUP_2: &[u8] = include_bytes!("../layouts/server-2.backup");

/// The same of the program that wrote layout 3: of Alice's four messages from folder 1, which have origins of their own, Bob
/// took the first and sent the second back.
const FOLDER_3: &[u8] = include_bytes!("../layouts/server-3.tar");
const BACKUP_3: &[u8] = include_bytes!("../layouts/server-3.backup");

/// The same of the program that wrote layout 4: Alice wrote three messages to Bob, who accepted her and took the first. He
/// blocks Eve, has let Dave go, and has a device list. Whom people accept and block is in a book beside the mailbox.
const FOLDER_4: &[u8] = include_bytes!("../layouts/server-4.tar");
const BACKUP_4: &[u8] = include_bytes!("../layouts/server-4.backup");

fn folder(number: u64) -> String {
    format!("{number:016x}")
}

/// What Alice is told who knows from one of her folders what became of everything up to `settled`.
async fn told(world: &World, number: u64, settled: u64) -> Vec<String> {
    let mut alice = world.sign_in_from("alice", &folder(number)).await;
    alice.expect("WAITING bob 1").await;
    let told = alice.settle("bob", settled).await;
    alice.quit().await;
    told
}

fn expired(numbers: &[u64], talking: &str) -> Vec<String> {
    let lines = numbers.iter().map(|n| format!("EXPIRED bob {n}"));
    lines.chain([format!("TALKING bob away {talking} 0")]).collect()
}

/// The people in a folder get the keys of this story's world.
pub(crate) fn give_keys(world: &World, data: &Path) {
    let names = fs::read_to_string(data.join("names")).unwrap();
    let line = |line: &str| {
        let name = line.rsplit(' ').next().unwrap();
        format!("ssh-ed25519 {} {name}\n", world.identity(name).public())
    };
    fs::write(data.join("names"), names.lines().map(line).collect::<String>()).unwrap();
}

async fn hears_what_waits(bob: &mut Peer) {
    assert_eq!(bob.talk("alice").await, "away 0 0 0 4");
    for (seq, folder, n) in [(1, 1, 8), (2, 1, 9), (3, 2, 6), (4, 2, 9)] {
        let heard = bob.hear().await;
        assert_eq!((heard.seq, heard.n, heard.installation), (seq, n, self::folder(folder)));
        assert_eq!(heard.text, format!("alice says {n} from {}", self::folder(folder)));
    }
    bob.ack("alice", 4).await;
    bob.barrier().await;
}

/// Everything that was known is known, now and after another start.
fn all_is_there(data: PathBuf) {
    let for_ever = |config: &mut tinychat::server::Config| config.keep = None;
    story_with(for_ever, async |world| {
        give_keys(world, &data);
        world.restart_with(|config| config.data = data.clone()).await;
        for _ in 0..2 {
            assert_eq!(told(world, 1, 0).await, expired(&[1, 2, 3, 7], "9 9 7 1"));
            assert_eq!(told(world, 2, 0).await, expired(&[5], "9 9 5 1"));
            assert_eq!(told(world, 4, 0).await, expired(&[], "2 2 2 1"));
            world.restart().await;
        }
        assert_eq!(told(world, 1, 3).await, expired(&[7], "9 9 7 1"));
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 4").await;
        bob.expect("WAITING carol 3").await;
        hears_what_waits(&mut bob).await;
        bob.send("BLOCKS").await;
        bob.expect("BLOCKS 5\ndave").await;
        bob.quit().await;
        world.restart().await;
        assert_eq!(told(world, 1, 3).await, expired(&[7], "9 9 9 1"));
        // A resend of what was taken is dropped, and what is new arrives.
        let mut alice = world.sign_in_from("alice", &folder(5)).await;
        alice.expect("WAITING bob 1").await;
        alice.settle("bob", 2).await;
        alice.say_all("bob", 1..=3, |n| format!("again {n}")).await;
        alice.barrier().await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        bob.expect("WAITING carol 3").await;
        bob.talk("alice").await;
        bob.hears("alice", 1, 3, "again 3").await;
    });
}

#[test]
fn a_folder_of_layout_1_is_brought_up_to_date() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("server");
    tar::Archive::new(FOLDER).unpack(&data).unwrap();
    let checked = block_on(operate(&["check"], &data));
    checked.exited(0).printed(&[
        "bob to alice: 1 message, 32 bytes, the oldest of 2026-11-29T08:07:40Z",
        "alice to bob: 4 messages, 136 bytes, the oldest of 2026-11-29T08:07:40Z; 5 expired",
        "carol to bob: 3 messages, 102 bytes, the oldest of 2026-11-29T08:07:40Z",
        "8 messages, 270 bytes, 3 sessions",
        "1 file, 5 bytes; 0 more on the way, with 0 bytes so far",
    ]);
    all_is_there(data);
}

#[test]
fn a_backup_of_layout_1_is_restored() {
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("backup"), home.path().join("server"));
    fs::write(&file, BACKUP).unwrap();
    block_on(restore(&data, &file)).exited(0).was_quiet();
    all_is_there(data);
}

/// What waits in a store of layout 2 is called by its ids, and its sender sends it with the same origins.
fn what_waits_has_its_ids_for_origins(data: &Path) {
    let for_ever = |config: &mut tinychat::server::Config| config.keep = None;
    story_with(for_ever, async |world| {
        give_keys(world, data);
        world.restart_with(|config| config.data = data.into()).await;
        for _ in 0..2 {
            let mut alice = world.sign_in_from("alice", &folder(1)).await;
            assert_eq!(alice.settle("bob", 0).await, ["TALKING bob away 3 3 1 0 0"]);
            alice.quit().await;
            let mut bob = world.sign_in("bob").await;
            bob.expect("WAITING alice 2").await;
            assert_eq!(bob.talk("alice").await, "away 0 0 0 2");
            for (seq, n) in [(1, 2), (2, 3)] {
                let heard = bob.hear().await;
                assert_eq!((heard.seq, heard.n, heard.text), (seq, n, format!("alice says {n}")));
                assert_eq!(heard.origin, format!("{}{n:016x}", folder(1)));
            }
            bob.quit().await;
            world.restart().await;
        }
    });
}

#[test]
fn a_folder_and_a_backup_of_layout_2_are_brought_up_to_date() {
    let oldest = "2026-11-29T22:21:56Z";
    let layout = (FOLDER_2, BACKUP_2);
    are_brought_up_to_date(layout, oldest, &[], what_waits_has_its_ids_for_origins);
}

/// Two messages wait in a folder and in its backup.
fn are_brought_up_to_date(
    (folder, backup): (&[u8], &[u8]),
    oldest: &str,
    more: &[&str],
    is_there: fn(&Path),
) {
    let home = tempfile::tempdir().unwrap();
    let (data, restored) = (home.path().join("server"), home.path().join("restored"));
    tar::Archive::new(folder).unpack(&data).unwrap();
    let waiting = format!("alice to bob: 2 messages, 24 bytes, the oldest of {oldest}");
    let checked = block_on(operate(&["check"], &data));
    let all = [&waiting, "2 messages, 24 bytes, 1 session"];
    checked.exited(0).printed(&[&all[..], more].concat());
    is_there(&data);
    let file = home.path().join("backup");
    fs::write(&file, backup).unwrap();
    block_on(restore(&restored, &file)).exited(0).was_quiet();
    is_there(&restored);
}

/// What waits in a store of layout 3 comes as it was written, and nobody has a device list.
fn what_waits_has_its_origins_and_nobody_has_a_list(data: &Path) {
    let for_ever = |config: &mut tinychat::server::Config| config.keep = None;
    story_with(for_ever, async |world| {
        give_keys(world, data);
        world.restart_with(|config| config.data = data.into()).await;
        for _ in 0..2 {
            let mut alice = world.sign_in_from("alice", &folder(1)).await;
            let told = ["BOUNCED bob 2", "TALKING bob away 4 4 2 0 0"];
            assert_eq!(alice.settle("bob", 0).await, told);
            alice.send("DEVICES bob").await;
            alice.expect("DEVICES bob 0 0").await;
            alice.quit().await;
            let mut bob = world.sign_in("bob").await;
            bob.expect("WAITING alice 2").await;
            bob.talk("alice").await;
            for (seq, n) in [(1, 3), (2, 4)] {
                let heard = bob.hear().await;
                assert_eq!((heard.seq, heard.n, heard.text), (seq, n, format!("alice says {n}")));
                assert_eq!(heard.origin, format!("{:032x}", 0xa11ce * 1_000 + n));
            }
            bob.quit().await;
            world.restart().await;
        }
    });
}

#[test]
fn a_folder_and_a_backup_of_layout_3_are_brought_up_to_date() {
    let oldest = "2026-11-30T01:14:53Z";
    let is_there = what_waits_has_its_origins_and_nobody_has_a_list;
    are_brought_up_to_date((FOLDER_3, BACKUP_3), oldest, &[], is_there);
}

/// Whom Bob accepts and blocks is known as before, also after another start, and the book is gone.
fn who_is_accepted_and_blocked_is_so(data: &Path) {
    let (alice, eve) = (SessionKey::new("alice".parse().unwrap(), "bob".parse().unwrap()), "eve");
    let eve = SessionKey::new(eve.parse().unwrap(), "bob".parse().unwrap());
    let known = [(alice.unwrap(), Standing::Accepted), (eve.unwrap(), Standing::Blocked)];
    let mailbox = EmbeddedMailbox::open(data).unwrap();
    let is_taken_over = !data.join("contacts").exists();
    let standings = block_on(mailbox.standings()).unwrap();
    assert_eq!(standings, if is_taken_over { &known[..] } else { &[] });
    block_on(mailbox.close());
    drop(mailbox);
    story_with(
        |config| config.keep = None,
        async |world| {
            give_keys(world, data);
            world.restart_with(|config| config.data = data.into()).await;
            for _ in 0..2 {
                assert!(!data.join("contacts").exists());
                let mut bob = world.sign_in("bob").await;
                bob.expect("WAITING alice 2").await;
                bob.send("BLOCKS").await;
                bob.expect("BLOCKS 4\neve").await;
                bob.quit().await;
                world.restart().await;
            }
        },
    );
}

#[test]
fn a_folder_and_a_backup_of_layout_4_are_brought_up_to_date() {
    let (oldest, more) = ("2026-11-30T05:28:55Z", ["1 device list"]);
    let is_there = who_is_accepted_and_blocked_is_so;
    are_brought_up_to_date((FOLDER_4, BACKUP_4), oldest, &more, is_there);
}

#[test]
fn a_backup_of_a_later_layout_is_refused_and_says_so() {
    let home = tempfile::tempdir().unwrap();
    let (file, data) = (home.path().join("backup"), home.path().join("server"));
    let mut later = BACKUP.to_vec();
    assert_eq!(&later[512..515], b"1 1");
    later[514] = b'9';
    fs::write(&file, later).unwrap();
    let refused = block_on(restore(&data, &file));
    refused.exited(1).said("the backup has version 1 9, and this program knows those up to 3 5");
    assert!(!data.exists());
}
