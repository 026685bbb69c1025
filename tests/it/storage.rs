//! What a server has on its disk over the years, with the real program: who takes it up, backups that are rotated, and
//! drills of restoring them.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use async_std::task::block_on;
use serde_json::Value;
use tinychat::wire::MAX_CHUNK;

use crate::carrying::{Carrier, noise};
use crate::operators::{operate, restore, serve, sign_in, stop};
use crate::programs::{Finished, Launch};
use crate::world::{World, patiently, story};

/// What the disk says of a file, or of a folder and all that is in it.
fn on_disk(path: &Path) -> u64 {
    // It may go while it is looked at.
    let Ok(found) = path.symlink_metadata() else { return 0 };
    let inside = fs::read_dir(path).map(|entries| entries.map(|it| on_disk(&it.unwrap().path())));
    found.blocks() * 512 + inside.map_or(0, |sizes| sizes.sum::<u64>())
}

async fn du(data: &Path) -> Value {
    let told = operate(&["du", "--json"], data).await;
    told.exited(0).was_quiet();
    serde_json::from_str(&told.text()).unwrap()
}

#[test]
fn an_operator_sees_who_takes_up_the_disk_of_a_running_server() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut john = sign_in(world, address, "john").await;
        john.talk("marie").await;
        john.say_all("marie", 1..=3, |_| "hello".into()).await;
        john.expect("STORED marie 3").await;
        let mut alice = sign_in(world, address, "alice").await;
        let mut carrier = Carrier::at(world, address, &mut alice).await;
        carrier.upload("bob", &noise(MAX_CHUNK + 5)).await;

        let told = du(&data).await;
        let people = told["people"].as_array().unwrap();
        let names: Vec<_> = people.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["alice", "bob", "john", "marie"], "the largest first");
        assert_eq!(people[2]["messages_from"]["bytes"], 15);
        assert_eq!(people[2]["messages_to"]["count"], 0);
        assert_eq!(people[3]["messages_to"]["count"], 3);
        assert_eq!(people[0]["files_from"]["count"], 1);
        assert!(people[1]["files_to"]["bytes"].as_u64().unwrap() > MAX_CHUNK as u64);
        let parts = told["disk"].as_object().unwrap();
        let sum: u64 = parts.values().map(|it| it.as_u64().unwrap()).sum();
        assert_eq!(told["total"], sum);
        assert!(parts["files"].as_u64().unwrap() > MAX_CHUNK as u64, "{told}");

        // A running server may write just now.
        let agrees = async { while du(&data).await["total"] != on_disk(&data) {} };
        patiently("the total is what the disk says", agrees).await;
        stop(server).await;
    });
}

#[test]
fn who_takes_up_the_disk_is_a_table_too_also_of_a_stopped_server() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut john = sign_in(world, address, "john").await;
        john.talk("marie").await;
        john.say("marie", 1, "hello").await;
        john.expect("STORED marie 1").await;
        stop(server).await;
        let told = operate(&["du"], &data).await;
        told.exited(0).was_quiet();
        let lines = told.lines();
        assert!(lines[0].ends_with("messages to  messages from       files to     files from"));
        let marie = lines.iter().find(|line| line.starts_with("marie ")).unwrap();
        let columns: Vec<_> =
            marie.split("  ").map(str::trim).filter(|it| !it.is_empty()).collect();
        assert_eq!(columns, ["marie", "5 B", "0 B", "0 B", "0 B"]);
        for part in ["mailbox", "journal", "files", "book of names", "other", "total"] {
            assert!(lines.iter().any(|line| line.starts_with(part)), "{part}: {lines:?}");
        }
        operate(&["du"], &world.path("none")).await.exited(1).said("there is no mailbox in");
    });
}

/// A stopped server's folder in which a message waits for marie.
async fn folder_with_a_message(world: &World) -> PathBuf {
    let data = world.path("server-1");
    let (server, address) = serve(&data, &[]).await;
    let mut john = sign_in(world, address, "john").await;
    john.talk("marie").await;
    john.say("marie", 1, "hello").await;
    john.expect("STORED marie 1").await;
    stop(server).await;
    data
}

/// Backs up into a folder, of which so many are kept.
async fn back_up(data: &Path, folder: &Path, keep: &str) -> Finished {
    let words = ["backup", "--keep-backups", keep, folder.to_str().unwrap()];
    Launch::operator(&words).on(data).pipe("").await
}

/// The path that a backup in a folder has printed.
fn printed(backup: &Finished) -> PathBuf {
    let lines = backup.exited(0).lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone().into()
}

/// A folder of backups with these files, which are none but are named so.
fn folder_of(world: &World, names: &[&str]) -> PathBuf {
    let folder = world.path("backups");
    fs::create_dir(&folder).unwrap();
    names.iter().for_each(|name| fs::write(folder.join(name), "precious").unwrap());
    folder
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".lock")).collect();
    names.sort();
    names
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().into()
}

#[test]
fn a_folder_has_backups_that_are_named_by_time_and_the_oldest_go() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let others = [
            "notes.txt",
            "tinychat-2020-01-01T00-00-00Z.backup.gpg",
            "tinychat-2020-13-01T00-00-00Z.backup",
            "tinychat-before-the-move.backup",
        ];
        let old = [1, 2, 3, 4].map(|day| format!("tinychat-2020-01-0{day}T00-00-00Z.backup"));
        let names: Vec<&str> = others.into_iter().chain(old.iter().map(String::as_str)).collect();
        let folder = folder_of(world, &names);
        fs::create_dir(folder.join("tinychat-2019-01-01T00-00-00Z.backup")).unwrap();
        let made = back_up(&data, &folder, "3").await;
        made.said(&format!("removed {}", folder.join(&old[0]).display())).said(&old[1]);
        let file = printed(&made);
        let mut left: Vec<String> = others.map(String::from).into();
        left.push("tinychat-2019-01-01T00-00-00Z.backup".into());
        left.push(name_of(&file));
        left.extend(old[2..].to_vec());
        left.sort();
        assert_eq!(names_in(&folder), left, "what is named otherwise stays, and so do folders");
        restore(&world.path("server-2"), &file).await.exited(0);
        operate(&["check"], &world.path("server-2")).await.exited(0);
    });
}

#[test]
fn without_a_number_all_backups_in_a_folder_are_kept_also_those_of_one_second() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let folder = world.path("deep/er/");
        let mut made = Vec::new();
        for _ in 0..3 {
            let words = ["backup", folder.to_str().unwrap()];
            made.push(name_of(&printed(&operate(&words, &data).await)));
        }
        assert_eq!(names_in(&folder), made, "in order");
    });
}

#[test]
fn a_backup_that_cannot_be_read_back_removes_none() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let old = ["tinychat-2020-01-01T00-00-00Z.backup", "tinychat-2020-01-02T00-00-00Z.backup"];
        let folder = folder_of(world, &old);
        // Longer than any that is read.
        fs::write(data.join("certificate.pem"), "x".repeat(100_000)).unwrap();
        let refused = back_up(&data, &folder, "1").await;
        refused.exited(1).printed(&[]).said("could not be restored, and is not kept");
        assert_eq!(names_in(&folder), old);
    });
}

#[test]
fn a_clock_that_was_wrong_costs_no_backup_that_was_just_written() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let future = [1, 2, 3].map(|day| format!("tinychat-2999-01-0{day}T00-00-00Z.backup"));
        let folder = folder_of(world, &future.each_ref().map(|it| it.as_str()));
        let first = name_of(&printed(&back_up(&data, &folder, "2").await));
        assert_eq!(names_in(&folder), [first.clone(), future[2].clone()]);
        // They do not outlast those of the present.
        let second = name_of(&printed(&back_up(&data, &folder, "2").await));
        assert_eq!(names_in(&folder), [first, second.clone()]);
        let third = name_of(&printed(&back_up(&data, &folder, "2").await));
        assert_eq!(names_in(&folder), [second, third]);
        let fourth = name_of(&printed(&back_up(&data, &folder, "1").await));
        assert_eq!(names_in(&folder), [fourth]);
    });
}

#[test]
fn only_backups_in_a_folder_are_counted() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let file = world.path("backup");
        let refused = back_up(&data, &file, "7").await;
        refused.exited(1).said("--keep-backups is for a folder");
        assert!(!file.exists());
        back_up(&data, &file, "0").await.exited(2).said("--keep-backups");
    });
}

#[test]
fn two_backups_into_one_folder_do_not_disturb_each_other() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let folder = folder_of(world, &[]);
        let lock = fs::File::create(folder.join("tinychat.backup.lock")).unwrap();
        lock.try_lock().unwrap();
        back_up(&data, &folder, "7").await.exited(1).said("another backup is being written into");
        lock.unlock().unwrap();
        // What a killed one has left is in nobody's way, and does not stay.
        fs::write(folder.join("tinychat.backup.partial"), "left").unwrap();
        let made = name_of(&printed(&back_up(&data, &folder, "7").await));
        assert_eq!(names_in(&folder), [made]);
    });
}

#[test]
fn root_leaves_nothing_in_the_folder_of_another_user() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        if chown(&data, Some(1), None).is_err() {
            return eprintln!("SKIPPED: only root gives folders to others");
        }
        operate(&["user", "list"], &data).await.exited(1).said("belongs to user 1, ");
        chown(&data, Some(0), None).unwrap();
        operate(&["user", "list"], &data).await.exited(0);
    });
}

async fn drill(target: &Path) -> Finished {
    Launch::operator(&["drill", target.to_str().unwrap()]).pipe("").await
}

#[test]
fn a_drill_says_what_the_last_backup_of_a_folder_would_bring_back() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut john = sign_in(world, address, "john").await;
        john.talk("marie").await;
        john.say("marie", 1, "hello").await;
        john.expect("STORED marie 1").await;
        let folder = world.path("backups/");
        let first = printed(&back_up(&data, &folder, "7").await);
        john.say_all("marie", 2..=3, |_| "hello".into()).await;
        john.expect("STORED marie 3").await;
        let mut carrier = Carrier::at(world, address, &mut john).await;
        carrier.upload("marie", &noise(1_024)).await;
        let last = printed(&back_up(&data, &folder, "7").await);
        let names = names_in(&folder);

        let told = drill(&folder).await;
        told.exited(0).was_quiet();
        let lines = told.lines();
        assert!(lines[0].starts_with(&format!("{} can be restored, of 20", last.display())));
        let counted = ["1 people, 0 device lists", "3 messages, 15 B", "1 files, 1.0 KiB"];
        assert_eq!(lines[1..], counted);
        // What a killed one has left does not stay.
        fs::create_dir_all(folder.join("tinychat.drill/data/blobs")).unwrap();
        let told = drill(&first).await;
        assert_eq!(told.exited(0).lines()[2..], ["1 messages, 5 B", "0 files, 0 B"]);
        assert_eq!(names_in(&folder), names, "nothing is left");
        stop(server).await;
    });
}

#[test]
fn a_drill_fails_where_restoring_would() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let folder = world.path("backups/");
        drill(&world.path("none")).await.exited(1).said("cannot read");
        let file = printed(&back_up(&data, &folder, "7").await);
        let mut damaged = fs::read(&file).unwrap();
        let counts = damaged.windows(6).position(|it| it == b"taken ").unwrap();
        damaged[counts] ^= 1;
        fs::write(&file, damaged).unwrap();
        let refused = drill(&folder).await;
        refused.exited(1).printed(&[]).said(&name_of(&file)).said("it cannot be restored: ");
        assert_eq!(names_in(&folder), [name_of(&file)], "nothing is left");
        fs::remove_file(&file).unwrap();
        drill(&folder).await.exited(1).said("there is no backup in ");
    });
}

#[test]
fn a_drill_fails_where_no_server_would_start_with_what_was_restored() {
    story(async |world| {
        let data = folder_with_a_message(world).await;
        let folder = world.path("backups/");
        fs::write(data.join("names"), "").unwrap();
        back_up(&data, &folder, "7").await.exited(0);
        let refused = drill(&folder).await;
        refused.exited(1).said("no server starts with it: the book of names");
        assert_eq!(names_in(&folder).len(), 1, "nothing is left");
    });
}

#[test]
fn backups_of_each_earlier_layout_pass_a_drill() {
    for layout in 1..=4 {
        let name = format!("server-{layout}.backup");
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(&name);
        let layouts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layouts");
        fs::copy(layouts.join(&name), &file).unwrap();
        let told = block_on(drill(&file));
        let lines = told.exited(0).lines();
        assert!(lines[0].contains("can be restored, and does not say of when it is"), "{lines:?}");
    }
}
