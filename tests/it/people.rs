//! What operators see of people, and what they set for them: with the real program, beside a running server and without
//! one.

use std::path::Path;

use serde_json::Value;
use tinychat::time_text::is_moment;

use crate::carrying::{Carrier, noise};
use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::Finished;
use crate::world::story;

async fn user(words: &[&str], data: &Path) -> Finished {
    operate(&[&["user"][..], words].concat(), data).await
}

/// The objects that a command printed, one a line.
fn objects(printed: &Finished) -> Vec<Value> {
    let lines = printed.exited(0).lines();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_is_kept_of_people_is_shown_to_operators_also_while_no_server_runs() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        sign_in(world, address, "bob").await.quit().await;
        let mut alice = sign_in(world, address, "alice").await;
        alice.talk("bob").await;
        alice.say_all("bob", 1..=2, |n| format!("word {n}")).await;
        alice.talk_until_stored("bob").await;
        Carrier::at(world, address, &mut alice).await.upload("bob", &noise(5)).await;

        let listed = objects(&user(&["list", "--json"], &data).await);
        let names: Vec<_> = listed.iter().map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["alice", "bob"]);
        let key = world.identity("alice").public().fingerprint().to_string();
        assert_eq!((&listed[0]["status"], &listed[0]["key"]), (&"online".into(), &key.into()));
        for it in &listed {
            assert!(["since", "last_seen"].iter().all(|at| is_moment(it[at].as_str().unwrap())));
        }
        assert_eq!(listed[0]["sent_files"], serde_json::json!({"count": 1, "bytes": 5}));
        assert_eq!(listed[1]["files"], serde_json::json!({"count": 1, "bytes": 5}));
        assert_eq!(listed[1]["waiting"], serde_json::json!({"count": 2, "bytes": 12}));
        let shown = &objects(&user(&["show", "alice", "--json"], &data).await)[0];
        assert_eq!((&shown["sent"], &shown["devices"]), (&2.into(), &0.into()));

        stop(server).await;
        let shown = user(&["show", "bob"], &data).await;
        let lines = shown.exited(0).lines();
        assert_eq!((&lines[0][..], lines.len()), ("bob is away", 9));
        for line in ["waiting: 2 messages, 12 bytes", "files: 1 file, 5 bytes", "devices: 0"] {
            assert!(lines.iter().any(|it| it == line), "{line}: {lines:?}");
        }
        let after = objects(&user(&["list", "--json"], &data).await);
        assert_eq!(after[1], listed[1], "also when he was last here");
        assert_eq!(after[0]["status"], "away");
        user(&["show", "nobody"], &data).await.exited(1).said("nobody has the name nobody");
        user(&["show"], &data).await.exited(2);
    });
}
