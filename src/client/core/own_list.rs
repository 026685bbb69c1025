//! One's own list of devices: whether this folder is in it with its newest prekey, and what is to be done about that.
//!
//! Owned by the core. Pure. Invariants: at most one signature is asked for at a time; a server that refuses is tried
//! [`TRIES`] times between two starts, one that can take no list for now until it does.

use crate::client::store::accounts::Keys;
use crate::message::{Installation, Timestamp};
use crate::trust::IdentityError;
use crate::trust::devices::{
    Bundle, BundleError, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};

/// How often a list is made that the server refuses: another device may have been quicker.
const TRIES: u32 = 3;

/// See the [module](self).
#[derive(Default)]
pub(super) struct OwnList {
    /// The folder's key; none of a folder that is to be in no list.
    key: Option<DeviceKey>,
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
    ToSay(Bundle),
    Said(Bundle),
    /// Nothing is to be done before the next start.
    Left,
}

/// What is to be said to the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    Devices,
    List(Box<Bundle>),
}

impl OwnList {
    /// Of a folder with this key.
    pub(super) fn of(key: DeviceKey) -> Self {
        Self { key: Some(key), ..Self::default() }
    }

    /// Whether this folder is to be in a list.
    pub(super) fn is_device(&self) -> bool {
        self.key.is_some()
    }

    /// This folder as its owner's list is to have it, with the prekey that it signs; none if it is to be in no list.
    pub(super) fn own(
        &self,
        owner: Owner,
        installation: Installation,
        keys: &Keys,
        time: Timestamp,
    ) -> Result<Option<Own>, IdentityError> {
        let Some(key) = &self.key else { return Ok(None) };
        let prekey = SignedPrekey::sign(prekey(&owner, installation, keys), key)?;
        let device = Device { installation, key: key.public() };
        Ok(Some(Own { owner, device, prekey, time, is_refused: self.refusals > 0 }))
    }

    /// Whether what is written here is to wait, for this folder is on its way into the list. None if it will not be there.
    pub(super) fn is_under_way(&self) -> Option<bool> {
        match self.step {
            _ if self.key.is_none() => None,
            Step::Rest => Some(false),
            Step::ToAsk | Step::Asked | Step::Signing | Step::ToSay(_) | Step::Said(_) => {
                Some(true)
            }
            Step::Left => None,
        }
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
    pub(super) fn said(&self) -> Option<&Bundle> {
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
    pub(super) fn is_to_say(&mut self, list: Bundle, is_online: bool) {
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

/// What a data folder says of itself, so that others can seal for it.
fn prekey(owner: &Owner, installation: Installation, keys: &Keys) -> Prekey {
    let Keys { account, number, time, .. } = keys;
    Prekey {
        server: owner.server,
        name: owner.name.clone(),
        identity: owner.identity.fingerprint(),
        installation,
        curve: account.curve(),
        fallback: account.fallback(),
        number: *number,
        time: *time,
    }
}

/// This folder, and whose list it is to be in.
pub(super) struct Own {
    owner: Owner,
    device: Device,
    prekey: SignedPrekey,
    time: Timestamp,
    /// The server has refused a list since this folder was in one last.
    is_refused: bool,
}

/// What is to become of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing: the device is in the one that the server has, with its prekey.
    Listed,
    /// The server has lost this one, or a prekey in it is newer.
    Say(Box<Bundle>),
    /// It is to be signed. Behind it come the prekeys in the bundle, if there is one.
    Sign(Box<DeviceList>, Option<Box<Bundle>>),
    /// There is no higher version.
    Exhausted,
    /// The device stands there with another key for life than it has.
    Other,
}

/// How a device comes into its owner's list, of which the server shows one, and one is known here.
pub(super) fn next(shown: Option<&Bundle>, known: Option<&Bundle>, own: &Own) -> Next {
    let version = |it: &Bundle| it.list().version();
    let is_newer = known.map_or(0, version) > shown.map_or(0, version);
    let (base, other) = if is_newer { (known, shown) } else { (shown, known) };
    let Some(base) = base.map(|base| both(base, other)) else {
        return Next::Sign(DeviceList::first(own.owner.clone(), own.device, own.time).into(), None);
    };
    let may_stay = |it: &Device| own.may_stay(it, &base, shown);
    if own.is_other_in(&base) {
        return Next::Other;
    }
    if let Some(said) = own.put_into(&base, is_newer)
        && (!own.is_refused || said.list().devices().iter().all(may_stay))
    {
        let is_told = !is_newer && shown.is_some_and(|shown| own.is_told_in(shown));
        return if is_told { Next::Listed } else { Next::Say(said.into()) };
    }
    let Some(list) = base.list().with(own.device, own.time) else { return Next::Exhausted };
    let list = list.on(own.owner.server);
    let list = if own.is_refused { list.without(|it| !may_stay(it)) } else { list };
    Next::Sign(list.into(), Some(base.into()))
}

/// The prekeys of both behind the first one's list; if they do not agree, that is believed.
pub(super) fn both(first: &Bundle, other: Option<&Bundle>) -> Bundle {
    first.clone().joined(other).unwrap_or_else(|_| first.clone())
}

impl Own {
    /// A list that was signed, with the prekeys that are known of its devices, and this folder's.
    pub(super) fn finish(
        self,
        signed: SignedList,
        known: Option<&Bundle>,
    ) -> Result<Bundle, BundleError> {
        Bundle::of(signed).joined(known)?.with(self.prekey)
    }

    /// The list as it is, with this folder's prekey if it is there. None if it has to be another one.
    fn put_into(&self, base: &Bundle, is_newer: bool) -> Option<Bundle> {
        let is_there = base.list().devices().contains(&self.device);
        if !self.counts(base) || !(is_newer || is_there) {
            return None;
        }
        if is_there { base.clone().with(self.prekey.clone()).ok() } else { Some(base.clone()) }
    }

    /// Whether it is for this server.
    fn counts(&self, it: &Bundle) -> bool {
        *it.list().owner() == self.owner
    }

    /// Whether this prekey is there, or a newer one.
    fn is_told_in(&self, shown: &Bundle) -> bool {
        let number = self.prekey.prekey().number;
        shown.prekey(&self.device).is_some_and(|it| it.prekey().number >= number)
    }

    fn is_other_in(&self, base: &Bundle) -> bool {
        let curve = self.prekey.prekey().curve;
        self.counts(base) && base.prekey(&self.device).is_some_and(|it| it.prekey().curve != curve)
    }

    /// Whether the server takes a list with this device: it has a prekey, or is there.
    fn may_stay(&self, it: &Device, base: &Bundle, shown: Option<&Bundle>) -> bool {
        let has_prekey = self.counts(base) && base.prekey(it).is_some();
        let is_there = |shown: &Bundle| self.counts(shown) && shown.list().devices().contains(it);
        *it == self.device || has_prekey || shown.is_some_and(is_there)
    }
}

#[cfg(test)]
mod tests {
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
        assert_eq!(john.next(Some(&newer), Some(&list)), Next::Listed, "this folder is a copy");
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
}
