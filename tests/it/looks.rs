//! Names that are made to be mistaken for others: who may claim them, and what is said of those that are there.

use std::fs;

use tinychat::trust::Identity;

use crate::programs::Launch;
use crate::screen::desk;
use crate::world::{FIRST_INSTALLATION, World, story};

/// What somebody with a new key is answered who claims a name.
async fn claims(world: &World, name: &str) -> String {
    let mut peer = world.connect().await;
    peer.prove(name, &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
    peer.next().await
}

#[test]
fn nobody_claims_a_name_that_is_mistaken_for_another() {
    story(async |world| {
        world.sign_in("anna").await;
        world.sign_in("axa").await;
        for (name, why) in [
            ("\u{430}nna", "a new name is written in one script"),
            ("$;*|", "a new name has no '$'"),
            (&format!("a{}", "\u{323}\u{301}".repeat(15)), "a new name begins with a letter"),
            ("аха", "the name looks like axa, which somebody has"),
        ] {
            let told = claims(world, name).await;
            assert!(told.starts_with(&format!("ERR LOOKS - {why}")), "{told}");
        }
        let told = claims(world, "анна").await;
        assert!(told.starts_with("WELCOME анна"), "{told}");
    });
}

#[test]
fn who_has_had_such_a_name_signs_in_with_it() {
    story(async |world| {
        let eves = world.identity("eve");
        world.stop().await;
        let book = world.path("server").join("names");
        fs::write(&book, format!("ssh-ed25519 {} \u{430}nna\n", eves.public())).unwrap();
        world.start().await;
        let mut eve = world.connect().await;
        eve.prove("\u{430}nna", &eves, FIRST_INSTALLATION).await;
        eve.expect("WELCOME \u{430}nna").await;
        let told = claims(world, "anna").await;
        assert!(told.starts_with("ERR LOOKS - the name looks like \u{430}nna"), "{told}");
    });
}

#[test]
fn a_client_keeps_what_it_was_given_for_a_name_that_it_cannot_have() {
    story(async |world| {
        let client = Launch::at(world.address(), "a\u{441}me", &world.path("acme")).to("bob");
        let ended = client.pipe("hello\n").await;
        ended.exited(3).said("a new name is written in one script").said("1 message");
    });
}

/// John has written to marn, and mam to john.
async fn john_has_met(world: &World) {
    Launch::of(world, "john").to("marn").pipe("hello\n").await.exited(0);
    Launch::of(world, "mam").to("john").pipe("it is me, send money\n").await.exited(0);
}

#[test]
fn who_looks_like_a_friend_is_announced_so() {
    story(async |world| {
        john_has_met(world).await;
        let mut john = Launch::of(world, "john").to("bob").with_commands().start();
        john.says("mam looks like marn, whom you know, and is another name").await;
        john.says("1 message from mam, who is new to you").await;
        john.types("/QUIT\n");
        john.end().await.exited(0);
        // Whom one has talked to one knows.
        let mut john = Launch::of(world, "john").to("mam").start();
        john.says("mam looks like marn").await;
        john.types("are you?\n");
        john.ends_input();
        john.finish().await.exited(0);
        let quiet = Launch::of(world, "john").to("mam").pipe("").await;
        assert!(!quiet.err.contains("looks like"), "{}", quiet.err);
    });
}

#[test]
fn a_script_that_writes_beside_the_face_is_told_too() {
    story(async |world| {
        john_has_met(world).await;
        let mut tail = Launch::of(world, "john").with(&["tail"]).start();
        tail.says("1 message from mam, who is new to you and looks like marn").await;
        let status = Launch::of(world, "john").with(&["status"]).pipe("").await;
        let shown = status.lines().join("\n");
        assert!(
            shown.contains("1 message from mam, who is new to you and looks like marn"),
            "{shown}"
        );
        let send = Launch::of(world, "john").with(&["send", "--to", "mam", "who are you?"]);
        send.pipe("").await.exited(0).said("mam looks like marn, whom you know");
    });
}

#[test]
fn the_full_screen_says_whom_somebody_looks_like() {
    story(async |world| {
        john_has_met(world).await;
        let mut john = desk(world, "john", "mam");
        john.sees("mam looks like marn, whom you know");
        john.presses("\u{3}\u{3}");
        john.ends(0);
    });
}
