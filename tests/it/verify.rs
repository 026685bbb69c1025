//! People who make sure of each other's keys: by digits that both compare, and by addresses that have them; and who write
//! nothing that is not sealed. Real programs, and the real server.

use tinychat::trust::Identity;

use crate::operators::operate;
use crate::pipe::read_all;
use crate::programs::Launch;
use crate::sealed::{comes, comes_with, is_anywhere};
use crate::world::{World, story};

/// Somebody who has their name and no more to do.
async fn is_there(world: &World, name: &str) {
    Launch::of(world, name).to("nobody").pipe("").await.exited(0);
}

/// The digits that one of two people is shown.
async fn digits(asker: Launch, peer: &str) -> String {
    let asked = asker.to(peer).with_commands().pipe(format!("/FINGERPRINT {peer}\n")).await;
    let mut lines = asked.exited(0).err.lines().filter_map(|it| it.strip_prefix("-- "));
    let is_digits = |it: &&str| it.bytes().filter(u8::is_ascii_digit).count() == 60;
    lines.find(is_digits).unwrap_or_else(|| panic!("no digits:\n{}", asked.err)).into()
}

/// The operator takes somebody's key away. Returns the word with which another one gets the name.
async fn loses_key(world: &World, name: &str) -> String {
    let reset = operate(&["user", "reset-key", name], &world.path("server")).await;
    let printed = reset.exited(0).text();
    let (_, word) = printed.split_once("?invite=").expect("an invitation");
    word.chars().take(32).collect()
}

/// Alice, who has something to say to Bob or about him.
fn alice(world: &World) -> Launch {
    Launch::of(world, "alice").to("bob").with_commands()
}

/// Alice and Bob, who have compared their digits. Returns them.
async fn are_verified(world: &World) -> String {
    is_there(world, "alice").await;
    comes(world, "bob").await;
    let seen = digits(Launch::of(world, "alice"), "bob").await;
    let verified = alice(world).pipe(format!("/VERIFY bob {seen}\n")).await;
    verified.exited(0).said("is verified: another one is trusted by its digits alone");
    seen
}

#[test]
fn two_people_are_shown_the_same_digits_and_others_with_anybody_else() {
    story(async |world| {
        for name in ["alice", "bob", "carol"] {
            is_there(world, name).await;
        }
        let seen = digits(Launch::of(world, "alice"), "bob").await;
        assert_eq!(digits(Launch::of(world, "bob"), "alice").await, seen);
        assert_ne!(digits(Launch::of(world, "alice"), "carol").await, seen);
        let own = alice(world).pipe("/FINGERPRINT\n").await;
        own.exited(0).said("your key: SHA256:").never_said("digits of you both");
        let asked = alice(world).pipe("/VERIFY bob\n").await;
        asked.exited(0).said(&seen).said("/VERIFY bob and those digits");
    });
}

#[test]
fn digits_that_differ_verify_nothing() {
    story(async |world| {
        for name in ["alice", "bob", "carol"] {
            is_there(world, name).await;
        }
        let [_, other] = [
            digits(Launch::of(world, "alice"), "bob").await,
            digits(Launch::of(world, "alice"), "carol").await,
        ];
        let told = alice(world).pipe(format!("/VERIFY bob {other}\n")).await;
        told.exited(1).said("THESE ARE NOT THE DIGITS OF bob AND YOU");
        let told = alice(world).pipe("/VERIFY bob 12345 67890\n").await;
        told.exited(1).said("two people compare 60 digits, and these are 10");
        let told = alice(world).pipe("/VERIFY alice\n/FINGERPRINT bob\n").await;
        told.exited(0).said("your key: ").said("bob's key: ").never_said("verified key");
    });
}

#[test]
fn whom_one_verified_is_written_to_with_another_key_once_its_digits_are_compared() {
    story(async |world| {
        let old = are_verified(world).await;
        alice(world).pipe("/FINGERPRINT bob\n").await.exited(0).said("bob's verified key: SHA256:");
        let (word, new) = (loses_key(world, "bob").await, world.path("new"));
        let joins = Launch::at(format!("{}?invite={word}", world.address()), "bob", &new);
        comes_with(world, world.address(), "bob", joins).await;
        let bob = || Launch::at(world.address(), "bob", &new);
        let seen = digits(bob(), "alice").await;
        assert_ne!(seen, old);

        let held = alice(world).pipe("for bob alone\n").await;
        held.exited(3).said("THE KEY OF bob IS NOT THE ONE THAT YOU VERIFIED").said("/VERIFY bob");
        held.said("1 message not sent yet; kept until then: do not send it again");
        let trusts = alice(world).pipe("/TRUST bob\n").await;
        trusts.exited(3).said("another one is trusted by its digits alone: /VERIFY bob shows them");
        let trusts = alice(world).pipe("/TRUST bob NOBODY\n").await;
        trusts.exited(3).said("the server has not said that nobody has the name bob any more");
        for (wrong, why) in [
            (old, "these are the digits of bob's key before"),
            ("12345".repeat(12), "THESE ARE NOT THE DIGITS OF bob AND YOU"),
        ] {
            let told = alice(world).pipe(format!("/VERIFY bob {wrong}\n")).await;
            told.exited(1).said(why).said("what you wrote to bob was not sent");
        }
        bob().to("alice").pipe("").await.exited(0).printed(&[]);

        let told = alice(world).pipe(format!("/VERIFY bob {seen}\n")).await;
        told.exited(0).said("bob's new key SHA256:").said("is verified");
        bob().to("alice").pipe("").await.exited(0).printed(&["alice: for bob alone"]);
        alice(world).pipe("/FINGERPRINT bob\n").await.exited(0).said("bob's verified key: SHA256:");
    });
}

#[test]
fn that_a_verified_name_is_free_is_accepted_in_so_many_words() {
    story(async |world| {
        are_verified(world).await;
        let word = loses_key(world, "bob").await;
        let held = alice(world).pipe("for whoever is bob\n").await;
        held.exited(3).said("NOBODY HAS THE NAME bob ANY MORE").said("/TRUST bob NOBODY");
        let trusts = alice(world).pipe("/TRUST bob\n").await;
        trusts.exited(3).said("nobody has the name any more: /TRUST bob NOBODY trusts whoever");
        let released = alice(world).pipe("/TRUST bob NOBODY\n").await;
        released.exited(0).said("bob's key is forgotten");
        let (mut heir, key) = (world.connect().await, Identity::generate().unwrap());
        heir.prove_invited("bob", &key, Some(&word)).await;
        heir.expect("WELCOME bob").await;
        heir.expect("WAITING alice 1").await;
        heir.talk("alice").await;
        heir.hears("alice", 1, 1, "for whoever is bob").await;
    });
}

// Nothing unsealed.

const ALWAYS: [&str; 2] = ["--seal", "always"];

#[test]
fn who_seals_always_has_words_wait_until_somebody_has_come() {
    const WORD: &str = "tulip-bulbs-from-delft";
    story(async |world| {
        let start = Launch::of(world, "alice").to("bob").with(&ALWAYS);
        let mut alice = start.with(&["--follow", "--receipts"]).start();
        alice.says("nobody has the name bob yet; what you write waits here").await;
        alice.types(format!("{WORD}\n"));
        comes(world, "bob").await;
        alice.says("stored bob 1").await;
        assert!(!is_anywhere(&world.disk(), WORD));
        alice.kill().await;
        assert_eq!(read_all(world, "bob", "alice").await, [format!("alice: {WORD}")]);
    });
}

#[test]
fn a_script_that_seals_always_is_told_what_waits_and_for_what() {
    story(async |world| {
        // A name with a key and without a list.
        world.sign_in("bob").await.quit().await;
        let alice = |words: &[&str]| Launch::of(world, "alice").with(&ALWAYS).with(words);
        let told = alice(&["--to", "bob"]).pipe("one\n").await;
        told.exited(3).said("bob has no keys here yet, so says the server; what you write waits");
        told.said("what waits here for bob was not sent, for bob has no keys to seal it with");
        told.said("1 message not sent yet; kept until then: do not send it again");
        let told = alice(&["send", "--to", "bob", "two"]).pipe("").await;
        told.exited(3).said("for bob has no keys to seal it with");
        told.said("it is kept until then: do not send it again");
        let told = alice(&["send", "--to", "nobody-yet", "three"]).pipe("").await;
        told.exited(3).never_said("the host can read it");
        // What was written so waits whatever the next start says.
        Launch::of(world, "alice").to("bob").pipe("").await.exited(3).said("not sent yet");
        let mut bob = world.sign_in("bob").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn what_is_sent_beside_a_client_that_does_not_seal_always_is_refused_if_it_has_to() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let _alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
        bob.expect("PRESENCE alice online").await;
        let send = |words: &[&str]| {
            Launch::of(world, "alice").with(words).with(&["send", "--to", "bob", "hello"])
        };
        let told = send(&ALWAYS).pipe("").await;
        told.exited(1).said("was started without --seal always; nothing was sent");
        bob.hears_nothing().await;
        let told = send(&[]).pipe("").await;
        told.exited(0).said("bob has no keys here yet, so says the server");
        bob.hears("alice", 1, 1, "hello").await;
    });
}

#[test]
fn at_a_terminal_one_decides_meanwhile_what_goes_unsealed() {
    story(async |world| {
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let mut alice = alice(world).with(&["--follow", "--receipts"]).start();
        alice.says("what you write now can be read by whoever runs it").await;
        alice.types("/SEAL ALWAYS\n");
        alice.says("until you leave, nothing goes out unsealed").await;
        alice.types("hello\n");
        alice.says("bob has no keys here yet, so says the server; what you write waits here").await;
        alice.types("/SEAL AUTO\n");
        alice.says("what you write now can be read by whoever runs it").await;
        alice.says("stored bob 1").await;
        bob.expect("PRESENCE alice online").await;
        bob.hears("alice", 1, 1, "hello").await;
    });
}

// Cards.

/// What somebody's client says of them behind a word.
async fn told(client: Launch, command: &str, behind: &str) -> String {
    let said = client.with_commands().pipe(format!("{command}\n")).await;
    let line = said.err.lines().find_map(|it| it.split_once(behind)).map(|(_, rest)| rest);
    line.unwrap_or_else(|| panic!("{behind} is not in:\n{}", said.err)).into()
}

#[test]
fn whose_card_one_has_is_known_from_the_first_word_on() {
    story(async |world| {
        comes(world, "bob").await;
        let card = told(Launch::of(world, "bob").to("alice"), "/CARD", "-- tinychat://").await;
        let alice = || Launch::at(format!("tinychat://{card}"), "alice", &world.path("alice"));
        let hello = alice().to("bob").with_commands().pipe("/FINGERPRINT bob\nhello\n").await;
        hello.exited(0).said("bob's verified key: SHA256:").never_said("no keys");
        assert_eq!(read_all(world, "bob", "alice").await, ["alice: hello"]);
        let wrong = Launch::at(format!("tinychat://{card}x"), "alice", &world.path("alice"));
        let wrong = wrong.to("bob").pipe("hello\n").await;
        wrong.exited(2).said("what the address says of bob is no fingerprint");
    });
}

#[test]
fn whoever_shows_another_key_than_the_card_gets_nothing_until_digits_were_compared() {
    story(async |world| {
        comes(world, "bob").await;
        is_there(world, "alice").await;
        let key = world.identity("carol").public().fingerprint();
        let card = format!("{}?bob={key}", world.address());
        let held = Launch::at(&card, "alice", &world.path("alice")).to("bob");
        let held = held.pipe("for bob alone\n").await;
        held.exited(3).said("THE KEY OF bob IS NOT THE ONE THAT YOU VERIFIED");
        held.said(&format!("verified: {key}")).said("1 message not sent yet; kept until then");
        // Also where the address does not say so any more.
        let trusts = alice(world).pipe("/TRUST bob\n").await;
        trusts.exited(3).said("another one is trusted by its digits alone");
        let seen = digits(Launch::of(world, "bob"), "alice").await;
        let verified = alice(world).pipe(format!("/VERIFY bob {seen}\n")).await;
        verified.exited(0).said("bob's new key SHA256:");
        assert_eq!(read_all(world, "bob", "alice").await, ["alice: for bob alone"]);
        let stale = Launch::at(&card, "alice", &world.path("alice")).to("bob").pipe("").await;
        stale.exited(0).said("you verified another key of bob than the one in the address");
    });
}

#[test]
fn whose_card_one_has_is_written_to_sealed_or_not_at_all() {
    const WORD: &str = "tulip-bulbs-from-delft";
    story(async |world| {
        // Carol has a key, and was never here.
        let nowhere = Launch::at("127.0.0.1:1", "carol", &world.path("carol")).to("nobody");
        let nowhere = nowhere.with(&["--timeout", "1s"]);
        let key = told(nowhere, "/FINGERPRINT", "your key: ").await;
        let card = format!("{}?carol={key}", world.address());
        let alice = || Launch::at(&card, "alice", &world.path("alice"));
        let waits = alice().to("carol").pipe(format!("{WORD}\n")).await;
        waits.exited(3).said("nobody has the name carol yet; what you write waits here");
        let waits = alice().with(&["send", "--to", "carol", WORD]).pipe("").await;
        waits.exited(3).never_said("the host can read it");
        assert!(!is_anywhere(&world.disk(), WORD));
        comes(world, "carol").await;
        alice().to("carol").pipe("").await.exited(0);
        assert!(!is_anywhere(&world.disk(), WORD));
        let read = format!("alice: {WORD}");
        assert_eq!(read_all(world, "carol", "alice").await, [read.clone(), read]);
    });
}
