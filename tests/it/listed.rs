//! Real programs come into their person's list of devices, and everybody is told of it; also where an agent signs.

use std::fs;
use std::path::Path;

use tinychat::trust::devices::{Bundle, DeviceKey};
use tinychat::trust::{Identity, KeyFile};
use tinychat::wire::frame::ServerFrame;

use crate::device_lists::{SPLIT, VERIFY};
use crate::identity::{Agent, alice, story_of_a_key, text};
use crate::keys::shell;
use crate::programs::Launch;
use crate::world::{Peer, World};

/// Bob, who talks to alice, is told of her first list, which is signed by the key that is `id` in the world's folder.
async fn alices_first_list(world: &World, bob: &mut Peer) -> Bundle {
    while bob.next().await != "CHANGED alice 1" {}
    bob.send("DEVICES alice").await;
    let ServerFrame::Devices { version: 1, bundle, .. } = bob.frame().await else {
        panic!("bob is told of a list")
    };
    let list = Bundle::read(bundle).unwrap();
    fs::write(world.path("statement"), list.signed().bytes()).unwrap();
    let said = shell(&world.path(""), &format!("{SPLIT}{VERIFY}"));
    assert!(said.starts_with("Good \"tinychat-devices\" signature for john"), "{said}");
    list
}

#[test]
fn everybody_is_told_of_a_list_and_ssh_keygen_checks_it() {
    story_of_a_key("", async |world, key| {
        let mut bob = world.sign_in("bob").await.telling_of_lists();
        bob.talk("alice").await;
        let alice = alice(world, key).with(&["--follow"]).start();
        let list = alices_first_list(world, &mut bob).await;
        let path = &world.path("alice").join(DeviceKey::FILE);
        let device = Identity::open(KeyFile { path, agent: None, passphrase: None }).unwrap();
        let keys: Vec<_> = list.list().devices().iter().map(|it| it.key).collect();
        assert_eq!(keys, [device.public()]);
        alice.kill().await;
    });
}

/// What the server shows of alice, and how many prekeys it has.
async fn devices_of_alice(bob: &mut Peer) -> Bundle {
    bob.send("DEVICES alice").await;
    loop {
        match bob.frame().await {
            ServerFrame::Devices { bundle, .. } => return Bundle::read(bundle).unwrap(),
            ServerFrame::Changed { .. } | ServerFrame::Presence { .. } => {}
            other => panic!("bob is told of a list, and not {other:?}"),
        }
    }
}

#[test]
fn each_device_of_a_person_has_a_prekey_of_its_own() {
    story_of_a_key("", async |world, key| {
        let mut bob = world.sign_in("bob").await.telling_of_lists();
        bob.talk("alice").await;
        let desk = alice(world, key).with(&["--follow"]).start();
        let first = alices_first_list(world, &mut bob).await;
        assert_eq!((first.list().devices().len(), first.lacking().count()), (1, 0));
        desk.kill().await;
        let laptop = Launch::at(world.address(), "alice", &world.path("laptop"));
        let laptop = laptop.with(&["--identity", key, "--to", "bob", "--follow"]).start();
        while bob.next().await != "CHANGED alice 2" {}
        let second = devices_of_alice(&mut bob).await;
        assert_eq!((second.list().devices().len(), second.lacking().count()), (2, 0));
        let old = &first.list().devices()[0];
        assert_eq!(second.prekey(old), first.prekey(old));
        laptop.kill().await;
    });
}

#[test]
fn a_key_that_only_an_agent_has_signs_a_list_that_the_server_takes() {
    story_of_a_key("", async |world, key| {
        let agent = Agent::asking(world, "/bin/false").await;
        agent.add(&[key]).await;
        fs::remove_file(key).unwrap();
        let mut bob = world.sign_in("bob").await.telling_of_lists();
        bob.talk("alice").await;
        let alice = alice(world, &format!("{key}.pub")).with(&["--follow"]);
        let alice = alice.variable("SSH_AUTH_SOCK", &agent.socket).start();
        let list = alices_first_list(world, &mut bob).await;
        assert_eq!(list.list().devices().len(), 1);
        alice.kill().await;
    });
}

/// A program that says yes once, for signing in; then it says that it is asked again, and waits for an answer.
fn asking(folder: &Path) -> String {
    let (program, folder) = (text(&folder.join("ask")), text(folder));
    let script = format!(
        "mkfifo again answer
         cat > ask <<'END'
         #!/bin/sh
         test -e '{folder}/asked' || {{ echo > '{folder}/asked'; exit 0; }}
         echo > '{folder}/again'
         exec grep -q yes '{folder}/answer'\nEND
         sed -i 's/^ *//' ask; chmod +x ask"
    );
    shell(Path::new(&folder), &script);
    program
}

#[test]
fn the_chat_goes_on_while_an_agent_asks_and_when_it_refuses() {
    story_of_a_key("", async |world, key| {
        let folder = world.path("");
        let agent = Agent::asking(world, &asking(&folder)).await;
        agent.add(&["-c", key]).await;
        let mut bob = world.sign_in("bob").await;
        bob.talk("alice").await;
        let alice = alice(world, &format!("{key}.pub")).with(&["--follow"]);
        let mut alice = alice.variable("SSH_AUTH_SOCK", &agent.socket).start();
        shell(&folder, "timeout 60 cat again");
        alice.types("hello\n");
        bob.hears("alice", 1, 1, "hello").await;
        bob.ack("alice", 1).await;
        bob.say("alice", 1, "how are you?").await;
        alice.logs("how are you?").await;
        alice.says("is asked to sign your list of devices, and may be asking you").await;
        fs::write(folder.join("answer"), "no\n").unwrap();
        alice.says("does not come into your list of devices: your SSH agent at").await;
        alice.types("fine\n");
        bob.hears("alice", 2, 2, "fine").await;
        bob.ack("alice", 2).await;
        alice.kill().await;
    });
}
