//! What a server has on its disk over the years, with the real program: who takes it up, backups that are rotated, and
//! drills of restoring them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde_json::Value;
use tinychat::wire::MAX_CHUNK;

use crate::carrying::{Carrier, noise};
use crate::operators::{operate, serve, sign_in, stop};
use crate::world::{patiently, story};

/// What the disk says of a file, or of a folder and all that is in it.
fn on_disk(path: &Path) -> u64 {
    // It may go while it is looked at.
    let Ok(found) = path.symlink_metadata() else { return 0 };
    let inside = fs::read_dir(path).map(|entries| entries.map(|it| on_disk(&it.unwrap().path())));
    found.blocks() * 512 + inside.map(Iterator::sum).unwrap_or(0)
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
