//! Bundles of all kinds: written, read, and one in the place of another.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::folder::Folder;
use crate::message::{Installation, Timestamp};
use crate::trust::devices::{DeviceKey, MAX_VERSION, Owner, Prekey, StatementError};
use crate::trust::{CurveKey, Identity};
use crate::wire;

/// A data folder's key, without the folder.
pub(crate) fn device_key() -> DeviceKey {
    let place = tempfile::tempdir().unwrap();
    DeviceKey::open_or_create(&Folder::open(place.path()).unwrap()).unwrap()
}

/// What the device with this key, which stands in the list, says of itself; `life` is what its key for life is made of.
pub(crate) fn prekey_of(list: &DeviceList, key: &DeviceKey, number: u64, life: u8) -> SignedPrekey {
    let device = list.devices().iter().find(|it| it.key == key.public()).unwrap();
    SignedPrekey::sign(says(list.owner(), device.installation, number, life), key).unwrap()
}

fn says(owner: &Owner, installation: Installation, number: u64, life: u8) -> Prekey {
    let (name, identity) = (owner.name.clone(), owner.identity.fingerprint());
    let curve = CurveKey::from_bytes([life; 32]);
    let fallback = CurveKey::from_bytes([number as u8 % 128; 32]);
    let time = Timestamp(number % 1_000 * 1_000);
    Prekey { server: owner.server, name, identity, installation, curve, fallback, number, time }
}

static JOHN: LazyLock<Identity> = LazyLock::new(|| Identity::generate().unwrap());

/// Three data folders of his.
static KEYS: LazyLock<[DeviceKey; 3]> = LazyLock::new(|| [(); 3].map(|()| device_key()));

fn owner() -> Owner {
    Owner { server: None, name: "john".parse().unwrap(), identity: JOHN.public() }
}

fn device(at: usize) -> Device {
    Device { installation: Installation::from_u64(at as u64 + 1), key: KEYS[at].public() }
}

/// A list of so many of them.
fn list(count: usize) -> DeviceList {
    let first = DeviceList::first(owner(), device(0), Timestamp(0));
    (1..count).fold(first, |list, at| list.with(device(at), Timestamp(0)).unwrap())
}

fn sign(list: &DeviceList) -> SignedList {
    SignedList::sign(list.clone(), &JOHN).unwrap()
}

/// The list of all of them, with prekeys that have these numbers; 0 stands for none.
fn bundle(numbers: [u64; 3]) -> Bundle {
    bundle_of(&list(3), numbers)
}

fn bundle_of(list: &DeviceList, numbers: [u64; 3]) -> Bundle {
    let said = numbers.iter().enumerate().filter(|(_, number)| **number > 0);
    said.fold(Bundle::of(sign(list)), |bundle, (at, number)| {
        bundle.with(prekey_of(list, &KEYS[at], *number, 1)).unwrap()
    })
}

fn numbers(bundle: &Bundle) -> Vec<u64> {
    let number = |it: &Device| bundle.prekey(it).map_or(0, |it| it.prekey().number);
    bundle.list().devices().iter().map(number).collect()
}

/// These statements, one right behind the other.
fn read(list: &SignedList, behind: &[&SignedPrekey]) -> Result<Bundle, BundleError> {
    let all: Vec<_> = behind.iter().map(|it| &it.bytes()[..]).collect();
    Bundle::read([&list.bytes()[..], &all.concat()].concat().into())
}

#[test]
fn a_list_alone_is_a_bundle() {
    let alone = Bundle::of(sign(&list(3)));
    assert_eq!(alone.bytes(), alone.signed().bytes());
    assert_eq!(alone.lacking().collect::<Vec<_>>(), list(3).devices().iter().collect::<Vec<_>>());
    assert_eq!(Bundle::read(alone.bytes().clone()), Ok(alone));
}

#[test]
fn prekeys_stand_in_the_order_of_their_devices_and_there_is_one_for_each() {
    let list = list(3);
    let [one, two, three] = [0, 1, 2].map(|at| prekey_of(&list, &KEYS[at], 1, 1));
    let signed = sign(&list);
    assert_eq!(numbers(&read(&signed, &[&one, &three]).unwrap()), [1, 0, 1]);
    for wrong in [&[&two, &one][..], &[&one, &three, &two], &[&one, &one]] {
        assert_eq!(read(&signed, wrong), Err(BundleError::Order));
    }
}

#[test]
fn a_prekey_is_for_the_owner_of_the_list_and_of_one_of_its_devices() {
    let (one, all) = (list(1), list(3));
    let signed = sign(&one);
    let other = prekey_of(&all, &KEYS[1], 1, 1);
    assert_eq!(read(&signed, &[&other]), Err(BundleError::Device));
    let installation = |number| Installation::from_u64(number);
    let foreign = SignedPrekey::sign(says(&owner(), installation(1), 1, 1), &KEYS[1]).unwrap();
    assert_eq!(read(&signed, &[&foreign]), Err(BundleError::Device), "another's key");
    let server = Some(JOHN.public().fingerprint());
    for other in [
        Owner { server, ..owner() },
        Owner { name: "marie".parse().unwrap(), ..owner() },
        Owner { identity: KEYS[0].public(), ..owner() },
    ] {
        let prekey = SignedPrekey::sign(says(&other, installation(1), 1, 1), &KEYS[0]).unwrap();
        assert_eq!(read(&signed, &[&prekey]), Err(BundleError::Owner), "{other:?}");
        assert_eq!(Bundle::of(signed.clone()).with(prekey), Err(BundleError::Owner));
    }
}

#[test]
fn nothing_else_stands_in_a_bundle() {
    let bytes = bundle([1, 1, 0]).bytes().to_vec();
    let form = StatementError::Form;
    let behind = [&bytes[..], b"\n"].concat();
    assert_eq!(Bundle::read(behind.into()), Err(BundleError::Prekey(PrekeyError::Statement(form))));
    let cut = bytes[..bytes.len() - 1].to_vec();
    assert_eq!(Bundle::read(cut.into()), Err(BundleError::Prekey(PrekeyError::Statement(form))));
    assert_eq!(
        Bundle::read(Bytes::new()),
        Err(BundleError::List(SignedListError::Statement(form)))
    );
    let twice = [&bytes[..], &bytes[..]].concat();
    assert!(matches!(Bundle::read(twice.into()), Err(BundleError::Prekey(_))));
}

#[test]
fn a_long_name_fits_into_a_prekey() {
    let owner = Owner { name: "𠮷".repeat(32).parse().unwrap(), ..owner() };
    let server = Some(JOHN.public().fingerprint());
    let list = DeviceList::first(Owner { server, ..owner }, device(0), Timestamp(0));
    let prekey = prekey_of(&list, &KEYS[0], MAX_VERSION, 1);
    assert!(prekey.bytes().len() <= MAX_PREKEY, "{}", prekey.bytes().len());
    let bundle = Bundle::of(sign(&list)).with(prekey).unwrap();
    assert_eq!(Bundle::read(bundle.bytes().clone()), Ok(bundle));
}

#[test]
fn a_device_comes_into_a_list_with_a_prekey_and_stays_as_it_is() {
    let one = bundle_of(&list(1), [1, 0, 0]);
    assert_eq!(one.clone().over(None), Ok(one.clone()));
    let without = Bundle::of(sign(&list(1)));
    assert_eq!(without.clone().over(None), Err(BundleError::Lacking));
    assert_eq!(without.clone().over(Some(&one)), Ok(one.clone()), "it is kept");
    // An older program has listed it.
    assert_eq!(without.clone().over(Some(&without)), Ok(without.clone()));
    let two = bundle_of(&list(2), [0, 1, 0]);
    assert_eq!(numbers(&two.clone().over(Some(&without)).unwrap()), [0, 1]);
    assert_eq!(numbers(&two.over(Some(&one)).unwrap()), [1, 1]);
    let lacking = bundle_of(&list(2), [1, 0, 0]);
    assert_eq!(lacking.over(Some(&one)), Err(BundleError::Lacking));
}

#[test]
fn a_device_has_one_key_for_life_and_another_device_another_one() {
    let kept = bundle_of(&list(1), [1, 0, 0]);
    let list = list(1);
    let other = Bundle::of(sign(&list)).with(prekey_of(&list, &KEYS[0], 2, 9)).unwrap();
    assert_eq!(other.over(Some(&kept)), Err(BundleError::Curve));
    let anew = Device { installation: Installation::from_u64(77), ..device(0) };
    let list = list.with(anew, Timestamp(0)).unwrap();
    let anew = Bundle::of(sign(&list)).with(prekey_of(&list, &KEYS[0], 1, 9)).unwrap();
    let taken = anew.clone().over(Some(&kept)).unwrap();
    assert_eq!((taken.list(), numbers(&taken)), (anew.list(), vec![1]));
}

#[test]
fn prekeys_for_another_server_do_not_count_and_those_who_had_them_may_stay() {
    let kept = bundle([1, 2, 3]);
    let server = Some(JOHN.public().fingerprint());
    let there = list(3).with(device(0), Timestamp(0)).unwrap().on(server);
    let said = Bundle::of(sign(&there)).with(prekey_of(&there, &KEYS[0], 1, 1)).unwrap();
    let next = said.over(Some(&kept)).unwrap();
    assert_eq!(numbers(&next), [0, 0, 1], "the first one came again");
}

#[test]
fn the_sentences_fit_into_a_refusal() {
    let all = [
        BundleError::Long,
        BundleError::Owner,
        BundleError::Device,
        BundleError::Order,
        BundleError::Curve,
        BundleError::Lacking,
        PrekeyError::Spelling.into(),
        PrekeyError::Line("installation").into(),
    ];
    for error in all {
        assert!(error.to_string().len() <= wire::MAX_SENTENCE, "{error}");
    }
    assert_eq!(MAX_BUNDLE, wire::MAX_BUNDLE);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn what_is_written_is_read(said in prop::array::uniform3(0..3_u64)) {
        let bundle = bundle(said);
        prop_assert_eq!(numbers(&bundle), said);
        prop_assert!(bundle.bytes().len() <= MAX_BUNDLE);
        prop_assert_eq!(Bundle::read(bundle.bytes().clone()), Ok(bundle));
    }

    #[test]
    fn whatever_comes_is_read_as_itself(at: prop::sample::Index, byte: u8, bytes: Vec<u8>) {
        prop_assert!(Bundle::read(bytes.into()).is_err());
        let mut bytes = bundle([1, 1, 1]).bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let bytes = Bytes::from(bytes);
        if let Ok(read) = Bundle::read(bytes.clone()) {
            prop_assert_eq!(read.bytes(), &bytes);
        }
    }

    #[test]
    fn the_highest_numbers_stay(
        said in prop::array::uniform3(0..4_u64),
        kept in prop::array::uniform3(0..4_u64),
    ) {
        let (said_one, kept_one) = (bundle(said), bundle(kept));
        let next = said_one.over(Some(&kept_one)).unwrap();
        let highest: Vec<_> = (0..3).map(|at| said[at].max(kept[at])).collect();
        prop_assert_eq!(numbers(&next), highest);
        prop_assert_eq!(next.has_news_for(&kept_one), (0..3).any(|at| said[at] > kept[at]));
        prop_assert_eq!(Bundle::read(next.bytes().clone()), Ok(next));
    }
}

#[test]
fn the_prekeys_of_the_last_devices_that_are_gone_stay() {
    let mut kept = bundle_of(&list(1), [1, 0, 0]);
    let moved = |at: u64| Device { installation: Installation::from_u64(at), ..device(0) };
    let went: Vec<_> = (10..10 + MAX_FORMER as u64 + 1).map(moved).collect();
    for next in &went {
        let list = kept.list().with(*next, Timestamp(0)).unwrap();
        let prekey = prekey_of(&list, &KEYS[0], 1, 1);
        kept = Bundle::of(sign(&list)).with(prekey).unwrap().over(Some(&kept)).unwrap();
        assert_eq!(Bundle::read(kept.bytes().clone()), Ok(kept.clone()));
    }
    assert!(went.iter().all(|it| kept.prekey(it).is_some()));
    assert_eq!(kept.prekey(&device(0)), None, "it went before {MAX_FORMER} others");
    assert!(kept.bytes().len() <= MAX_BUNDLE);
}

#[test]
fn it_is_known_ahead_how_many_signatures_are_verified() {
    for bytes in [&b""[..], b"garbage", &b"-----END SSH SIGNATURE-----\n".repeat(700)] {
        let most = if bytes.len() > 100 { 17 } else { 1 };
        assert_eq!(Bundle::signatures(bytes), most);
    }
    let list = DeviceList::first(owner(), device(0), Timestamp(0));
    let prekey = prekey_of(&list, &KEYS[0], 1, 1);
    let alone = Bundle::of(SignedList::sign(list, &JOHN).unwrap());
    assert_eq!(Bundle::signatures(alone.bytes()), 1);
    assert_eq!(Bundle::signatures(alone.with(prekey).unwrap().bytes()), 2);
}
