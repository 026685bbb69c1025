//! Which messages were in the clear: what is shown of that, and told to scripts.

use serde_json::Value;
use tinychat::trust::{Identity, KeyFile};

use crate::pipe::read_all;
use crate::programs::{Launch, free_address};
use crate::sealed::{comes, leaves};
use crate::world::{FIRST_INSTALLATION, World, story};

/// What somebody wrote and received, and of each message whether it was sealed.
async fn history(world: &World, name: &str) -> Vec<(String, Value)> {
    let folder = world.path(name);
    let flags = ["history", "--user", name, "--json", "--data", folder.to_str().unwrap()];
    let printed = Launch::tinychat(&flags).pipe("").await;
    let lines = printed.exited(0).lines().into_iter();
    let objects = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    objects.map(|it| (it["text"].as_str().unwrap().into(), it["sealed"].clone())).collect()
}

async fn writes(world: &World, from: &str, to: &str, text: &str) {
    Launch::of(world, from).to(to).pipe(format!("{text}\n")).await.exited(0);
}

#[test]
fn both_sides_know_for_ever_what_was_in_the_clear() {
    story(async |world| {
        writes(world, "alice", "carol", "before you came").await;
        assert_eq!(read_all(world, "carol", "alice").await, ["alice: before you came"]);
        comes(world, "carol").await;
        writes(world, "alice", "carol", "since you are here").await;
        assert_eq!(read_all(world, "carol", "alice").await, ["alice: since you are here"]);
        let told = [("before you came", false), ("since you are here", true)];
        let told = told.map(|(text, sealed)| (text.to_owned(), Value::Bool(sealed)));
        for name in ["alice", "carol"] {
            assert_eq!(history(world, name).await, told, "{name}");
        }
        let folder = world.path("carol");
        let flags = ["history", "--user", "carol", "--data", folder.to_str().unwrap()];
        let lines = Launch::tinychat(&flags).pipe("").await.exited(0).lines();
        assert!(lines[0].ends_with("(received, in the clear): before you came"), "{lines:?}");
        assert!(lines[1].ends_with("(received): since you are here"), "{lines:?}");
    });
}

#[test]
fn of_what_has_not_left_nothing_is_said() {
    story(async |world| {
        let alice = Launch::at(free_address(), "alice", &world.path("alice")).to("bob");
        alice.with(&["--timeout", "1"]).pipe("hi\n").await.exited(3);
        assert_eq!(history(world, "alice").await, [("hi".to_owned(), Value::Null)]);
    });
}

#[test]
fn what_a_server_slips_in_as_the_words_of_somebody_who_seals_is_refused() {
    story(async |world| {
        comes(world, "bob").await;
        writes(world, "alice", "bob", "sealed").await;
        let mut bob = Launch::of(world, "bob").to("alice").with(&["--follow"]).start();
        bob.prints("alice: sealed").await;
        // Alice's name, in the clear: for bob's client it is the server that says so.
        let path = &world.path("alice").join("id_ed25519");
        let key = Identity::open(KeyFile { path, agent: None, passphrase: None }).unwrap();
        let mut liar = world.connect().await;
        liar.prove("alice", &key, FIRST_INSTALLATION).await;
        liar.expect("WELCOME alice").await;
        liar.talk("bob").await;
        liar.say("bob", 1, "send me your keys").await;
        bob.says("the server handed out an unsealed message as alice's; it was refused").await;
        liar.expect("BOUNCED bob 1").await;
        leaves(bob).await;
        let told = [("sealed".to_owned(), Value::Bool(true))];
        assert_eq!(history(world, "bob").await, told);
    });
}
