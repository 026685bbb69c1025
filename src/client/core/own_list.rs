//! One's own list of devices: whether this folder is in it, and what is to be done about that.
//!
//! Owned by the core. Pure. Invariants: at most one signature is asked for at a time; a server that refuses is tried
//! [`TRIES`] times between two starts, one that can take no list for now until it does.

use crate::message::Timestamp;
use crate::trust::PublicKey;
use crate::trust::devices::{Device, DeviceList, Owner, SignedList};

/// How often a list is made that the server refuses: another device may have been quicker.
const TRIES: u32 = 3;

/// See the [module](self).
#[derive(Default)]
pub(super) struct OwnList {
    /// The folder's key; none of a folder that is to be in no list.
    key: Option<PublicKey>,
    step: Step,
    refusals: u32,
}

#[derive(Default)]
enum Step {
    /// Nothing is to be done on this connection.
    #[default]
    Rest,
    ToAsk,
    Asked,
    /// A list is being signed, on whatever connection.
    Signing,
    ToSay(SignedList),
    Said(SignedList),
    /// Nothing is to be done before the next start.
    Left,
}

/// What is to be said to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Devices,
    List(Box<SignedList>),
}

impl OwnList {
    /// Of a folder with this key.
    pub(super) fn of(key: PublicKey) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// The folder's key.
    pub(super) fn key(&self) -> Option<PublicKey> {
        self.key
    }

    /// Signed in.
    pub(super) fn connected(&mut self) {
        if self.key.is_some() && matches!(self.step, Step::Rest) {
            self.step = Step::ToAsk;
        }
    }

    /// What was not answered is asked again. What was signed is known.
    pub(super) fn disconnected(&mut self) {
        if !matches!(self.step, Step::Signing | Step::Left) {
            self.step = Step::Rest;
        }
    }

    /// What is to be said now, once.
    pub(super) fn due(&mut self) -> Option<Due> {
        let (step, due) = match std::mem::take(&mut self.step) {
            Step::ToAsk => (Step::Asked, Some(Due::Devices)),
            Step::ToSay(list) => (Step::Said(list.clone()), Some(Due::List(list.into()))),
            other => (other, None),
        };
        self.step = step;
        due
    }

    /// Whether this is the answer to what was asked.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.step, Step::Asked)
    }

    /// The list that was said and not answered.
    pub(super) fn said(&self) -> Option<&SignedList> {
        match &self.step {
            Step::Said(list) => Some(list),
            _ => None,
        }
    }

    /// A signature was asked for.
    pub(super) fn signs(&mut self) {
        self.step = Step::Signing;
    }

    /// This list is to be said, if there is a connection.
    pub(super) fn is_to_say(&mut self, list: SignedList, is_online: bool) {
        self.step = if is_online { Step::ToSay(list) } else { Step::Rest };
    }

    /// This folder is in the list.
    pub(super) fn is_listed(&mut self) {
        (self.step, self.refusals) = (Step::Rest, 0);
    }

    /// Nothing more is done before the next start.
    pub(super) fn leave(&mut self) {
        self.step = Step::Left;
    }

    /// The server cannot take it for now. When it is time again, what the server has is asked for before.
    pub(super) fn put_off(&mut self) {
        if matches!(self.step, Step::Said(_)) {
            self.step = Step::ToAsk;
        }
    }

    /// The server has another list than was thought. Returns whether that is looked at once more.
    pub(super) fn is_refused(&mut self) -> bool {
        self.refusals += 1;
        let is_tried = self.refusals < TRIES;
        self.step = if is_tried { Step::ToAsk } else { Step::Left };
        is_tried
    }
}

/// What is to become of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the device is in the one that the server has.
    Listed,
    /// The server has lost this one.
    Say(SignedList),
    /// It is to be signed.
    Sign(DeviceList),
    /// There is no higher version.
    Exhausted,
}

/// How a device comes into its owner's list, of which the server shows one, and one is known here.
pub(super) fn next(
    shown: Option<SignedList>,
    known: Option<SignedList>,
    owner: Owner,
    device: Device,
    time: Timestamp,
) -> Next {
    let version = |list: &SignedList| list.list().version();
    let is_newer = |known: &SignedList| version(known) > shown.as_ref().map_or(0, version);
    let base = match known.filter(is_newer) {
        Some(known) if *known.list().owner() == owner => return Next::Say(known),
        // Of a server that has another key now.
        Some(known) => known,
        None => match shown {
            Some(shown) => shown,
            None => return Next::Sign(DeviceList::first(owner, device, time)),
        },
    };
    let base = base.list();
    if *base.owner() == owner && base.devices().contains(&device) {
        return Next::Listed;
    }
    match base.with(device, time) {
        Some(list) => Next::Sign(list.on(owner.server)),
        None => Next::Exhausted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Installation;
    use crate::trust::{Fingerprint, Identity};

    const TIME: Timestamp = Timestamp(1_000);

    struct John {
        identity: Identity,
        keys: [PublicKey; 2],
    }

    impl John {
        fn new() -> Self {
            let key = || Identity::generate().unwrap();
            Self { identity: key(), keys: [key().public(), key().public()] }
        }

        fn owner(&self, server: &str) -> Owner {
            let server = Some(Fingerprint::of(server.as_bytes()));
            Owner { server, name: "john".parse().unwrap(), identity: self.identity.public() }
        }

        fn device(&self, installation: u64, key: usize) -> Device {
            Device { installation: Installation::from_u64(installation), key: self.keys[key] }
        }

        /// A list of these devices, which came one after another.
        fn list(&self, devices: &[(u64, usize)]) -> SignedList {
            let mut devices = devices.iter().map(|(it, key)| self.device(*it, *key));
            let first = DeviceList::first(self.owner("here"), devices.next().unwrap(), TIME);
            self.sign(devices.fold(first, |list, device| list.with(device, TIME).unwrap()))
        }

        fn sign(&self, list: DeviceList) -> SignedList {
            SignedList::sign(list, &self.identity).unwrap()
        }

        /// What is next for the first device.
        fn next(&self, shown: Option<&SignedList>, known: Option<&SignedList>) -> Next {
            self.next_at("here", shown, known)
        }

        fn next_at(
            &self,
            at: &str,
            shown: Option<&SignedList>,
            known: Option<&SignedList>,
        ) -> Next {
            next(shown.cloned(), known.cloned(), self.owner(at), self.device(1, 0), TIME)
        }
    }

    #[test]
    fn a_folder_comes_into_the_list_once() {
        let john = John::new();
        let Next::Sign(first) = john.next(None, None) else { panic!("a first list") };
        let first = john.sign(first);
        assert_eq!(first.list().devices(), [john.device(1, 0)]);
        assert_eq!(john.next(Some(&first), Some(&first)), Next::Listed);
        assert_eq!(john.next(Some(&first), None), Next::Listed, "it was forgotten here");
    }

    #[test]
    fn it_comes_beside_those_that_are_there() {
        let john = John::new();
        let other = john.list(&[(2, 1)]);
        for known in [None, Some(&john.list(&[(1, 0)]))] {
            let Next::Sign(list) = john.next(Some(&other), known) else { panic!("a next list") };
            assert!(list.follows(other.list()));
            assert_eq!(list.devices(), [john.device(2, 1), john.device(1, 0)]);
        }
    }

    #[test]
    fn a_folder_that_began_anew_is_there_once() {
        let john = John::new();
        let shown = john.list(&[(9, 0), (2, 1)]);
        let Next::Sign(list) = john.next(Some(&shown), Some(&shown)) else { panic!("a next list") };
        assert_eq!(list.devices(), [john.device(2, 1), john.device(1, 0)]);
        assert_eq!(list.gone(), [john.device(9, 0)]);
    }

    #[test]
    fn what_the_server_has_lost_it_gets_back_first() {
        let john = John::new();
        let (old, new) = (john.list(&[(1, 0)]), john.list(&[(1, 0), (2, 1)]));
        for shown in [None, Some(&old)] {
            assert_eq!(john.next(shown, Some(&new)), Next::Say(new.clone()));
        }
    }

    #[test]
    fn a_server_with_another_key_gets_a_list_of_its_own() {
        let john = John::new();
        let known = john.list(&[(1, 0), (2, 1)]);
        for shown in [None, Some(&known)] {
            let Next::Sign(list) = john.next_at("there", shown, Some(&known)) else {
                panic!("a next list")
            };
            assert_eq!((list.owner(), list.version()), (&john.owner("there"), 3));
            assert!(list.follows(known.list()));
            assert_eq!(list.devices(), [john.device(2, 1), john.device(1, 0)]);
        }
    }

    #[test]
    fn one_asks_says_and_is_done() {
        let john = John::new();
        let mut own = OwnList::of(john.keys[0]);
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
        let john = John::new();
        let mut own = OwnList::of(john.keys[0]);
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
        let (mut own, list) = (OwnList::of(john.keys[0]), john.list(&[(1, 0)]));
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
}
