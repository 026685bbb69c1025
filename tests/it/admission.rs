//! Who may come: registration, invitations, and what operators do about people.

use std::fs;
use std::path::Path;

use tinychat::trust::Identity;

use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::{Finished, Launch, Program, free_address};
use crate::world::{FIRST_INSTALLATION, Peer, World, story};

async fn user(action: &str, name: &str, data: &Path) -> Finished {
    operate(&["user", action, name], data).await
}

/// A server under TLS, as most are, with these flags.
async fn hosted(data: &Path, flags: &[&str]) -> Program {
    let listen = free_address().to_string();
    let mut server = Launch::operator(&["--listen", &listen]).with(flags).on(data).start();
    server.says("join with").await;
    server
}

/// The one line that a command printed.
fn printed(finished: &Finished) -> String {
    finished.exited(0);
    let lines = finished.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].clone()
}

async fn invited(data: &Path) -> String {
    let invitation = operate(&["invite"], data).await;
    invitation.said("good once and for 7 days");
    printed(&invitation)
}

/// Somebody comes with an address and leaves a message for anna.
async fn comes(world: &World, address: &str, name: &str) -> Finished {
    let flags = ["--server", address, "--user", name, "--to", "anna"];
    Launch::tinychat(&flags).on(&world.path(name)).pipe("hello\n").await
}

#[test]
fn an_invitation_lets_one_newcomer_in() {
    story(async |world| {
        let data = world.path("server-1");
        let server = hosted(&data, &["--registration", "invite"]).await;
        let (first, second) = (invited(&data).await, invited(&data).await);
        let (place, _) = first.split_once("?invite=").unwrap();
        let uninvited = comes(world, place, "john").await;
        uninvited.exited(3).said("newcomers need an invitation here");
        comes(world, &first, "john").await.exited(0);
        // Once: but for John, who is no newcomer any more.
        comes(world, &first, "marie").await.exited(3).said("the invitation was used");
        comes(world, &first, "john").await.exited(0);
        comes(world, place, "john").await.exited(0);
        comes(world, &second, "marie").await.exited(0);
        // Also across a restart, and for a name that went before: nothing in the book lets anybody in.
        let third = invited(&data).await;
        let token = third.split_once("?invite=").unwrap().1.split_once('#').unwrap().0;
        assert!(!fs::read_to_string(data.join("names")).unwrap().contains(token));
        stop(server).await;
        let server = hosted(&data, &["--registration", "invite"]).await;
        let told = fs::read_to_string(data.join("names")).unwrap();
        assert_eq!(told.lines().filter(|line| line.starts_with("invite ")).count(), 1, "{told}");
        stop(server).await;
    });
}

#[test]
fn where_registration_is_closed_only_those_come_who_were_there() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        sign_in(world, address, "alice").await.quit().await;
        stop(server).await;
        let (server, address) = serve(&data, &["--registration", "closed"]).await;
        sign_in(world, address, "alice").await;
        let mut bob = world.connect_to(address).await;
        bob.prove("bob", &world.identity("bob"), FIRST_INSTALLATION).await;
        bob.expect("ERR NEWCOMER - this server takes no newcomers").await;
        bob.end().await;
        operate(&["invite"], &data).await.exited(1).printed(&[]).said("registration is closed");
        stop(server).await;
    });
}

#[test]
fn an_invitation_to_an_open_server_is_said_to_be_needless() {
    story(async |world| {
        for (registration, is_needless) in [("open", true), ("invite", false)] {
            let data = world.path(registration);
            let (server, _) = serve(&data, &["--registration", registration]).await;
            let invited = operate(&["invite"], &data).await;
            assert!(invited.exited(0).lines()[0].contains("?invite="));
            assert_eq!(invited.lines().len(), 1, "{:?}", invited.lines());
            assert_eq!(invited.err.contains("it is not needed: "), is_needless, "{}", invited.err);
            stop(server).await;
        }
    });
}

#[test]
fn an_invitation_says_where_others_find_the_server() {
    story(async |world| {
        let data = world.path("server-1");
        let server = hosted(&data, &["--registration", "invite"]).await;
        for (address, beginning) in [
            ("chat.example.org", "tinychat://chat.example.org:7878?invite="),
            ("unix:/run/chat", "unix:/run/chat?invite="),
        ] {
            let invitation = operate(&["invite", "--address", address], &data).await;
            assert!(printed(&invitation).starts_with(beginning), "{}", printed(&invitation));
        }
        operate(&["invite", "--address", "a b"], &data).await.exited(2);
        stop(server).await;
        operate(&["invite"], &data).await.exited(1).said("no server runs on");
    });
}

/// Signs in and is told why not.
async fn is_refused(
    world: &World,
    address: std::net::SocketAddr,
    name: &str,
    key: &Identity,
) -> String {
    let mut peer = world.connect_to(address).await;
    peer.prove(name, key, FIRST_INSTALLATION).await;
    let told = peer.next().await;
    peer.end().await;
    told
}

#[test]
fn who_is_banned_goes_at_once_and_comes_again_when_that_is_over() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        let mut eve = sign_in(world, address, "eve").await;
        eve.talk("alice").await;
        eve.say("alice", 1, "what was stored is delivered").await;
        eve.talk_until_stored("alice").await;
        user("ban", "eve", &data).await.exited(0).printed(&["banned eve"]).was_quiet();
        eve.expect("ERR BANNED - the operator of this server has banned you").await;
        eve.end().await;
        let eves = world.identity("eve");
        for name in ["eve", "eve2"] {
            let told = is_refused(world, address, name, &eves).await;
            assert!(told.starts_with("ERR BANNED "), "{told}");
        }
        alice.expect("WAITING eve 1").await;
        alice.talk("eve").await;
        alice.hears("eve", 1, 1, "what was stored is delivered").await;
        alice.ack("eve", 1).await;
        alice.barrier().await;
        let listed = user("ban", "nobody", &data).await;
        listed.exited(1).printed(&[]).said("nobody has the name nobody");

        // It holds across a restart, and an operator may change it while no server runs.
        stop(server).await;
        let (server, address) = serve(&data, &[]).await;
        let told = is_refused(world, address, "eve", &eves).await;
        assert!(told.starts_with("ERR BANNED "), "{told}");
        stop(server).await;
        user("unban", "eve", &data).await.exited(0).printed(&["eve may come again"]);
        let (server, address) = serve(&data, &[]).await;
        let mut eve = sign_in(world, address, "eve").await;
        assert_eq!(eve.talk("alice").await, "away 1 1 1 0");
        stop(server).await;
    });
}

#[test]
fn a_banned_client_ends_and_keeps_what_it_has() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let eve = || Launch::at(address, "eve", &world.path("eve")).to("alice");
        let mut client = eve().with(&["--receipts"]).start();
        client.types("one\n");
        client.says("stored alice 1").await;
        user("ban", "eve", &data).await.exited(0);
        client.end().await.exited(1).said("the operator of this server has banned you");
        eve().pipe("two\n").await.exited(3).said("has banned you").said("1 message");
        user("unban", "eve", &data).await.exited(0);
        eve().with(&["--receipts"]).pipe("").await.exited(0).said("stored alice 2");
        stop(server).await;
    });
}

#[test]
fn people_are_listed_with_how_they_stand() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let _alice = sign_in(world, address, "alice").await;
        // A script of hers.
        let mut carol = world.connect_to(address).await;
        carol.prove_saying("away", "carol", &world.identity("carol"), FIRST_INSTALLATION).await;
        carol.expect("WELCOME carol").await;
        for name in ["bob", "eve", "marie-louise"] {
            let mut peer = sign_in(world, address, name).await;
            peer.barrier().await;
            peer.quit().await;
        }
        user("ban", "eve", &data).await.exited(0);
        let reset = user("reset-key", "bob", &data).await;
        reset.exited(0).said("whoever joins with it as bob first has the name");
        let key = |name: &str| world.identity(name).public().fingerprint();
        let expected = |alice: &str, carol: &str| {
            [
                format!("alice        {alice} {}", key("alice")),
                "bob          reset     -".to_string(),
                format!("carol        {carol} {}", key("carol")),
                format!("eve          banned    {}", key("eve")),
                format!("marie-louise away      {}", key("marie-louise")),
            ]
        };
        assert_eq!(
            operate(&["user", "list"], &data).await.lines(),
            expected("online   ", "connected")
        );
        stop(server).await;
        let listed = operate(&["user", "list"], &data).await;
        listed.exited(0).was_quiet();
        assert_eq!(listed.lines(), expected("away     ", "away     "));
    });
}

#[test]
fn a_lost_key_is_replaced_and_what_waited_is_still_there() {
    story(async |world| {
        let data = world.path("server-1");
        let server = hosted(&data, &["--registration", "invite"]).await;
        let address = invited(&data).await;
        let flags = ["--server", &address, "--user", "anna", "--to", "john"];
        Launch::tinychat(&flags).on(&world.path("anna")).pipe("").await.exited(0);
        comes(world, &invited(&data).await, "john").await.exited(0);
        let (place, _) = address.split_once("?invite=").unwrap();
        let thief = || ["--server", place, "--user", "anna", "--to", "marie", "--follow"];
        let mut old = Launch::tinychat(&thief()).on(&world.path("anna")).start();
        old.says("john").await;
        let reset = user("reset-key", "anna", &data).await;
        reset.said("good once and for 7 days");
        // Whoever has the old key is out.
        old.end().await.exited(1).said("has taken the name from you");
        // What he writes now is for whom he knows.
        comes(world, place, "john").await.exited(3).said("NOBODY HAS THE NAME anna ANY MORE");
        let again = Launch::tinychat(&thief()).on(&world.path("anna")).pipe("").await;
        again.exited(1).said("the key of this name was reset");
        let new = printed(&reset);
        let comes = |name: &str, folder: &str| {
            let flags = ["--server", &new, "--user", name, "--to", "john"];
            Launch::tinychat(&flags).on(&world.path(folder)).pipe("")
        };
        comes("bob", "bob").await.exited(1).said("the invitation was used");
        comes("anna", "anna-2").await.exited(0).printed(&["john: hello"]);
        comes("anna", "anna-2").await.exited(0).printed(&[]);
        comes("anna", "anna-3").await.exited(1).said("belongs to somebody with another key");
        stop(server).await;
    });
}

#[test]
fn a_removed_name_is_free_and_nothing_that_waited_goes_to_its_next_owner() {
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &[]).await;
        let mut alice = sign_in(world, address, "alice").await;
        let mut bob = sign_in(world, address, "bob").await;
        alice.talk("bob").await;
        alice.say("bob", 1, "for the old bob").await;
        alice.expect("STORED bob 1").await;
        alice.say("bob", 2, "for him too").await;
        alice.expect("STORED bob 2").await;
        let removed = user("remove", "bob", &data).await;
        removed.exited(0).was_quiet();
        removed.printed(&["removed bob; 2 messages that waited there will not be delivered"]);
        until_taken(&mut bob).await;
        let told = alice.catch_up().await;
        assert!(
            told.contains(&"EXPIRED bob 1".into()) && told.contains(&"EXPIRED bob 2".into()),
            "{told:?}"
        );
        alice.settle("bob", 2).await;
        alice.say("bob", 3, "for the new one").await;
        alice.expect("STORED bob 3").await;

        let mut next = world.connect_to(address).await;
        next.prove("bob", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        next.expect("WELCOME bob").await;
        next.expect("WAITING alice 1").await;
        assert_eq!(next.talk("alice").await, "online 0 0 0 1");
        next.hears("alice", 1, 3, "for the new one").await;
        next.hears_nothing().await;
        let unknown = user("remove", "nobody", &data).await;
        unknown.exited(1).printed(&[]).said("nobody has the name nobody");
        stop(server).await;
        user("remove", "alice", &data).await.exited(0);
        user("remove", "alice", &data).await.exited(1);
    });
}

/// Whatever comes before it, the operator has taken the name.
async fn until_taken(peer: &mut Peer) {
    while !peer.next().await.starts_with("ERR TAKEN - the operator of this server has taken") {}
}

#[test]
fn wrong_names_and_words_are_wrong_usage() {
    story(async |world| {
        let data = world.path("server-1");
        for words in [
            &["user"][..],
            &["user", "ban"],
            &["user", "ban", "a:b"],
            &["user", "ban", "eve", "bob"],
            &["user", "promote", "eve"],
            &["user", "list", "eve"],
            &["invite", "john"],
            &["--registration", "sometimes"],
        ] {
            operate(words, &data).await.exited(2).printed(&[]).said("--help");
        }
        assert!(!data.exists());
    });
}
