//! Lists of all kinds: written, read, signed, and one behind the other.

use bytes::Bytes;
use proptest::prelude::*;
use ssh_key::private::Ed25519Keypair;

use super::statement::Statement;
use super::*;
use crate::message::{Installation, Timestamp};
use crate::trust::{Fingerprint, Identity, PublicKey};
use crate::wire;

/// 2026-11-28T23:45:16Z, and a bit.
const TIME: Timestamp = Timestamp(1_795_909_516_789);

fn key(seed: u8) -> PublicKey {
    PublicKey::from(Ed25519Keypair::from_seed(&[seed; 32]).public)
}

fn device(installation: u8, seed: u8) -> Device {
    Device { installation: Installation::from_u64(installation.into()), key: key(seed) }
}

fn owner(name: &str) -> Owner {
    let server = Some(Fingerprint::of(b"the server"));
    Owner { server, name: name.parse().unwrap(), identity: key(200) }
}

/// A list into which these came, one after the other.
fn list(came: &[(u8, u8)]) -> DeviceList {
    let devices: Vec<_> =
        came.iter().map(|(installation, seed)| device(*installation, *seed)).collect();
    let first = DeviceList::first(owner("john"), devices[0], TIME);
    devices[1..].iter().fold(first, |list, device| list.with(*device, TIME).unwrap())
}

/// As many as fit, with all that is long.
fn longest() -> DeviceList {
    let all = (0..=255).map(|n| device(n, n)).collect::<Vec<_>>();
    let owner = owner(&"𠮷".repeat(32));
    DeviceList {
        version: MAX_VERSION,
        previous: Some(Fingerprint::of(b"the one before")),
        devices: all[..MAX_DEVICES].to_vec(),
        gone: all[MAX_DEVICES..MAX_DEVICES + MAX_GONE].to_vec(),
        ..DeviceList::first(owner, all[0], TIME)
    }
}

#[test]
fn a_list_is_written_as_the_page_says() {
    let john = key(200);
    let first = list(&[(1, 1)]);
    let hash = first.hash();
    let second = first.with(device(2, 1), TIME).unwrap();
    let expected = format!(
        "tinychat/2 devices\n\
         server {}\n\
         name john\n\
         identity {john}\n\
         version 2\n\
         previous {hash}\n\
         time 2026-11-28T23:45:16Z\n\
         device 0000000000000002 {}\n\
         gone 0000000000000001 {}\n",
        Fingerprint::of(b"the server"),
        key(1),
        key(1),
    );
    assert_eq!(second.to_string(), expected);
    let plain = DeviceList::first(Owner { server: None, ..owner("john") }, device(1, 1), TIME);
    assert!(plain.to_string().contains("\nserver none\nname john\n"), "{plain}");
    assert!(plain.to_string().contains("\nversion 1\nprevious -\n"), "{plain}");
}

#[test]
fn the_words_are_those_of_the_protocol() {
    assert!(list::TITLE.starts_with(wire::VERSION));
    assert_eq!(MAX_VERSION, wire::MAX_NUMBER);
}

#[test]
fn the_longest_list_is_read_and_signed() {
    let list = longest();
    assert_eq!(list.to_string().len(), 4_059);
    assert_eq!(list.to_string().parse(), Ok(list.clone()));
    let signed = SignedList::sign(list, &Identity::generate().unwrap()).unwrap();
    assert!(signed.bytes().len() <= MAX_STATEMENT, "{}", signed.bytes().len());
    assert_eq!(SignedList::read(signed.bytes().clone()), Ok(signed));
}

#[test]
fn a_ninth_device_makes_the_first_one_gone() {
    let nine: Vec<_> = (1..=9).map(|n| (n, n)).collect();
    let list = list(&nine);
    assert_eq!(list.devices().len(), MAX_DEVICES);
    assert_eq!(list.devices().last(), Some(&device(9, 9)));
    assert_eq!(list.gone(), [device(1, 1)]);
    let again = list.with(device(1, 1), TIME).unwrap();
    assert_eq!(again.devices().last(), Some(&device(1, 1)), "it came again");
    assert_eq!(again.gone(), [device(2, 2)]);
}

#[test]
fn a_folder_that_began_anew_replaces_itself() {
    let before = list(&[(1, 1), (2, 2), (3, 3)]);
    let after = before.with(device(9, 2), TIME).unwrap();
    assert_eq!(after.devices(), [device(1, 1), device(3, 3), device(9, 2)]);
    assert_eq!(after.gone(), [device(2, 2)]);
    let both = after.with(device(1, 3), TIME).unwrap();
    assert_eq!(both.devices(), [device(9, 2), device(1, 3)]);
    assert_eq!(both.gone(), [device(2, 2), device(1, 1), device(3, 3)]);
}

#[test]
fn of_many_that_are_gone_the_first_are_forgotten() {
    let many: Vec<_> = (1..=60).map(|n| (n, 7)).collect();
    let list = list(&many);
    assert_eq!(list.devices(), [device(60, 7)]);
    let last: Vec<_> = (28..=59).map(|n| device(n, 7)).collect();
    assert_eq!(list.gone(), last);
}

#[test]
fn a_list_takes_the_place_of_the_one_that_it_was_made_from() {
    let first = list(&[(1, 1)]);
    let (second, other) = (list(&[(1, 1), (2, 2)]), list(&[(1, 1), (3, 3)]));
    let (third, fourth) =
        (list(&[(1, 1), (2, 2), (3, 3)]), list(&[(1, 1), (2, 2), (3, 3), (4, 4)]));
    assert!(second.follows(&first) && other.follows(&first));
    assert!(third.follows(&second) && !third.follows(&other), "made from another");
    assert!(fourth.follows(&other), "further ahead");
    assert!(!first.follows(&second) && !second.follows(&other) && !second.follows(&second));
    assert_eq!(longest().with(device(1, 1), TIME), None, "there is no higher version");
}

#[test]
fn another_text_is_refused() {
    let text = list(&[(1, 1), (2, 2), (3, 2)]).to_string();
    let edit = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    let line =
        |word: &str| text.lines().find(|line| line.starts_with(word)).unwrap().to_owned() + "\n";
    let (device, gone) = (line("device"), line("gone"));
    let many = |line: &str, most: usize| line.repeat(most + 1);
    for (bad, error) in [
        (String::new(), ListError::Title),
        (edit("tinychat/2", "tinychat/3"), ListError::Title),
        (edit("server SHA256:", "server MD5:"), ListError::Line("server")),
        (edit(&line("server"), ""), ListError::Line("server")),
        (edit("name john", "name jo hn"), ListError::Line("name")),
        (edit("name john", "name John"), ListError::Spelling),
        (edit("identity ", "identity  "), ListError::Line("identity")),
        (edit("identity ", "key "), ListError::Line("identity")),
        (edit("version 3", "version three"), ListError::Line("version")),
        (edit("version 3", "version +3"), ListError::Spelling),
        (edit("version 3", "version 03"), ListError::Spelling),
        (edit("version 3", "version 0"), ListError::Version),
        (edit("version 3", "version 1"), ListError::Version),
        (edit("version 3", "version 9223372036854775808"), ListError::Version),
        (edit(&line("previous"), "previous -\n"), ListError::Version),
        (edit("2026-11-28T23:45:16Z", "yesterday"), ListError::Line("time")),
        (edit("2026-11-28T23:45:16Z", "2026-11-28t23:45:16z"), ListError::Spelling),
        (edit("2026-11-28T23:45:16Z", "2026-11-28T23:45:16.5Z"), ListError::Spelling),
        (edit("2026-11-28T23:45:16Z", "1926-11-28T23:45:16Z"), ListError::Spelling),
        (edit("device 0", "device "), ListError::Line("device")),
        (edit("gone 0", "gone x"), ListError::Line("gone")),
        (edit("\ndevice", "\ndevice on"), ListError::Line("device")),
        (edit("\ndevice", "\ndevices"), ListError::Count),
        (
            text.lines()
                .filter(|it| !it.starts_with("device"))
                .map(|it| format!("{it}\n"))
                .collect(),
            ListError::Count,
        ),
        (edit(&device, &many(&device, MAX_DEVICES)), ListError::Count),
        (edit(&gone, &many(&gone, MAX_GONE)), ListError::Count),
        (edit(&device, &many(&device, 1)), ListError::Twice),
        (edit(&gone, &many(&gone, 1)), ListError::Twice),
        (edit(&gone, &device.replace("device", "gone")), ListError::Twice),
        (edit("0000000000000003", "0000000000000001"), ListError::Twice),
        (format!("{text}{device}"), ListError::Spelling),
        (text.replace('\n', "\r\n"), ListError::Spelling),
        (text.trim_end().to_owned(), ListError::Spelling),
        (text.clone() + "\n", ListError::Spelling),
        (text.clone() + "label laptop\n", ListError::Spelling),
    ] {
        assert_eq!(bad.parse::<DeviceList>(), Err(error), "{bad}");
    }
}

#[test]
fn a_list_is_signed_by_whom_it_names() {
    let (john, marie) = (Identity::generate().unwrap(), Identity::generate().unwrap());
    let signed = SignedList::sign(list(&[(1, 1)]), &john).unwrap();
    assert_eq!(signed.list().owner().identity, john.public());
    assert_eq!(signed.hash(), signed.list().hash());
    assert_eq!(SignedList::read(signed.bytes().clone()), Ok(signed.clone()));
    let text = signed.list().to_string();
    let by_marie = Statement::sign(DEVICES_NAMESPACE, text.clone(), &marie).unwrap();
    assert_eq!(SignedList::read(by_marie.bytes().clone()), Err(SignedListError::Signer));
    let sign_in = Statement::sign(wire::SIGN_IN_NAMESPACE, text, &john).unwrap();
    let refused = Err(SignedListError::Statement(StatementError::Signature));
    assert_eq!(SignedList::read(sign_in.bytes().clone()), refused, "signed for another purpose");
    let letter = Statement::sign(DEVICES_NAMESPACE, "hello\n".into(), &john).unwrap();
    let refused = Err(SignedListError::List(ListError::Title));
    assert_eq!(SignedList::read(letter.bytes().clone()), refused);
}

#[test]
fn the_sentences_fit_into_a_refusal() {
    for error in [
        SignedListError::Statement(StatementError::Long),
        SignedListError::Statement(StatementError::Form),
        SignedListError::Statement(StatementError::Signature),
        SignedListError::List(ListError::Version),
        SignedListError::List(ListError::Twice),
        SignedListError::Signer,
    ] {
        assert!(error.to_string().len() <= wire::MAX_SENTENCE, "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whoever_comes_the_next_list_is_a_list(came in prop::collection::vec((0..14_u8, 0..14_u8), 1..60)) {
        let mut list = list(&came[..1]);
        for (installation, seed) in &came[1..] {
            let (device, before) = (device(*installation, *seed), list);
            list = before.with(device, TIME).unwrap();
            prop_assert_eq!(list.to_string().parse(), Ok(list.clone()));
            prop_assert!(list.to_string().len() <= MAX_TEXT);
            prop_assert!(list.follows(&before) && !before.follows(&list));
            prop_assert_eq!(list.devices().last(), Some(&device));
            let is_kept = |it: &Device| list.devices().contains(it) || list.gone().contains(it);
            prop_assert!(before.devices().iter().all(is_kept));
        }
    }

    #[test]
    fn a_text_is_read_as_itself_or_not_at_all(at: prop::sample::Index, byte in 9..128_u8, came in prop::collection::vec((0..9_u8, 0..9_u8), 1..12)) {
        let mut text = list(&came).to_string().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        let text = String::from_utf8(text).unwrap();
        if let Ok(read) = text.parse::<DeviceList>() {
            prop_assert_eq!(read.to_string(), text);
        }
    }

    #[test]
    fn whatever_comes_is_refused(bytes: Vec<u8>, text: String) {
        prop_assert!(text.parse::<DeviceList>().is_err());
        prop_assert!(SignedList::read(Bytes::from(bytes)).is_err());
    }
}
