//! Whose name it is: the first key, its proof, and the spellings of a name.

use std::path::Path;
use std::process::Command;

use tinychat::trust::Identity;
use tinychat::trust::tls::Channel;
use tinychat::wire::sign_in_text;

use crate::world::{FIRST_INSTALLATION, Peer, World, story};

/// Says HELLO with this key word and returns the nonce.
async fn hello(peer: &mut Peer, name: &str, key: &str) -> String {
    peer.send(&format!("HELLO tinychat/2 {name} {key} {FIRST_INSTALLATION} online")).await;
    peer.challenge().await
}

/// Claims alice's name with her key, and proves it with a signature over `text(nonce)`.
async fn alice_signs(world: &World, namespace: &str, text: impl Fn(&str) -> String) -> Peer {
    let alices = world.identity("alice");
    let mut alice = world.connect().await;
    let nonce = hello(&mut alice, "alice", &alices.public().to_string()).await;
    let signature = alices.sign(namespace, &text(&nonce)).unwrap();
    alice.send_proof(&signature).await;
    alice
}

fn text_for(name: &str, nonce: &str) -> String {
    sign_in_text(&name.parse().unwrap(), nonce, &Channel::Plain)
}

#[test]
fn the_first_key_owns_the_name() {
    story(async |world| {
        let alice = world.sign_in("alice").await;
        let mut impostor = world.connect().await;
        impostor.prove("alice", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        impostor.expect("ERR TAKEN -").await;
        impostor.end().await;
        // Neither while she is there nor when she is away; and she was not disturbed.
        alice.quit().await;
        let mut impostor = world.connect().await;
        impostor.prove("alice", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        impostor.expect("ERR TAKEN -").await;
        impostor.end().await;
        world.sign_in("alice").await;
    });
}

#[test]
fn a_name_stays_with_its_key_when_the_server_starts_again() {
    story(async |world| {
        world.sign_in("alice").await.quit().await;
        world.restart().await;
        let mut impostor = world.connect().await;
        impostor.prove("alice", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        impostor.expect("ERR TAKEN -").await;
        world.sign_in("alice").await;
    });
}

#[test]
fn one_key_may_own_two_names() {
    story(async |world| {
        let key = world.identity("alice");
        for name in ["alice", "alice.work"] {
            let mut peer = world.connect().await;
            peer.prove(name, &key, FIRST_INSTALLATION).await;
            peer.expect(&format!("WELCOME {name}")).await;
        }
    });
}

#[test]
fn case_and_width_make_no_other_name() {
    story(async |world| {
        let mut alice = world.sign_in("alice").await;
        let mut impostor = world.connect().await;
        impostor.prove("ALICE", &Identity::generate().unwrap(), FIRST_INSTALLATION).await;
        impostor.expect("ERR TAKEN -").await;
        let mut shouting = world.connect().await;
        shouting.prove("ＡＬＩＣＥ", &world.identity("alice"), FIRST_INSTALLATION).await;
        shouting.expect("WELCOME alice").await;
        alice.expect("BYE replaced").await;
        shouting.send("TALK BOB 0").await;
        shouting.expect("TALKING bob away 0 0 0 0 0").await;
        shouting.say("Bob", 1, "hello").await;
        shouting.expect("STORED bob 1").await;
        shouting.send("TALK Alice 0").await;
        shouting.expect("ERR SELF alice").await;
    });
}

#[test]
fn a_signature_by_another_key_proves_nothing() {
    story(async |world| {
        let mut alice = world.connect().await;
        let nonce = hello(&mut alice, "alice", &world.identity("alice").public().to_string()).await;
        let text = text_for("alice", &nonce);
        let signature = world.identity("mallory").sign("tinychat", &text).unwrap();
        alice.send_proof(&signature).await;
        alice.expect("ERR PROOF -").await;
        alice.end().await;
    });
}

#[test]
fn a_signature_over_something_else_proves_nothing() {
    story(async |world| {
        let other_nonce = "0".repeat(64);
        let mut right = alice_signs(world, "tinychat", |nonce| text_for("alice", nonce)).await;
        right.expect("WELCOME alice").await;
        right.quit().await;
        let mut wrong = vec![
            alice_signs(world, "tinychat", |_| text_for("alice", &other_nonce)).await,
            alice_signs(world, "tinychat", |nonce| text_for("bob", nonce)).await,
            alice_signs(world, "tinychat", |nonce| {
                text_for("alice", nonce).replace("binding none", "binding x")
            })
            .await,
            alice_signs(world, "tinychat", |nonce| text_for("alice", nonce).trim_end().into())
                .await,
            alice_signs(world, "git", |nonce| text_for("alice", nonce)).await,
        ];
        for garbage in ["", "garbage", "-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----"]
        {
            let mut peer = world.connect().await;
            hello(&mut peer, "alice", &world.identity("alice").public().to_string()).await;
            peer.send_proof(garbage).await;
            wrong.push(peer);
        }
        for mut peer in wrong {
            peer.expect("ERR PROOF -").await;
            peer.end().await;
        }
    });
}

#[test]
fn a_signature_is_good_once() {
    story(async |world| {
        let alices = world.identity("alice");
        let mut first = world.connect().await;
        let nonce = hello(&mut first, "alice", &alices.public().to_string()).await;
        let signature = alices.sign("tinychat", &text_for("alice", &nonce)).unwrap();
        first.send_proof(&signature).await;
        first.expect("WELCOME alice").await;
        let mut replay = world.connect().await;
        let fresh = hello(&mut replay, "alice", &alices.public().to_string()).await;
        assert_ne!(fresh, nonce);
        assert!(fresh.len() == 64 && fresh.bytes().all(|it| it.is_ascii_hexdigit()), "{fresh}");
        replay.send_proof(&signature).await;
        replay.expect("ERR PROOF -").await;
        replay.end().await;
        first.hears_nothing().await;
    });
}

#[test]
fn a_failed_proof_claims_no_name() {
    story(async |world| {
        let mut mallory = world.connect().await;
        hello(&mut mallory, "alice", &world.identity("mallory").public().to_string()).await;
        mallory.send_proof("garbage").await;
        mallory.expect("ERR PROOF -").await;
        world.sign_in("alice").await;
    });
}

#[test]
fn only_ed25519_keys_are_keys() {
    // The length and the word in front are right, then comes the beginning of an RSA key.
    let rsa = "AAAAB3NzaC1yc2EAAAADAQABAAAAgQDTZ0Q2Sl6sXcnr7pRjGsDXsZ9Hl3Pt4Qm1w0t5u3cK";
    story(async |world| {
        let good = world.identity("alice").public().to_string();
        for key in [rsa, "garbage", "AAAA", "-", &good[..40], &format!("{good}AAAA")] {
            let mut peer = world.connect().await;
            peer.send(&format!("HELLO tinychat/2 alice {key} {FIRST_INSTALLATION} online")).await;
            peer.expect("ERR KEY -").await;
            peer.end().await;
        }
    });
}

#[test]
fn ssh_keygen_makes_the_proof() {
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        eprintln!("SKIPPED: there is no ssh-keygen here to sign with");
        return;
    }
    story(async |world| {
        let key = world.path("id");
        ssh_keygen(&["-q", "-t", "ed25519", "-N", "", "-f", path(&key)]);
        let line = std::fs::read_to_string(world.path("id.pub")).unwrap();
        let word = line.split(' ').nth(1).unwrap();
        let mut alice = world.connect().await;
        let nonce = hello(&mut alice, "Alice", word).await;
        let text = world.path("text");
        let lines =
            format!("tinychat/2 sign-in\nserver none\nname alice\nnonce {nonce}\nbinding none\n");
        std::fs::write(&text, lines).unwrap();
        ssh_keygen(&["-q", "-Y", "sign", "-n", "tinychat", "-f", path(&key), path(&text)]);
        alice.send_proof(&std::fs::read_to_string(world.path("text.sig")).unwrap()).await;
        alice.expect("WELCOME alice").await;
    });
}

fn ssh_keygen(words: &[&str]) {
    let output = Command::new("ssh-keygen").args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
