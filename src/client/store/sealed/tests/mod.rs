//! Data folders of alice and bob, whose messages are carried by the tests.

mod receiving;
mod sending;

use std::sync::Arc;

use rusqlite::{Connection, Transaction};
use vodozemac::olm::OlmMessage;

use super::super::accounts::{Keys, Renewal};
use super::super::devices::Kept;
use super::super::history::{self, Noticed, Receiver, Verdict};
use super::super::outbox::{self, Outgoing};
use super::super::rows::Passage;
use super::super::scope::{Scope, Server};
use super::super::thread::tests::{in_memory, run};
use super::super::{accounts, contacts, devices};
use super::keyring::{Keyring, Me};
use super::opening::{self, Opener, Opening};
use super::sealing::{self, Taken, Want};
use crate::client::config::Unasked;
use crate::message::{Installation, Kind, Message, MessageId, Name, Timestamp};
use crate::seal::{Body, Content, Got, MAX_GOT};
use crate::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey, SignedWriter,
    Writer, device_key,
};
use crate::trust::{CurveKey, Fingerprint, Identity};

/// When everything begins.
const START: Timestamp = Timestamp(1_000_000);

const DAY: u64 = 24 * 60 * 60 * 1_000;

fn server() -> Server {
    Server::of(Fingerprint::of(b"server"))
}

struct Person {
    name: Name,
    identity: Identity,
}

impl Person {
    fn new(name: &str) -> Self {
        Self { name: name.parse().unwrap(), identity: Identity::generate().unwrap() }
    }

    fn owner(&self) -> Owner {
        let (name, identity) = (self.name.clone(), self.identity.public());
        Owner { server: server().key(), name, identity }
    }

    fn folder(&self, installation: u64) -> Folder {
        let (name, identity) = (self.name.clone(), self.identity.public());
        Folder {
            store: in_memory(),
            keyring: Keyring::default(),
            me: Me { name, identity, writer: None },
            key: device_key(),
            installation: Installation::from_u64(installation),
            now: START,
            noticed: Noticed::default(),
        }
    }

    fn sign(&self, list: DeviceList) -> Bundle {
        Bundle::of(SignedList::sign(list, &self.identity).unwrap())
    }

    /// A list of these folders, which came one after another, with their prekeys.
    fn list(&self, folders: &mut [&mut Folder]) -> Bundle {
        let mut devices = folders.iter().map(|folder| folder.device());
        let first = DeviceList::first(self.owner(), devices.next().unwrap(), START);
        let list = devices.fold(first, |list, device| list.with(device, START).unwrap());
        let prekeys = folders.iter_mut().map(|folder| folder.prekey(self.owner()));
        prekeys.fold(self.sign(list), |bundle, prekey| bundle.with(prekey).unwrap())
    }
}

struct Folder {
    store: Connection,
    keyring: Keyring,
    me: Me,
    key: DeviceKey,
    installation: Installation,
    now: Timestamp,
    noticed: Noticed,
}

impl Folder {
    fn device(&self) -> Device {
        Device { installation: self.installation, key: self.key.public() }
    }

    fn keys(&mut self) -> Keys {
        let (installation, now) = (self.installation, self.now);
        run(&mut self.store, |tx| accounts::of(tx, &server(), installation, now))
    }

    fn curve(&mut self) -> CurveKey {
        self.keys().account.curve()
    }

    /// 37 days pass, and others are to begin with another key.
    fn renews(&mut self) {
        self.now = Timestamp(self.now.0 + 37 * DAY);
        let (installation, now) = (self.installation, self.now);
        let renew = |tx: &Transaction<'_>| accounts::renew(tx, &server(), installation, now, false);
        assert_eq!(run(&mut self.store, renew), Renewal::Renewed);
    }

    fn prekey(&mut self, owner: Owner) -> SignedPrekey {
        let Keys { account, number, .. } = self.keys();
        let prekey = Prekey {
            server: owner.server,
            name: owner.name,
            identity: owner.identity.fingerprint(),
            installation: self.installation,
            curve: account.curve(),
            fallback: account.fallback(),
            number,
            time: START,
        };
        SignedPrekey::sign(prekey, &self.key).unwrap()
    }

    /// What its person says of it, if it stands in no list.
    fn writer(&mut self, person: &Person) -> SignedWriter {
        let (owner, installation, curve) = (person.owner(), self.installation, self.curve());
        let writer = Writer { owner, installation, curve, time: START };
        SignedWriter::sign(writer, &person.identity).unwrap()
    }

    fn meets(&mut self, person: &Person) {
        let key = Some(person.identity.public());
        run(&mut self.store, |tx| contacts::meet(tx, &server(), &person.name, key));
    }

    fn believes(&mut self, person: &Person, list: &Bundle) {
        self.meets(person);
        let list = Kept::of(list);
        run(&mut self.store, |tx| devices::keep(tx, &server(), &person.name, &list));
    }

    fn scope(&self, peer: &str) -> Scope {
        let installation = self.installation;
        Scope { server: server(), peer: peer.parse().unwrap(), installation }
    }

    /// Returns its number.
    fn writes(&mut self, to: &str, text: &str) -> u64 {
        let (scope, body) = (self.scope(to), text.to_owned().into());
        let add = |tx: &Transaction<'_>| outbox::add(tx, &scope, Kind::TEXT, body, START, false);
        run(&mut self.store, add).n
    }

    fn takes(&mut self, to: &str, version: u64, above: u64) -> Taken {
        let (scope, want) = (self.scope(to), Want { version, above, limit: 2_000 });
        let Self { store, keyring, me, now, .. } = self;
        run(store, |tx| sealing::take(tx, keyring, me, &scope, want, *now))
    }

    /// What is above a number, for the list that is believed.
    fn sends(&mut self, to: &str, above: u64) -> Vec<Outgoing> {
        let scope = self.scope(to);
        let list = run(&mut self.store, |tx| devices::known(tx, &scope.server, &scope.peer));
        let Taken::Messages(messages) = self.takes(to, list.version, above) else { panic!("{to}") };
        messages
    }

    /// Writes a message and sends it.
    fn says(&mut self, to: &str, text: &str) -> Message {
        let n = self.writes(to, text);
        let [message] = &self.sends(to, n - 1)[..] else { panic!("{text}") };
        self.sent(message)
    }

    /// A message of this folder, as it arrives.
    fn sent(&self, message: &Outgoing) -> Message {
        let Outgoing { n, origin, kind, body, .. } = message.clone();
        let id = MessageId { installation: self.installation, n };
        Message { id, origin, time: START, kind, body }
    }

    fn receives(&mut self, from: &str, message: &Message) -> Verdict {
        self.receives_when(from, message, false)
    }

    /// The newest list may have been asked for.
    fn receives_when(&mut self, from: &str, message: &Message, is_last: bool) -> Verdict {
        let (from, message) = (from.parse().unwrap(), message.clone());
        let Self { store, keyring, me, installation, now, noticed, .. } = self;
        let (installation, now, unasked) = (*installation, *now, Unasked::NONE);
        let is_device = me.writer.is_none();
        let receiver =
            &mut Receiver { keyring, me, installation, unasked, now, is_device, is_last, noticed };
        run(store, |tx| history::receive(tx, receiver, &server(), from, message))
    }

    /// A sealed message comes, and is opened.
    fn reads(&mut self, from: &str, message: &Message) -> String {
        match self.receives(from, message) {
            Verdict::New(it) if it.passage == Passage::Sealed && it.kind == Kind::TEXT => {
                String::from_utf8(it.body.to_vec()).unwrap()
            }
            other => panic!("{other:?}"),
        }
    }

    /// What is in a message, as nothing is kept of.
    fn looks_into(&mut self, from: &str, message: &Message) -> Content {
        let (from, body) = (from.parse().unwrap(), body(message));
        let Self { store, keyring, me, installation, now, .. } = self;
        let server = &server();
        let opener = Opener { keyring, me, server, installation: *installation, now: *now };
        let tx = store.transaction().unwrap();
        match opening::open(&tx, opener, &from, message, &body).unwrap() {
            Opening::Opened(content) => content,
            other => panic!("{other:?}"),
        }
    }

    fn count(&self, table: &str) -> i64 {
        let query = format!("SELECT count(*) FROM {table}");
        self.store.query_row(&query, (), |row| row.get(0)).unwrap()
    }

    /// All sessions, as they are on the disk.
    fn sessions(&self) -> Vec<String> {
        let query = "SELECT id || pickle || sends || ' ' || taken || ' ' || unanswered FROM session
                     ORDER BY peer, installation, id";
        let mut query = self.store.prepare(query).unwrap();
        query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// The program ends and begins again.
    fn restarts(&mut self) {
        run(&mut self.store, super::sessions::leave_all);
        self.keyring = Keyring::default();
    }
}

/// Alice and bob, a data folder of each, and their lists, which both believe.
struct World {
    alice: Person,
    bob: Person,
    here: Folder,
    there: Folder,
}

fn world() -> World {
    let [alice, bob] = ["alice", "bob"].map(Person::new);
    let (mut here, mut there) = (alice.folder(1), bob.folder(2));
    let lists = [alice.list(&mut [&mut here]), bob.list(&mut [&mut there])];
    for folder in [&mut here, &mut there] {
        folder.believes(&alice, &lists[0]);
        folder.believes(&bob, &lists[1]);
    }
    World { alice, bob, here, there }
}

fn body(message: &Message) -> Body {
    assert_eq!(message.kind, Kind::SEAL);
    Body::decode(message.body.clone()).unwrap()
}

#[test]
fn they_write_to_each_other_under_seal() {
    let World { mut here, mut there, .. } = world();
    let first = here.says("bob", "hi bob");
    assert!(!first.body.windows(6).any(|it| it == b"hi bob"));
    assert_eq!(there.reads("alice", &first), "hi bob");
    let answer = there.says("alice", "hi alice");
    assert_eq!(here.reads("bob", &answer), "hi alice");
    let next = here.says("bob", "how are you?");
    let begins = |message: &Message| {
        let body = body(message);
        let envelope = body.envelope(there.installation).unwrap();
        matches!(envelope.message().unwrap(), OlmMessage::PreKey(_))
    };
    assert!(begins(&first) && !begins(&next));
    assert_eq!(there.reads("alice", &next), "how are you?");
    for folder in [&here, &there] {
        assert_eq!(folder.count("session"), 1);
        assert_eq!(folder.count("message WHERE sealed = 1"), 3);
    }
}

/// Somebody wrote from many data folders.
#[test]
fn whoever_writes_tells_what_came_from_those_that_wrote_last() {
    let World { alice, bob, mut here, mut there } = world();
    let mut first = here.says("bob", "one");
    assert_eq!(there.looks_into("alice", &first).got, [], "nothing came");
    let second = here.says("bob", "two");
    there.reads("alice", &second);
    there.reads("alice", &first);
    let answer = there.says("alice", "hi");
    let got = |installation: Installation, n| Got { installation, n };
    assert_eq!(here.looks_into("bob", &answer).got, [got(here.installation, 2)]);
    here.reads("bob", &answer);
    first = here.says("bob", "three");
    assert_eq!(there.looks_into("alice", &first).got, [got(there.installation, 1)]);
    let bobs = run(&mut here.store, |tx| devices::known(tx, &server(), &bob.name));
    let bobs = bobs.bundle().unwrap();
    for number in 10..20 {
        let mut job = alice.folder(number);
        job.believes(&bob, &bobs);
        job.me.writer = Some(job.writer(&alice));
        let said = job.says("bob", "done");
        there.reads("alice", &said);
    }
    let answer = there.says("alice", "good");
    let last = here.looks_into("bob", &answer).got;
    let expected = (0..MAX_GOT as u64).map(|ago| got(Installation::from_u64(19 - ago), 1));
    assert_eq!(last, expected.collect::<Vec<_>>());
}

#[test]
fn keys_are_read_once_and_again_when_they_are_others() {
    let World { bob, mut here, mut there, .. } = world();
    let known = |here: &mut Folder| {
        let Folder { store, keyring, me, .. } = here;
        run(store, |tx| keyring.person(tx, me, &server(), &bob.name))
    };
    let before = known(&mut here);
    assert_eq!(before.devices[0].installation, there.installation);
    assert!(Arc::ptr_eq(&before, &known(&mut here)));
    let mut phone = bob.folder(3);
    here.believes(&bob, &bob.list(&mut [&mut there, &mut phone]));
    assert_eq!(known(&mut here).devices.len(), 2);
    run(&mut here.store, |tx| tx.execute("DELETE FROM contact", ()));
    assert_eq!(known(&mut here).list, None, "nobody is trusted to have signed it");
}

#[test]
fn an_account_is_remembered_once_it_is_on_the_disk() {
    let mut here = Person::new("alice").folder(1);
    let (installation, now) = (here.installation, here.now);
    let Folder { store, keyring, .. } = &mut here;
    let mut curve = |tx: &Transaction<'_>| {
        let keys = keyring.account(tx, &server(), installation, now)?;
        Ok::<_, rusqlite::Error>(keys.account.curve())
    };
    let failed = store.transaction().unwrap();
    let lost = curve(&failed).unwrap();
    drop(failed);
    let kept = run(store, &mut curve);
    assert_ne!(kept, lost);
    assert_eq!(run(store, &mut curve), kept);
    assert_eq!(run(store, &mut curve), kept);
}
