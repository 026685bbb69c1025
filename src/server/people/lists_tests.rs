//! Which list counts, when, and which are refused.

use async_std::task::block_on;
use futures::FutureExt;
use tempfile::TempDir;

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::clock::Moment;
use crate::mailbox::MemoryMailbox;
use crate::message::{Installation, Timestamp};
use crate::server::people::Registration;
use crate::trust::Identity;
use crate::trust::devices::{Device, DeviceKey, DeviceList, SignedList, device_key, prekey_of};

/// Marie has her name on a server without TLS. Nothing is on the disk before the test says so.
struct Place {
    lists: Lists,
    names: Arc<Names>,
    marie: Identity,
    /// The server's.
    key: Arc<Mutex<Option<Fingerprint>>>,
    _folder: TempDir,
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn claim(names: &Names, identity: &Identity) {
    let marie = name("marie");
    let claimed = names.claim(&marie, identity.public(), None, Moment::START, || Ok(()));
    block_on(claimed).unwrap();
}

/// The keys of all devices.
static KEYS: Mutex<Vec<DeviceKey>> = Mutex::new(Vec::new());

fn device(number: u64) -> Device {
    let own = device_key();
    let key = own.public();
    KEYS.lock().unwrap_or_else(PoisonError::into_inner).push(own);
    Device { installation: Installation::from_u64(number), key }
}

/// A list that somebody signs, with prekeys that have this number and are of devices with this key for life.
fn bundle(list: &DeviceList, identity: &Identity, number: u64, life: u8) -> Bundle {
    let keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_in = |key: &&DeviceKey| list.devices().iter().any(|it| it.key == key.public());
    let prekeys = keys.iter().filter(is_in).map(|key| prekey_of(list, key, number, life));
    let alone = Bundle::of(SignedList::sign(list.clone(), identity).unwrap());
    prekeys.fold(alone, |bundle, prekey| bundle.with(prekey).unwrap())
}

fn first(identity: &Identity) -> DeviceList {
    let (server, name) = (None, name("marie"));
    let owner = Owner { server, name, identity: identity.public() };
    DeviceList::first(owner, device(1), Timestamp(0))
}

fn next(list: &DeviceList) -> DeviceList {
    list.with(device(list.version() + 1), Timestamp(0)).unwrap()
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let watched = Arc::<Watched>::default();
        let told = watched.clone();
        let changed = move |name: &Name, owner| told.set_owner(name, owner);
        let path = folder.path().join("names");
        let names = Arc::new(Names::open(&path, Registration::Open, changed).unwrap());
        let marie = Identity::generate().unwrap();
        claim(&names, &marie);
        let mailbox = Arc::new(MemoryMailbox::default());
        let key = Arc::<Mutex<Option<Fingerprint>>>::default();
        let server = key.clone();
        let server = Box::new(move || *server.lock().unwrap());
        let lists = Lists::new(names.clone(), mailbox, watched, server);
        Self { lists, names, marie, key, _folder: folder }
    }

    fn sign(&self, list: &DeviceList) -> Bundle {
        self.sign_with(list, 1)
    }

    /// With prekeys of this number.
    fn sign_with(&self, list: &DeviceList, number: u64) -> Bundle {
        bundle(list, &self.marie, number, 1)
    }

    /// Says a list; the disk is done with all that is to be written.
    fn say(&self, list: &Bundle) -> Result<u64, NotTaken> {
        let said_by = name("john");
        let mut taking = Box::pin(self.lists.take(&said_by, list.bytes()));
        let taken = match (&mut taking).now_or_never() {
            Some(taken) => taken,
            None => {
                self.sync();
                block_on(taking)
            }
        };
        taken
            .map(|(of, version)| {
                assert_eq!(of, name("marie"));
                version
            })
            .map_err(|(_, error)| error)
    }

    fn sync(&self) {
        let marie = name("marie");
        self.lists.committed(&marie, self.lists.mailbox.list_of(&marie));
    }

    /// What is told of her.
    fn shown(&self) -> Bytes {
        block_on(self.lists.newest(&name("marie"))).unwrap().unwrap().bundle
    }

    fn accepted(&self) -> u64 {
        self.lists.watch(&name("marie")).hold().version()
    }

    fn told(&self) -> u64 {
        let newest = block_on(self.lists.newest(&name("marie"))).unwrap();
        assert_eq!(newest.map_or(0, |it| it.id.version), self.lists.version(&name("marie")));
        self.lists.version(&name("marie"))
    }
}

#[test]
fn messages_are_for_a_list_from_the_moment_that_it_is_taken_and_it_is_told_once_it_is_synced() {
    let place = Place::new();
    let list = place.sign(&first(&place.marie));
    let marie = name("marie");
    let watch = place.lists.watch(&marie);
    assert_eq!((watch.hold().version(), watch.told()), (0, 0));
    let mut taking = Box::pin(place.lists.take(&marie, list.bytes()));
    assert!((&mut taking).now_or_never().is_none(), "it is not on the disk");
    assert_eq!((watch.hold().version(), watch.told()), (1, 0));
    assert!(watch.settled().now_or_never().is_none());
    place.sync();
    assert!(watch.settled().now_or_never().is_some());
    assert_eq!((watch.hold().version(), watch.told()), (1, 1));
    assert_eq!(block_on(taking).unwrap(), (marie, 1));
    drop(watch);
    assert_eq!((place.accepted(), place.told()), (1, 1), "whoever looks later finds the same");
}

#[test]
fn a_list_is_taken_if_it_is_the_next_one_or_further_ahead_and_the_same_is_there_already() {
    let place = Place::new();
    let one = first(&place.marie);
    let two = next(&one);
    let other_two = next(&one);
    let four = next(&next(&two));
    for (list, taken) in [(&one, Ok(1)), (&one, Ok(1)), (&two, Ok(2)), (&one, Err(2))] {
        assert_eq!(place.say(&place.sign(list)).map_err(version_there), taken);
    }
    assert_eq!(place.say(&place.sign(&other_two)).map_err(version_there), Err(2));
    assert_eq!(place.say(&place.sign(&next(&other_two))).map_err(version_there), Err(2));
    assert_eq!(place.say(&place.sign(&four)).map_err(version_there), Ok(4), "one was lost here");
    assert_eq!((place.accepted(), place.told()), (4, 4));
    let restored = Place { marie: place.marie, ..Place::new() };
    block_on(restored.names.change(|roll| roll.remove(&name("marie")))).unwrap();
    claim(&restored.names, &restored.marie);
    assert_eq!(restored.say(&restored.sign(&two)).map_err(version_there), Ok(2));
}

#[test]
fn a_device_comes_into_a_list_with_a_prekey_and_a_newer_one_takes_its_place() {
    let place = Place::new();
    let list = first(&place.marie);
    let alone = Bundle::of(place.sign(&list).signed().clone());
    let refused = place.say(&alone).unwrap_err();
    assert_eq!(refused.code(), ErrorCode::List);
    assert_eq!(refused.to_string(), "a device comes into a list with a prekey");
    let [one, two, three] = [1, 2, 3].map(|number| place.sign_with(&list, number));
    for (said, shown) in [(&two, &two), (&one, &two), (&alone, &two), (&three, &three)] {
        assert_eq!(place.say(said).unwrap(), 1);
        assert_eq!(place.shown(), shown.bytes());
    }
    let other = place.say(&bundle(&list, &place.marie, 4, 9)).unwrap_err();
    assert!(matches!(other, NotTaken::NoList(BundleError::Curve)), "{other}");
    assert_eq!(place.shown(), three.bytes());
    let next = Bundle::of(place.sign(&next(&list)).signed().clone());
    let lacking = place.say(&next).unwrap_err();
    assert!(matches!(lacking, NotTaken::NoList(BundleError::Lacking)), "{lacking}");
}

/// The version of the list stays the same.
#[test]
fn a_newer_prekey_alone_is_waited_for_until_it_is_synced() {
    let place = Place::new();
    let (list, marie) = (first(&place.marie), name("marie"));
    place.say(&place.sign(&list)).unwrap();
    let watch = place.lists.watch(&marie);
    for number in [2, 3] {
        let newer = place.sign_with(&list, number);
        let mut taking = Box::pin(place.lists.take(&marie, newer.bytes()));
        assert!((&mut taking).now_or_never().is_none(), "it is not on the disk");
        assert!(watch.settled().now_or_never().is_none());
        assert_eq!((watch.hold().version(), watch.told()), (1, 1));
        place.sync();
        assert_eq!(block_on(taking).unwrap(), (marie.clone(), 1));
        let same = place.lists.take(&marie, newer.bytes()).now_or_never();
        assert_eq!(same.unwrap().unwrap().1, 1, "it is there");
    }
}

fn version_there(error: NotTaken) -> u64 {
    match error {
        NotTaken::Behind(version) | NotTaken::Beside(version) => version,
        error => panic!("{error}"),
    }
}

#[test]
fn a_list_is_refused_that_is_for_another_server_or_not_by_the_owner_of_the_name() {
    let place = Place::new();
    let eve = Identity::generate().unwrap();
    let hers = bundle(&first(&eve), &eve, 1, 1);
    assert!(matches!(place.say(&hers), Err(NotTaken::NotOwner)));
    let list = place.sign(&first(&place.marie));
    *place.key.lock().unwrap() = Some(place.marie.public().fingerprint());
    let (of, error) = block_on(place.lists.take(&name("john"), list.bytes())).unwrap_err();
    assert!(of == Some(name("marie")) && matches!(error, NotTaken::Elsewhere), "{error}");
    let text = &list.bytes()[..list.bytes().len() - 1];
    let (of, error) = block_on(place.lists.take(&name("john"), text)).unwrap_err();
    assert!(of.is_none() && matches!(error, NotTaken::NoList(_)), "{error}");
    assert_eq!((place.accepted(), place.told()), (0, 0));
}

#[test]
fn what_may_be_taken_later_is_refused_with_a_code_of_its_own() {
    let disk = MailboxError("the disk is full".into());
    for passing in [NotTaken::from(disk), NotTaken::TooOften(Duration::from_secs(1))] {
        assert_eq!(passing.code(), ErrorCode::Later, "{passing}");
    }
    let place = Place::new();
    let (_, damaged) = block_on(place.lists.take(&name("john"), b"no list")).unwrap_err();
    let others =
        [NotTaken::Elsewhere, NotTaken::NotOwner, NotTaken::Behind(2), NotTaken::Beside(2)];
    for lasting in others.into_iter().chain([damaged]) {
        assert_eq!(lasting.code(), ErrorCode::List, "{lasting}");
    }
}

#[test]
fn a_list_counts_as_long_as_its_signer_owns_the_name_and_is_removed_then() {
    let place = Place::new();
    let (one, marie) = (place.sign(&first(&place.marie)), name("marie"));
    place.say(&one).unwrap();
    let watch = place.lists.watch(&marie);
    block_on(place.names.change(|roll| roll.vacate(&name("marie")))).unwrap();
    assert_eq!((watch.hold().version(), place.told()), (0, 0), "at once");
    assert!(matches!(place.say(&one), Err(NotTaken::NotOwner)));
    let mut forgetting = Box::pin(place.lists.forget(&marie));
    assert!((&mut forgetting).now_or_never().is_none(), "it is still on the disk");
    place.sync();
    block_on(forgetting).unwrap();
    assert!(place.lists.mailbox.list_of(&marie).is_none());
    block_on(place.names.change(|roll| roll.remove(&name("marie")))).unwrap();
    claim(&place.names, &place.marie);
    assert_eq!((watch.hold().version(), place.told()), (0, 0), "also for the same key");
    assert_eq!(place.say(&one).unwrap(), 1);
}

/// Nobody who was never known to a client is held back for a list that its owner made for another key.
#[test]
fn a_list_counts_as_long_as_the_server_has_the_key_for_which_it_was_made() {
    let place = Place::new();
    let one = first(&place.marie);
    place.say(&place.sign(&one)).unwrap();
    let watch = place.lists.watch(&name("marie"));
    let new = Some(place.marie.public().fingerprint());
    *place.key.lock().unwrap() = new;
    assert_eq!((place.accepted(), place.told()), (0, 0));
    assert!(matches!(place.say(&place.sign(&one)), Err(NotTaken::Elsewhere)));
    *place.key.lock().unwrap() = None;
    assert_eq!((place.accepted(), place.told()), (1, 1), "the key was put back");
    *place.key.lock().unwrap() = new;
    let two = next(&one).on(new);
    assert_eq!(place.say(&place.sign(&two)).map_err(version_there), Ok(2));
    assert_eq!((watch.hold().version(), place.told()), (2, 2));
    let first = one.on(new);
    assert_eq!(place.say(&place.sign(&first)).map_err(version_there), Err(2));
}

#[test]
fn two_that_are_said_at_once_follow_each_other() {
    let place = Place::new();
    let one = first(&place.marie);
    let [one, two, other] = [one.clone(), next(&one), next(&one)].map(|it| place.sign(&it));
    place.say(&one).unwrap();
    let john = name("john");
    let mut first = Box::pin(place.lists.take(&john, two.bytes()));
    let mut second = Box::pin(place.lists.take(&john, other.bytes()));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none());
    place.sync();
    assert_eq!(block_on(first).unwrap().1, 2);
    let (_, error) = block_on(second).unwrap_err();
    assert_eq!(version_there(error), 2);
}

#[test]
fn nothing_is_remembered_of_a_name_that_nobody_watches() {
    let place = Place::new();
    place.say(&place.sign(&first(&place.marie))).unwrap();
    let (one, other) = (place.lists.watch(&name("anna")), place.lists.watch(&name("anna")));
    drop(one);
    assert!(!place.lists.watched.is_empty());
    drop(other);
    assert!(place.lists.watched.is_empty());
}
