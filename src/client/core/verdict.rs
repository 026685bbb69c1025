//! What is believed of a device list that a server shows for somebody.
//!
//! Owned by the core. Pure: what is known is an argument. Invariants: a list is taken only if the key that is trusted has
//! signed it, for this name and this server, and it is newer than the known one; an older one is never believed by
//! itself.

use std::cmp::Ordering;

use bytes::Bytes;

use crate::client::outcome::Doubt;
use crate::client::store::devices::Kept;
use crate::message::Name;
use crate::trust::devices::Bundle;
use crate::trust::{Fingerprint, PublicKey};

/// What is known before a server shows a list.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Whose list is meant.
    pub(super) name: Name,
    /// The server's key, if it has one.
    pub(super) server: Option<Fingerprint>,
    /// The key that is trusted for the name.
    pub(super) key: Option<PublicKey>,
    /// The list that is believed.
    pub(super) list: Kept,
    /// Why the server did not take that one back, if it was to.
    pub(super) refusal: Option<String>,
}

/// What a server shows.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) version: u64,
    pub(super) bundle: Bytes,
}

/// See the [module](self).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the known list.
    Same,
    /// It is newer, or a prekey in it is, and believed from now on.
    Take(Kept),
    /// It is older: the server has lost the known one, and is to get it back.
    Heal,
    /// It is not believed, and why. The list can be accepted, if there is one.
    Doubt(Doubt, Option<Kept>),
}

/// What becomes of a list that a server shows.
pub(super) fn judge(known: &Known, shown: &Shown) -> Verdict {
    let list = &known.list;
    if (shown.version, &shown.bundle) == (list.version, &list.statement) {
        return Verdict::Same;
    }
    let order = shown.version.cmp(&list.version);
    if order == Ordering::Less && known.refusal.is_none() {
        return Verdict::Heal;
    }
    let read = match read(known, shown) {
        Ok(read) => read,
        Err(unbelieved) => {
            let (doubt, read) = *unbelieved;
            return Verdict::Doubt(doubt, read);
        }
    };
    let shows = read.as_ref().map(Kept::of).unwrap_or_default();
    match order {
        Ordering::Less => {
            let because = known.refusal.clone().unwrap_or_default();
            let doubt = Doubt::Older { shown: shown.version, known: list.version, because };
            // Whoever could be written to sealed is not written to otherwise.
            Verdict::Doubt(doubt, (shown.version > 0).then_some(shows))
        }
        Ordering::Equal if shows.hash != list.hash => {
            Verdict::Doubt(Doubt::Other { version: shown.version }, Some(shows))
        }
        Ordering::Equal | Ordering::Greater => read.map_or(Verdict::Same, |read| take(list, read)),
    }
}

/// The list, if there is one, it is one of the name on this server, and the trusted key has signed it.
fn read(known: &Known, shown: &Shown) -> Result<Option<Bundle>, Box<(Doubt, Option<Kept>)>> {
    if shown.version == 0 && shown.bundle.is_empty() {
        return Ok(None);
    }
    let bundle = Bundle::read(shown.bundle.clone());
    let bundle = bundle.map_err(|error| invalid(&error.to_string()))?;
    let (list, owner) = (bundle.list(), bundle.list().owner());
    if owner.name != known.name || owner.server != known.server {
        return Err(invalid("it is a list of another name, or for another server"));
    }
    if list.version() != shown.version {
        return Err(invalid("it has another version than the server says"));
    }
    match known.key {
        Some(key) if key == owner.identity => Ok(Some(bundle)),
        key => {
            let (key, signer) = (key.map(|key| key.fingerprint()), owner.identity.fingerprint());
            Err(Box::new((Doubt::Signer { key, signer }, None)))
        }
    }
}

/// A list that is believed has the newest prekeys that were ever seen of its devices.
fn take(known: &Kept, read: Bundle) -> Verdict {
    match read.joined(known.bundle().as_ref()) {
        Ok(joined) if Kept::of(&joined) == *known => Verdict::Same,
        Ok(joined) => Verdict::Take(Kept::of(&joined)),
        Err(error) => {
            let (doubt, offer) = *invalid(&error.to_string());
            Verdict::Doubt(doubt, offer)
        }
    }
}

fn invalid(because: &str) -> Box<(Doubt, Option<Kept>)> {
    Box::new((Doubt::Invalid { because: because.into() }, None))
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::message::{Installation, Timestamp};
    use crate::trust::Identity;
    use crate::trust::devices::{
        Device, DeviceKey, DeviceList, Owner, SignedList, device_key, prekey_of,
    };

    /// Two people's keys.
    static IDENTITIES: LazyLock<[Identity; 2]> =
        LazyLock::new(|| [(); 2].map(|()| Identity::generate().unwrap()));

    /// A data folder of theirs.
    static FOLDER: LazyLock<DeviceKey> = LazyLock::new(device_key);

    /// What a list is made of; zeros are as they should be.
    #[derive(Clone, Copy, Debug)]
    struct Making {
        version: u64,
        text: u64,
        signer: usize,
        name: usize,
        server: usize,
    }

    /// As it should be.
    fn honest(version: u64) -> Making {
        Making { version, text: 0, signer: 0, name: 0, server: 0 }
    }

    fn server(which: usize) -> Option<Fingerprint> {
        [None, Some(Fingerprint::of(b"another"))][which]
    }

    /// A list of that version; of 0 none.
    fn make(making: Making) -> Shown {
        let Making { version, text, signer, name, server: of } = making;
        if version == 0 {
            return Shown { version, bundle: Bytes::new() };
        }
        let identity = &IDENTITIES[signer];
        let name = ["marie", "mallory"][name].parse().unwrap();
        let owner = Owner { server: server(of), name, identity: identity.public() };
        let device = |n| Device { installation: Installation::from_u64(n), key: identity.public() };
        let mut list = DeviceList::first(owner, device(text), Timestamp(0));
        for n in 1..version {
            list = list.with(device(n + 100), Timestamp(n * 1_000)).unwrap();
        }
        let bundle = SignedList::sign(list, identity).unwrap().bytes().clone();
        Shown { version, bundle }
    }

    fn kept(shown: &Shown) -> Kept {
        let hash = Bundle::read(shown.bundle.clone()).ok().map(|it| it.list().hash());
        Kept { version: shown.version, hash, statement: shown.bundle.clone() }
    }

    fn known(list: Kept, refusal: Option<&str>) -> Known {
        let (name, key) = ("marie".parse().unwrap(), Some(IDENTITIES[0].public()));
        Known { name, server: None, key, list, refusal: refusal.map(Into::into) }
    }

    #[test]
    fn the_first_list_and_each_newer_one_is_taken() {
        let mut list = Kept::default();
        for version in [1, 2, 5] {
            let shown = make(honest(version));
            assert_eq!(judge(&known(list, None), &shown), Verdict::Take(kept(&shown)));
            list = kept(&shown);
            assert_eq!(judge(&known(list.clone(), None), &shown), Verdict::Same);
        }
    }

    #[test]
    fn an_older_one_is_doubted_once_the_server_does_not_take_the_known_one_back() {
        let list = kept(&make(honest(3)));
        for version in [0, 2] {
            let shown = make(honest(version));
            assert_eq!(judge(&known(list.clone(), None), &shown), Verdict::Heal);
            let because = "no".into();
            let doubt = Doubt::Older { shown: version, known: 3, because };
            let verdict = judge(&known(list.clone(), Some("no")), &shown);
            let offer = (version > 0).then(|| kept(&shown));
            assert_eq!(verdict, Verdict::Doubt(doubt, offer));
        }
    }

    #[test]
    fn another_text_can_be_accepted_and_another_signer_cannot() {
        let list = kept(&make(honest(3)));
        let other = make(Making { text: 7, ..honest(3) });
        let verdict = judge(&known(list.clone(), None), &other);
        assert_eq!(verdict, Verdict::Doubt(Doubt::Other { version: 3 }, Some(kept(&other))));
        let foreign = make(Making { signer: 1, ..honest(4) });
        let [key, signer] = [0, 1].map(|it: usize| IDENTITIES[it].public().fingerprint());
        let verdict = judge(&known(list, None), &foreign);
        let doubt = Doubt::Signer { key: Some(key), signer };
        assert_eq!(verdict, Verdict::Doubt(doubt, None));
    }

    #[test]
    fn what_is_no_list_of_theirs_here_can_not_be_accepted() {
        let list = kept(&make(honest(3)));
        let good = make(honest(4));
        let mut damaged = good.bundle.to_vec();
        damaged[60] ^= 1;
        let all = [
            Shown { version: 5, ..good.clone() },
            Shown { version: 4, bundle: Bytes::new() },
            Shown { version: 4, bundle: damaged.into() },
            make(Making { name: 1, ..honest(4) }),
            make(Making { server: 1, ..honest(4) }),
        ];
        for shown in all {
            let verdict = judge(&known(list.clone(), None), &shown);
            assert!(matches!(verdict, Verdict::Doubt(Doubt::Invalid { .. }, None)), "{verdict:?}");
        }
        let text = Shown { version: 0, ..good };
        let verdict = judge(&known(Kept::default(), None), &text);
        assert!(matches!(verdict, Verdict::Doubt(Doubt::Invalid { .. }, None)), "{verdict:?}");
    }

    /// Version 1 of a list of one folder, with its prekey of this number; 0 stands for none.
    fn of_folder(number: u64, life: u8) -> Shown {
        let (name, identity) = ("marie".parse().unwrap(), IDENTITIES[0].public());
        let owner = Owner { server: None, name, identity };
        let device = Device { installation: Installation::from_u64(1), key: FOLDER.public() };
        let list = DeviceList::first(owner, device, Timestamp(0));
        let prekey = (number > 0).then(|| prekey_of(&list, &FOLDER, number, life));
        let alone = Bundle::of(SignedList::sign(list, &IDENTITIES[0]).unwrap());
        let bundle = prekey.into_iter().fold(alone, |it, prekey| it.with(prekey).unwrap());
        Shown { version: 1, bundle: bundle.bytes().clone() }
    }

    #[test]
    fn the_newest_prekeys_are_known_and_another_key_for_life_is_doubted() {
        let [none, one, two] = [0, 1, 2].map(|number| of_folder(number, 1));
        let known_two = known(kept(&two), None);
        for older in [&none, &one, &two] {
            assert_eq!(judge(&known_two, older), Verdict::Same);
        }
        for older in [&none, &one] {
            assert_eq!(judge(&known(kept(older), None), &two), Verdict::Take(kept(&two)));
        }
        let verdict = judge(&known_two, &of_folder(3, 9));
        assert!(matches!(verdict, Verdict::Doubt(Doubt::Invalid { .. }, None)), "{verdict:?}");
    }

    prop_compose! {
        fn making()(
            version in 0u64..4,
            text in 0u64..2,
            (signer, name, server) in (0usize..6, 0usize..6, 0usize..6),
        ) -> Making {
            // Most are as they should be.
            let [signer, name, server] = [signer, name, server].map(|it| usize::from(it == 5));
            Making { version, text, signer, name, server }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Whatever a server shows, one list after the other: the known version never falls, each that is taken is the
        /// owner's own for this server, and an honest one is never doubted.
        #[test]
        fn only_what_its_owner_signed_is_taken_and_only_upwards(
            all in prop::collection::vec((making(), any::<bool>()), 1..6)
        ) {
            let mut list = Kept::default();
            for (making, is_refused) in all {
                let shown = make(making);
                let known = known(list.clone(), is_refused.then_some("no"));
                let is_honest = making.version == 0 || (making.signer, making.name, making.server) == (0, 0, 0);
                match judge(&known, &shown) {
                    Verdict::Same => prop_assert_eq!(&kept(&shown), &list),
                    Verdict::Take(taken) => {
                        prop_assert!(is_honest && taken.version > list.version);
                        prop_assert_eq!(&taken, &kept(&shown));
                        list = taken;
                    }
                    Verdict::Heal => prop_assert!(shown.version < list.version && !is_refused),
                    Verdict::Doubt(doubt, offer) => {
                        let is_known = match doubt {
                            Doubt::Older { .. } => shown.version < list.version && is_refused && is_honest,
                            Doubt::Other { .. } => shown.version == list.version && is_honest,
                            Doubt::Signer { .. } => making.signer == 1 && offer.is_none(),
                            Doubt::Invalid { .. } => !is_honest && offer.is_none(),
                        };
                        prop_assert!(is_known);
                        prop_assert!(offer.is_none_or(|it| it == kept(&shown)));
                    }
                }
            }
        }
    }
}
