//! What is next for a folder, by what the server shows and what is known.

use super::*;
use crate::seal::Account;
use crate::trust::devices::{device_key, prekey_of};
use crate::trust::{Fingerprint, Identity};

const TIME: Timestamp = Timestamp(1_000);

struct John {
    identity: Identity,
    keys: [DeviceKey; 2],
    account: Keys,
}

impl John {
    fn new() -> Self {
        let (account, number) = (Account::generate(), 2);
        let identity = Identity::generate().unwrap();
        let keys = [device_key(), device_key()];
        Self { identity, keys, account: Keys { account, number, time: TIME, writer: None } }
    }

    fn owner(&self, server: &str) -> Owner {
        let server = Some(Fingerprint::of(server.as_bytes()));
        Owner { server, name: "john".parse().unwrap(), identity: self.identity.public() }
    }

    fn device(&self, installation: u64, key: usize) -> Device {
        let key = self.keys[key].public();
        Device { installation: Installation::from_u64(installation), key }
    }

    /// The first device, which is this folder.
    fn own(&self, at: &str) -> Own {
        let (owner, device) = (self.owner(at), self.device(1, 0));
        let said = prekey(&owner, device.installation, &self.account);
        let prekey = SignedPrekey::sign(said, &self.keys[0]).unwrap();
        Own { owner, device, prekey, time: TIME, is_refused: false }
    }

    /// A list of these devices, which came one after another, without prekeys.
    fn bare(&self, devices: &[(u64, usize)]) -> Bundle {
        let mut devices = devices.iter().map(|(it, key)| self.device(*it, *key));
        let first = DeviceList::first(self.owner("here"), devices.next().unwrap(), TIME);
        let list = devices.fold(first, |list, device| list.with(device, TIME).unwrap());
        Bundle::of(SignedList::sign(list, &self.identity).unwrap())
    }

    /// The same with prekeys.
    fn list(&self, devices: &[(u64, usize)]) -> Bundle {
        let bare = self.bare(devices);
        let (list, own) = (bare.list().clone(), self.own("here"));
        let key = |it: &Device| self.keys.iter().find(|key| key.public() == it.key).unwrap();
        list.devices().iter().fold(bare, |bundle, device| {
            let is_own = *device == own.device;
            let other = || prekey_of(&list, key(device), 1, 1);
            bundle.with(if is_own { own.prekey.clone() } else { other() }).unwrap()
        })
    }

    /// What is next for the first device.
    fn next(&self, shown: Option<&Bundle>, known: Option<&Bundle>) -> Next {
        next(shown, known, &self.own("here"))
    }

    /// The same after a refusal.
    fn retries(&self, shown: Option<&Bundle>, known: Option<&Bundle>) -> Next {
        next(shown, known, &Own { is_refused: true, ..self.own("here") })
    }

    fn signs(&self, at: &str, next: Next) -> Bundle {
        let Next::Sign(list, known) = next else { panic!("a next list, and not {next:?}") };
        let signed = SignedList::sign(*list, &self.identity).unwrap();
        self.own(at).finish(signed, known.as_deref()).unwrap()
    }
}

#[test]
fn a_folder_comes_into_the_list_once_with_its_prekey() {
    let john = John::new();
    let first = john.signs("here", john.next(None, None));
    assert_eq!(first.list().devices(), [john.device(1, 0)]);
    assert_eq!(first.prekey(&john.device(1, 0)), Some(&john.own("here").prekey));
    assert_eq!(john.next(Some(&first), Some(&first)), Next::Listed);
    assert_eq!(john.next(Some(&first), None), Next::Listed, "it was forgotten here");
}

#[test]
fn it_comes_beside_those_that_are_there() {
    let john = John::new();
    let other = john.list(&[(2, 1)]);
    for known in [None, Some(&john.list(&[(1, 0)]))] {
        let list = john.signs("here", john.next(Some(&other), known));
        assert!(list.list().follows(other.list()));
        assert_eq!(list.list().devices(), [john.device(2, 1), john.device(1, 0)]);
        assert_eq!(list.lacking().count(), 0);
    }
}

#[test]
fn a_folder_that_began_anew_is_there_once() {
    let john = John::new();
    let shown = john.list(&[(9, 0), (2, 1)]);
    let list = john.signs("here", john.next(Some(&shown), Some(&shown)));
    assert_eq!(list.list().devices(), [john.device(2, 1), john.device(1, 0)]);
    assert_eq!(list.list().gone(), [john.device(9, 0)]);
}

#[test]
fn what_the_server_has_lost_it_gets_back_first() {
    let john = John::new();
    let (old, new) = (john.list(&[(1, 0)]), john.list(&[(1, 0), (2, 1)]));
    for shown in [None, Some(&old)] {
        assert_eq!(john.next(shown, Some(&new)), Next::Say(new.clone().into()));
    }
    let foreign = john.list(&[(9, 0), (2, 1)]);
    assert_eq!(john.next(None, Some(&foreign)), Next::Say(foreign.into()), "as it is");
}

#[test]
fn a_newer_prekey_is_said_with_the_list_as_it_is() {
    let john = John::new();
    let (bare, list) = (john.bare(&[(2, 1), (1, 0)]), john.list(&[(2, 1), (1, 0)]));
    let mut said = prekey(&john.owner("here"), john.device(1, 0).installation, &john.account);
    let mut with = |number| {
        said.number = number;
        let prekey = SignedPrekey::sign(said.clone(), &john.keys[0]).unwrap();
        list.clone().with(prekey).unwrap()
    };
    let (older, newer) = (with(1), with(3));
    for shown in [&bare, &older] {
        assert_eq!(john.next(Some(shown), Some(&list)), Next::Say(list.clone().into()));
    }
    assert_eq!(john.next(Some(&list), Some(&older)), Next::Listed);
    assert_eq!(john.next(Some(&newer), Some(&list)), Next::Other, "this folder is a copy");
    // Two copies have made another key each.
    let same = list.clone().with(prekey_of(list.list(), &john.keys[0], 2, 9)).unwrap();
    assert_eq!(john.next(Some(&same), Some(&list)), Next::Other);
    let other = list.clone().with(prekey_of(list.list(), &john.keys[0], 1, 9)).unwrap();
    assert_eq!(john.next(Some(&other), Some(&bare)), Next::Other);
}

#[test]
fn devices_without_prekeys_are_gone_where_the_server_does_not_take_them() {
    let john = John::new();
    let bare = john.bare(&[(2, 1), (1, 0)]);
    let said = bare.clone().with(john.own("here").prekey).unwrap();
    assert_eq!(john.next(None, Some(&bare)), Next::Say(said.clone().into()));
    let shown = john.bare(&[(2, 1)]);
    assert_eq!(john.retries(Some(&shown), Some(&bare)), Next::Say(said.into()), "it is there");
    let list = john.signs("here", john.retries(None, Some(&bare)));
    assert_eq!((list.list().version(), list.list().devices()), (3, &[john.device(1, 0)][..]));
    assert_eq!(list.list().gone(), [john.device(2, 1)]);
    let all = john.list(&[(2, 1), (1, 0)]);
    assert_eq!(john.retries(None, Some(&all)), Next::Say(all.into()), "it has one");
}

#[test]
fn a_server_with_another_key_gets_a_list_of_its_own() {
    let john = John::new();
    let known = john.list(&[(1, 0), (2, 1)]);
    for shown in [None, Some(&known)] {
        let list = john.signs("there", next(shown, Some(&known), &john.own("there")));
        assert_eq!((list.list().owner(), list.list().version()), (&john.owner("there"), 3));
        assert!(list.list().follows(known.list()));
        assert_eq!(list.list().devices(), [john.device(2, 1), john.device(1, 0)]);
        let lacking = list.lacking().collect::<Vec<_>>();
        assert_eq!(lacking, [&john.device(2, 1)], "its prekey is for the other one");
    }
}

#[test]
fn one_asks_says_and_is_done() {
    let john = John::new();
    let mut own = OwnList::of(device_key());
    assert_eq!(own.due(), None, "nobody is there");
    own.connected();
    assert_eq!(own.due(), Some(Due::Devices));
    assert_eq!(own.due(), None);
    assert!(own.is_asked());
    own.signs();
    own.disconnected();
    own.connected();
    assert_eq!(own.due(), None, "it is being signed");
    let list = john.list(&[(1, 0)]);
    own.is_to_say(list.clone(), true);
    assert_eq!(own.due(), Some(Due::List(list.clone().into())));
    assert_eq!(own.said(), Some(&list));
    own.is_listed();
    assert_eq!((own.due(), own.said()), (None, None));
    own.disconnected();
    own.connected();
    assert_eq!(own.due(), Some(Due::Devices), "the server may have lost it");
}

#[test]
fn a_server_that_refuses_is_tried_so_often() {
    let mut own = OwnList::of(device_key());
    own.connected();
    for _ in 1..TRIES {
        assert_eq!(own.due(), Some(Due::Devices));
        assert!(own.is_refused());
    }
    assert!(!own.is_refused());
    own.disconnected();
    own.connected();
    assert_eq!(own.due(), None);
}

#[test]
fn a_server_that_can_take_none_for_now_is_tried_until_it_does() {
    let john = John::new();
    let (mut own, list) = (OwnList::of(device_key()), john.list(&[(1, 0)]));
    own.connected();
    for _ in 0..10 * TRIES {
        assert_eq!(own.due(), Some(Due::Devices));
        own.put_off();
        assert!(own.is_asked(), "nothing was said that could be refused");
        own.is_to_say(list.clone(), true);
        assert_eq!(own.due(), Some(Due::List(list.clone().into())));
        own.put_off();
    }
    assert!(own.is_refused(), "none of that was a refusal");
}

#[test]
fn a_folder_without_a_key_asks_nothing() {
    let mut own = OwnList::default();
    own.connected();
    assert_eq!(own.due(), None);
}
