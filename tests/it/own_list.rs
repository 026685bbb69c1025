//! How a data folder comes into its person's list of devices. The story plays the server, where it does not matter who
//! else is there.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use async_channel::Receiver;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Timestamp;
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};
use tinychat::trust::{Identity, KeyFile, PublicKey};
use tinychat::wire::frame::ServerFrame;

use crate::device_lists::{SPLIT, VERIFY};
use crate::identity::{Agent, alice, story_of_a_key, text};
use crate::keys::shell;
use crate::programs::Launch;
use crate::script::{Caller, Stage, message};
use crate::world::{FIRST_INSTALLATION, Peer, World, patiently, story};

/// One of john's data folders.
struct Folder {
    path: PathBuf,
    stage: Stage,
}

/// His client, which receives.
struct John {
    client: Client,
    events: Receiver<Event>,
}

impl Folder {
    async fn new(world: &World, name: &str) -> Self {
        Self { path: world.path(name), stage: Stage::open().await }
    }

    /// John comes, and asks for his own list.
    async fn comes(&self) -> (John, Caller) {
        let server = self.stage.address().to_string().parse().unwrap();
        let user = "john".parse().unwrap();
        let config = Config { tls: false, ..Config::new(server, user, self.path.clone()) };
        let (client, events) = Client::start(config, None).unwrap();
        (John { client, events }, self.connects().await)
    }

    async fn connects(&self) -> Caller {
        let mut server = self.stage.receive().await.telling_of_list();
        server.expect("DEVICES john").await;
        server
    }

    fn key(&self, file: &str) -> Identity {
        let path = &self.path.join(file);
        Identity::open(KeyFile { path, agent: None, passphrase: None }).unwrap()
    }

    fn identity(&self) -> Identity {
        self.key("id_ed25519")
    }

    /// As a list calls it.
    fn device(&self, server: &Caller) -> Device {
        let installation = server.installation.parse().unwrap();
        Device { installation, key: self.key(DeviceKey::FILE).public() }
    }

    /// This folder's prekey in a list.
    fn prekey(&self, server: &Caller, list: &Bundle) -> Prekey {
        list.prekey(&self.device(server)).unwrap().prekey().clone()
    }

    fn owner(&self, identity: PublicKey) -> Owner {
        Owner { server: None, name: "john".parse().unwrap(), identity }
    }

    /// John comes into his list, which the server has lost or never had.
    async fn comes_into_the_list(&self) -> Bundle {
        let (john, mut server) = self.comes().await;
        server.show_list(None).await;
        let list = server.expect_list().await;
        server.say(&format!("LISTED john {}", list.list().version())).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
        list
    }
}

impl John {
    /// The next objection that he is told of.
    async fn is_told(&self) -> String {
        loop {
            let event = patiently("john is told something", self.events.recv()).await;
            if let Event::Objection { because } = event.unwrap() {
                return because;
            }
        }
    }

    async fn leaves(self, server: Caller) {
        drop(server);
        self.client.give(Command::Leave).await;
        patiently("the client ends", self.client.join()).await;
    }
}

#[test]
fn a_folder_comes_into_the_list_of_its_person_and_stays_there() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let (john, mut server) = folder.comes().await;
        server.show_list(None).await;
        let first = server.expect_list().await;
        let list = first.list();
        assert_eq!(*list.owner(), folder.owner(folder.identity().public()));
        assert_eq!((list.version(), list.devices()), (1, &[folder.device(&server)][..]));
        assert_eq!(folder.prekey(&server, &first).number, 1);
        server.say("LISTED john 1").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        drop(server);
        let mut server = folder.connects().await;
        server.show_list(Some(&first)).await;
        assert_eq!(server.catch_up().await, [""; 0], "it is there");
        john.leaves(server).await;
        let (john, mut server) = folder.comes().await;
        server.show_list(None).await;
        assert_eq!(server.expect_list().await, first, "the server has lost it");
        server.say("LISTED john 1").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
    });
}

#[test]
fn a_second_folder_comes_beside_the_first() {
    story(async |world| {
        let [desk, laptop] = [Folder::new(world, "desk").await, Folder::new(world, "laptop").await];
        let first = desk.comes_into_the_list().await;
        fs::create_dir(&laptop.path).unwrap();
        let key = fs::read(desk.path.join("id_ed25519")).unwrap();
        tinychat::folder::write_private(&laptop.path.join("id_ed25519"), &key).unwrap();
        let (john, mut server) = laptop.comes().await;
        server.show_list(Some(&first)).await;
        let second = server.expect_list().await;
        assert!(second.list().follows(first.list()));
        let both = [first.list().devices()[0], laptop.device(&server)];
        assert_eq!(second.list().devices(), both);
        assert_eq!(second.prekey(&both[0]), first.prekey(&both[0]));
        let other = first.prekey(&both[0]).unwrap().prekey();
        assert_ne!(laptop.prekey(&server, &second).curve, other.curve);
        // The desk was quicker with another one.
        let other = first.list().with(both[0], Timestamp(0)).unwrap();
        let other = Bundle::of(SignedList::sign(other, &desk.identity()).unwrap());
        server.say("ERR LIST john there is another").await;
        server.expect("DEVICES john").await;
        server.show_list(Some(&other)).await;
        let third = server.expect_list().await;
        assert!(third.list().follows(other.list()));
        assert_eq!(third.list().devices(), both);
        john.leaves(server).await;
    });
}

#[test]
fn a_folder_that_begins_anew_is_in_the_list_once() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let first = folder.comes_into_the_list().await;
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&first)).await;
        john.client.give(Command::Talk("marie".parse().unwrap())).await;
        server.expect("TALK marie 0").await;
        server.say("TALKING marie away 7 7 0 0 0").await;
        let mut server = folder.connects().await;
        assert_ne!(folder.device(&server), first.list().devices()[0], "it has begun anew");
        server.show_list(Some(&first)).await;
        server.expect("TALK marie 0").await;
        let second = server.expect_list().await;
        assert_eq!(second.list().devices(), [folder.device(&server)]);
        assert_eq!(second.list().gone(), first.list().devices());
        let before = first.prekey(&first.list().devices()[0]).unwrap().prekey();
        assert_ne!(folder.prekey(&server, &second).curve, before.curve);
        john.leaves(server).await;
    });
}

#[test]
fn a_folder_that_an_older_program_has_listed_says_its_prekey_with_the_list_as_it_is() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let first = folder.comes_into_the_list().await;
        let bare = Bundle::of(first.signed().clone());
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&bare)).await;
        assert_eq!(server.expect_list().await, first);
        server.say("LISTED john 1").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        drop(server);
        // The server was restored from a backup.
        let mut server = folder.connects().await;
        server.show_list(Some(&bare)).await;
        assert_eq!(server.expect_list().await, first);
        john.leaves(server).await;
    });
}

/// It is a copy, or was restored from before it had keys for others to seal with.
#[test]
fn a_folder_that_has_other_keys_than_the_server_shows_begins_anew() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let first = folder.comes_into_the_list().await;
        let (john, mut server) = folder.comes().await;
        let own = folder.prekey(&server, &first);
        let other = Prekey { curve: own.fallback, fallback: own.curve, ..own };
        let copy = world.path("copy");
        fs::DirBuilder::new().mode(0o700).create(&copy).unwrap();
        let file = fs::read(folder.path.join(DeviceKey::FILE)).unwrap();
        tinychat::folder::write_private(&copy.join(DeviceKey::FILE), &file).unwrap();
        let key = DeviceKey::open_or_create(&tinychat::folder::Folder::open(&copy).unwrap());
        let other = SignedPrekey::sign(other, &key.unwrap()).unwrap();
        server.show_list(Some(&first.clone().with(other).unwrap())).await;
        let mut server = folder.connects().await;
        assert_ne!(folder.device(&server), first.list().devices()[0], "it has begun anew");
        server.show_list(Some(&first)).await;
        let second = server.expect_list().await;
        assert_eq!(second.list().devices(), [folder.device(&server)]);
        john.leaves(server).await;
    });
}

#[test]
fn a_server_that_takes_no_list_is_asked_three_times_and_the_chat_goes_on() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let (john, mut server) = folder.comes().await;
        for n in 0..3 {
            if n > 0 {
                server.expect("DEVICES john").await;
            }
            server.show_list(None).await;
            server.expect_list().await;
            server.say("ERR LIST john the disk is full").await;
        }
        let told = john.is_told().await;
        assert!(told.contains("does not come into your list of devices"), "{told}");
        assert!(told.contains("the disk is full"), "{told}");
        assert_eq!(server.catch_up().await, [""; 0]);
        server.say(&message("marie", 1, FIRST_INSTALLATION, 1, "hello")).await;
        server.expect("ACK marie 1").await;
        drop(server);
        let mut server = folder.stage.receive().await.telling_of_list();
        assert_eq!(server.catch_up().await, [""; 0], "until the next start");
        john.leaves(server).await;
        let (john, server) = folder.comes().await;
        john.leaves(server).await;
    });
}

#[test]
fn a_server_that_can_take_no_list_for_now_gets_it_later_however_often_it_says_so() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let (john, mut server) = folder.comes().await;
        server.show_list(None).await;
        let list = server.expect_list().await;
        let full = "ERR LATER john the server cannot keep device lists now; try again later";
        let too_often = "ERR LATER - you say device lists too often; try again in 1 s";
        for refusal in [full, too_often, full, too_often] {
            server.say(refusal).await;
            server.expect("DEVICES john").await;
            server.show_list(None).await;
            assert_eq!(server.expect_list().await, list);
        }
        server.say("LISTED john 1").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        let told = std::iter::from_fn(|| john.events.try_recv().ok());
        let objections = told.filter(|event| matches!(event, Event::Objection { .. }));
        assert_eq!(objections.count(), 0, "nobody need know");
        john.leaves(server).await;
    });
}

#[test]
fn a_refusal_that_names_nobody_is_about_ones_own_list_if_that_was_said() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let (john, mut server) = folder.comes().await;
        server.show_list(None).await;
        let list = server.expect_list().await;
        server.say("ERR LIST - that is no list").await;
        server.expect("DEVICES john").await;
        server.show_list(None).await;
        assert_eq!(server.expect_list().await, list);
        john.leaves(server).await;
    });
}

#[test]
fn a_list_that_one_has_not_signed_is_not_believed() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let first = folder.comes_into_the_list().await;
        let mallory = Identity::generate().unwrap();
        let (owner, device) = (folder.owner(mallory.public()), first.list().devices()[0]);
        let foreign = DeviceList::first(owner, device, Timestamp(0)).with(device, Timestamp(0));
        let foreign = Bundle::of(SignedList::sign(foreign.unwrap(), &mallory).unwrap());
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&foreign)).await;
        let told = john.is_told().await;
        assert!(told.contains("a list of your devices that you have not signed"), "{told}");
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
        let (john, mut server) = folder.comes().await;
        server.say("DEVICES john 5 0\r\n").await;
        john.is_told().await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
    });
}

#[test]
fn what_nobody_asked_for_changes_nothing() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let (john, mut server) = folder.comes().await;
        server.say_all(&["LISTED john 9", "ERR LIST john no", "CHANGED john 9"]).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        server.show_list(None).await;
        let list = server.expect_list().await;
        server.show_list(None).await;
        server.say("LISTED john 1").await;
        server.show_list(None).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        assert_eq!(list.list().version(), 1);
        john.leaves(server).await;
    });
}

#[test]
fn what_only_sends_comes_into_no_list() {
    story(async |world| {
        let stage = Stage::open().await;
        let words = ["send", "--to", "marie", "hello"];
        let john = Launch::at(stage.address(), "john", &world.path("john")).with(&words).start();
        let mut server = stage.receive().await.telling_of_list();
        server.expect("TALK marie 0").await;
        server.say("TALKING marie away 0 0 0 0 0").await;
        server.expect("MSG marie 1 text 0 5 hello").await;
        server.say("STORED marie 1").await;
        john.end().await.exited(0);
        assert!(!world.path("john").join(DeviceKey::FILE).exists());
    });
}

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
        fs::write(folder.join("answer"), "no\n").unwrap();
        alice.says("does not come into your list of devices: your SSH agent at").await;
        alice.types("fine\n");
        bob.hears("alice", 2, 2, "fine").await;
        bob.ack("alice", 2).await;
        alice.kill().await;
    });
}
