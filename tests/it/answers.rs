//! What commands answer is so: of blocks, keys, files, the line, and what is not open.

use std::fs;

use crate::programs::{Finished, Launch};
use crate::script::Stage;
use crate::sealed::comes;
use crate::world::{World, story};

async fn john_says(world: &World, lines: &str) -> Finished {
    Launch::of(world, "john").to("marie").with_commands().pipe(lines).await
}

// Blocks.

#[test]
fn who_was_never_blocked_is_not_said_to_reach_one_again() {
    story(async |world| {
        let john = john_says(world, "/UNBLOCK carl\n/BLOCK\n").await;
        john.exited(0).said("carl was not blocked").said("you block nobody");
        john.never_said("reaches you again").never_said("is gone");
        let john = john_says(world, "/BLOCK carl\n/UNBLOCK carl\n/UNBLOCK carl\n").await;
        john.exited(0).said("you hear no more of carl").said("carl reaches you again");
        john.said("carl was not blocked");
    });
}

#[test]
fn what_a_lost_answer_may_have_changed_is_not_guessed() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = Launch::at(stage.address(), "john", &world.path("john"));
        let mut john = john.with(&["--follow", "--commands"]).start();
        let mut server = stage.receive().await;
        john.types("/UNBLOCK carl\n");
        server.expect_all(&["BLOCKS", "UNBLOCK carl"]).await;
        drop(server);
        john.says("the server is away; it is told that you block carl no more when it is").await;
        let mut server = stage.receive().await;
        server.expect_all(&["BLOCKS", "UNBLOCK carl"]).await;
        server.say_all(&["BLOCKS 0", "", "UNBLOCKED carl"]).await;
        john.says("carl is not blocked").await;
        // The face's own question is another one.
        john.types("/UNBLOCK carl\n/BLOCK\n");
        server.expect_all(&["BLOCKS", "UNBLOCK carl", "BLOCKS"]).await;
        server.say_all(&["BLOCKS 5", "carl\n", "UNBLOCKED carl", "BLOCKS 0", ""]).await;
        john.says("carl reaches you again").await;
        john.says("you block nobody").await;
        john.signal("INT");
        john.end().await.exited(130).never_said("was not blocked").never_said("you block carl\n");
    });
}

#[test]
fn whoever_blocks_without_a_server_is_told_that_it_takes_longer() {
    story(async |world| {
        let address = world.address();
        world.stop().await;
        let john =
            Launch::at(address, "john", &world.path("john")).with(&["--follow", "--commands"]);
        let mut john = john.start();
        john.says("is away").await;
        john.types("/BLOCK eve\n/UNBLOCK carl\n");
        john.says("the server is away; it is told that you block eve when it is back").await;
        john.says("the server is away; it is told that you block carl no more when it is").await;
        world.start().await;
        john.says("you hear no more of eve").await;
        john.says("carl was not blocked").await;
    });
}

// Keys.

#[test]
fn what_there_is_not_to_trust_is_told_apart() {
    story(async |world| {
        world.sign_in("bob").await.quit().await;
        let bobs = world.identity("bob").public().fingerprint();
        let john = john_says(world, "/TRUST carl\n/TRUST John\n").await;
        john.exited(0).said("nothing was said between you and carl yet");
        john.said("john is you").never_said("has not changed");
        john_says(world, "/TALK carl\nhello\n/TALK bob\nhello\n").await.exited(0);
        let john = john_says(world, "/TRUST carl\n/TRUST bob\n").await;
        john.exited(0).said("carl's key is not known: the server has not told one");
        let unchanged = "bob's key has not changed, by what the server said last: ";
        john.said(&format!("{unchanged}{bobs}")).never_said("nothing was said");
    });
}

#[test]
fn what_nobody_asked_the_server_is_neither_told_nor_kept() {
    story(async |world| {
        let (stage, data) = (Stage::open().await, world.path("john"));
        let john = Launch::at(stage.address(), "john", &data).with(&["--follow", "--commands"]);
        let mut john = john.start();
        let mut server = stage.receive().await;
        let key = world.identity("carl").public().to_string();
        server.say_all(&["ONLINE 1 4", "eve\n", "BLOCKS 4", "eve\n"]).await;
        server.say_all(&[format!("KEY carl {key}").as_str(), "PRESENCE carl online"]).await;
        // As if this folder were a copy of another.
        server.say("TALKING carl online 7 7 7 0 0").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.types("/ONLINE\n");
        server.expect("ONLINE").await;
        server.say_all(&["ONLINE 1 5", "anna\n"]).await;
        john.says("anna").await;
        john.signal("INT");
        john.end().await.exited(130).never_said("eve");
        let store = rusqlite::Connection::open(data.join("messages.db")).unwrap();
        let keys = store.query_one("SELECT count(*) FROM contact", [], |row| row.get::<_, i64>(0));
        assert_eq!(keys, Ok(0), "carl's key");
    });
}

// The line.

#[test]
fn status_says_why_the_server_is_away() {
    story(async |world| {
        let stage = Stage::open().await;
        let john = Launch::at(stage.address(), "john", &world.path("john"));
        let mut john = john.with(&["--follow", "--commands"]).start();
        let mut server = stage.receive().await;
        // Then he knows that he is in.
        server.catch_up().await;
        john.types("/STATUS\n");
        john.says(&format!("connected to {} as john since 20", stage.address())).await;
        server.rest_after(&["BYE shutdown back in a minute"]).await;
        john.says("is away (back in a minute)").await;
        john.types("/STATUS\n");
        let line = john.says_line("is away since 20").await;
        assert!(line.ends_with(" (back in a minute); trying again by itself"), "{line}");
    });
}

// What is not there.

#[test]
fn what_is_not_open_and_makes_no_noise_is_told_with_its_name() {
    story(async |world| {
        let lines =
            "/CLOSE carl\n/MUTE carl\n/TALK anna\n/CLOSE\n/CLOSE\n/MUTE\n/CLOSE marie\n/CLOSE\n";
        let john = john_says(world, lines).await;
        john.exited(1).said("no conversation with carl is open; nothing was closed");
        john.said("carl makes no noise here").said("nobody to mute");
        john.said("you talk to nobody now; open with marie: /CLOSE name");
        john.said("no conversation is open\n");
    });
}

// Files.

#[test]
fn files_that_went_are_listed_with_what_became_of_them() {
    story(async |world| {
        comes(world, "marie").await;
        comes(world, "john").await;
        let path = world.path("cat.png");
        fs::write(&path, "hello").unwrap();
        let files = async |world: &World| john_says(world, "/FILES\n").await;
        files(world).await.exited(0).said("no file goes, went or came");
        john_says(world, &format!("/SEND {}\n", path.display())).await.exited(0);
        let sent = "cat.png to marie: sent, 5 B; ";
        files(world).await.exited(0).said(&format!("{sent}waits for marie"));
        let marie = Launch::of(world, "marie").to("john").with_commands();
        let send = format!("/GET 1\n/SEND {} mine\n", path.display());
        marie.pipe(send).await.exited(0).said("here, 5 B");
        // It hears of that, and has the other one.
        john_says(world, "").await.exited(0);
        let john = files(world).await;
        john.exited(0).said(&format!("{sent}delivered"));
        let places = [sent, "file 1 of marie, cat.png: here"].map(|it| john.err.find(it));
        assert!(places[0].is_some() && places[0] < places[1], "{}", john.err);
    });
}
