//! What is bounded of those who write to many, and claim many names: whoever never answered, and addresses.

use tinychat::server::{Config, Rates};
use tinychat::trust::Identity;

use crate::operators::{operate, serve, stop};
use crate::programs::Launch;
use crate::rates::{connect_from, has_more_addresses};
use crate::world::{FIRST_INSTALLATION, Peer, World, story, story_with};

fn two_strangers(config: &mut Config) {
    config.quota.strangers = 2;
}

/// Writes the message with this number, and gives what is said against it.
pub(crate) async fn writes(peer: &mut Peer, whom: &str, n: u64) -> Option<String> {
    peer.talk(whom).await;
    peer.say(whom, n, "are you there?").await;
    let told = peer.catch_up().await;
    told.into_iter().find(|line| line.starts_with("ERR "))
}

async fn is_refused(peer: &mut Peer, whom: &str, n: u64) {
    let told = writes(peer, whom, n).await.expect("a refusal");
    let expected =
        format!("ERR FULL {whom} {n} something of yours waits for 2 people already who have");
    assert!(told.starts_with(&expected), "{told}");
}

#[test]
fn who_writes_to_many_waits_until_one_of_them_answers() {
    story_with(two_strangers, async |world| {
        let mut eve = world.sign_in("eve").await;
        for whom in ["nobody1", "anna"] {
            assert_eq!(writes(&mut eve, whom, 1).await, None);
        }
        is_refused(&mut eve, "bob", 1).await;
        assert_eq!(writes(&mut eve, "anna", 2).await, None, "who is one of the two");
        // Neither leaving nor a restart makes room.
        eve.quit().await;
        world.restart().await;
        let mut eve = world.sign_in("eve").await;
        is_refused(&mut eve, "bob", 1).await;
        let mut anna = world.sign_in("anna").await;
        anna.talk("eve").await;
        assert_eq!(writes(&mut eve, "bob", 1).await, None);
        is_refused(&mut eve, "carol", 1).await;
        // Nor does it concern others, or those who wrote first.
        let mut dave = world.sign_in("dave").await;
        dave.talk("eve").await;
        dave.say("eve", 1, "hello").await;
        dave.barrier().await;
        assert_eq!(writes(&mut eve, "dave", 1).await, None);
    });
}

#[test]
fn who_wrote_first_is_no_stranger_after_a_restart() {
    story_with(two_strangers, async |world| {
        let mut eve = world.sign_in("eve").await;
        for friend in ["anna", "bob", "carol"] {
            let mut peer = world.sign_in(friend).await;
            peer.talk("eve").await;
            peer.say("eve", 1, "do write").await;
            peer.talk_until_stored("eve").await;
            peer.quit().await;
            assert_eq!(writes(&mut eve, friend, 1).await, None);
            eve.ack(friend, 1).await;
            eve.barrier().await;
        }
        eve.quit().await;
        world.restart().await;
        let mut eve = world.sign_in("eve").await;
        assert_eq!([writes(&mut eve, "x", 1).await, writes(&mut eve, "y", 1).await], [None, None]);
        is_refused(&mut eve, "z", 1).await;
    });
}

#[test]
fn a_client_keeps_what_it_cannot_send_to_one_stranger_more() {
    story_with(two_strangers, async |world| {
        let eve = |whom: &str| Launch::of(world, "eve").to(whom).with(&["--receipts"]);
        for whom in ["anna", "bob"] {
            eve(whom).pipe("hello\n").await.exited(0);
        }
        let kept = eve("carol").with(&["--timeout", "2s"]).pipe("hello\n").await;
        kept.exited(3).said("refused carol 1 full: something of yours waits for 2 people");
        let mut anna = world.sign_in("anna").await;
        anna.talk("eve").await;
        eve("carol").pipe("").await.exited(0).said("stored carol 1");
    });
}

/// What somebody with a new key is answered who claims a name from 127.0.0.`last`.
async fn claims(world: &World, last: u8, name: &str) -> String {
    let mut peer = connect_from(last, world.address());
    peer.prove(name, &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
    peer.next().await
}

#[test]
fn an_address_claims_so_many_names_a_day() {
    if !has_more_addresses() {
        return;
    }
    let two = |config: &mut Config| config.rates = Rates { names: 2, ..Rates::UNLIMITED };
    story_with(two, async |world| {
        for name in ["eve1", "eve2"] {
            let told = claims(world, 2, name).await;
            assert!(told.starts_with("WELCOME "), "{told}");
        }
        let told = claims(world, 2, "eve3").await;
        assert!(
            told.starts_with("ERR CLAIMS - as many new names as one address may claim"),
            "{told}"
        );
        assert!(told.contains("try again in 11h") || told.contains("try again in 12h"), "{told}");
        // What is refused for another reason is not counted; who has a name, or comes from elsewhere, is let in.
        let told = claims(world, 3, "$").await;
        assert!(told.starts_with("ERR LOOKS "), "{told}");
        for name in ["anna", "bob"] {
            let told = claims(world, 3, name).await;
            assert!(told.starts_with("WELCOME "), "{told}");
        }
        let mut eve = connect_from(2, world.address());
        let eves = world.identity("eve");
        world.sign_in("eve").await.quit().await;
        eve.prove("eve", &eves, FIRST_INSTALLATION).await;
        eve.expect("WELCOME eve").await;
    });
}

#[test]
fn who_is_invited_is_not_counted() {
    if !has_more_addresses() {
        return;
    }
    story(async |world| {
        let data = world.path("server-1");
        let (server, address) = serve(&data, &["--address-names", "1"]).await;
        let invited = operate(&["invite"], &data).await;
        let line = invited.lines()[0].clone();
        let invite = line.split_once("?invite=").unwrap().1.split('#').next().unwrap().to_owned();
        for (name, word, answer) in [
            ("anna", None, "WELCOME anna"),
            ("bob", None, "ERR CLAIMS -"),
            ("bob", Some(invite.as_str()), "WELCOME bob"),
            ("carol", Some(invite.as_str()), "ERR CLAIMS -"),
        ] {
            let mut peer = connect_from(2, address);
            peer.prove_invited(name, &Identity::generate().unwrap(), word).await;
            peer.expect(answer).await;
        }
        stop(server).await;
        operate(&["--address-names", "few"], &data).await.exited(2);
        operate(&["--strangers", "-1"], &data).await.exited(2);
    });
}
