//! How a data folder comes into its person's list of devices. The story plays the server, where it does not matter who
//! else is there.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use async_channel::Receiver;
use tinychat::client::{Client, Command, Config, Event};
use tinychat::message::Timestamp;
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};
use tinychat::trust::{Identity, KeyFile, PublicKey};

use crate::programs::Launch;
use crate::script::{Caller, Stage, message};
use crate::world::{FIRST_INSTALLATION, World, patiently, story};

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

    /// So many days pass while nobody is there.
    fn ages(&self, days: i64) {
        let store = rusqlite::Connection::open(self.path.join("messages.db")).unwrap();
        store.execute("UPDATE account SET time = time - 86400000 * ?", [days]).unwrap();
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

#[test]
fn after_37_days_a_folder_says_another_key_to_begin_with_once_nothing_waits() {
    story(async |world| {
        let folder = Folder::new(world, "john").await;
        let first = folder.comes_into_the_list().await;
        folder.ages(36);
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&first)).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
        folder.ages(2);
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&first)).await;
        // Of whom does something wait?
        server.expect("PING").await;
        server.say_all(&["WAITING marie 1", "PONG"]).await;
        assert_eq!(server.catch_up().await, [""; 0]);
        server.say_all(&["WAITING marie 0", "PONG"]).await;
        server.expect("DEVICES john").await;
        server.show_list(Some(&first)).await;
        let second = server.expect_list().await;
        assert_eq!(second.signed(), first.signed());
        let [before, after] = [&first, &second].map(|list| folder.prekey(&server, list));
        assert_eq!((after.number, after.curve), (2, before.curve));
        assert_ne!(after.fallback, before.fallback);
        server.say("LISTED john 1").await;
        assert_eq!(server.catch_up().await, [""; 0]);
        john.leaves(server).await;
        let (john, mut server) = folder.comes().await;
        server.show_list(Some(&first)).await;
        assert_eq!(server.expect_list().await, second, "the server has lost it");
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
        assert_eq!(server.catch_up().await, [""; 0]);
        server.say("STORED marie 1").await;
        john.end().await.exited(0);
        assert!(!world.path("john").join(DeviceKey::FILE).exists());
        // Nor has its person signed anything for it, as nothing was to be sealed.
        let store = rusqlite::Connection::open(world.path("john").join("messages.db")).unwrap();
        let signed = "SELECT count(writer) FROM account";
        assert_eq!(store.query_row(signed, (), |row| row.get::<_, i64>(0)), Ok(0));
    });
}
