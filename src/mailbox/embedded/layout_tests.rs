//! That the bytes on disk are what the layout says, and survive.

use super::*;
use crate::mailbox::Account;
use proptest::prelude::*;

fn key(sender: &str, receiver: &str) -> SessionKey {
    SessionKey::new(sender.parse().unwrap(), receiver.parse().unwrap()).unwrap()
}

/// What is on people's disks: a change of these bytes needs another version.
#[test]
fn the_bytes_are_those_of_version_3() {
    assert_eq!(session_key(&key("john", "marie")), b"marie\0john");
    let prefix = message_prefix(&key("john", "marie"));
    assert_eq!(segment_key(&prefix, 258), b"marie\0john\0\0\0\0\0\0\0\x01\x02");
    let older = Message { time: Timestamp(3), ..Message::text(0xa1, 2, "hi") };
    let message = Message { origin: Origin::from_bytes(*b"16 random bytes."), ..older.clone() };
    let bytes = encode_segment(Uptime(9), [&message].into_iter());
    let (one, nine) = (b"\0\0\0\x01", b"\0\0\0\0\0\0\0\x09");
    let id = b"\0\0\0\0\0\0\0\xa1\0\0\0\0\0\0\0\x02";
    let rest = b"\0\0\0\0\0\0\0\x03\x04text\0\0\0\x02hi";
    let first = [&[1], &one[..], id, rest].concat();
    let second = [&[2], &nine[..], one, id, rest].concat();
    let third = [&[3], &nine[..], one, id, b"16 random bytes.", rest].concat();
    assert_eq!(bytes, third);
    for (bytes, since, expected) in
        [(first, Uptime(0), &older), (second, Uptime(9), &older), (third, Uptime(9), &message)]
    {
        assert_eq!(decode_since(&bytes), Ok(since));
        assert_eq!(decode_segment(bytes.into()), Ok(vec![expected.clone()]));
    }
    let row = Row { removed: 1, last: 2, bytes: 3 };
    let numbers = b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03";
    assert_eq!(row.encode(), [&b"\x02"[..], numbers].concat());
    let mut accounts = Accounts::default();
    let it = accounts.restore(Installation::from_u64(0xa1));
    *it = Account { n: 1, settled: 2, seen: 3, expired: [(4, 5)].into(), bounced: [(6, 7)].into() };
    let prefix = accounts_prefix(&key("john", "marie"));
    let entries: Vec<_> = encode_accounts(&prefix, &accounts).into_iter().collect();
    let (a1, four) = (b"\0\0\0\0\0\0\0\xa1", b"\0\0\0\0\0\0\0\x04");
    let numbers_key = [&b"marie\0john\0h"[..], a1].concat();
    let six = b"\0\0\0\0\0\0\0\x06";
    let bounced_key = [&b"marie\0john\0b"[..], a1, six].concat();
    let bounced = b"\0\0\0\0\0\0\0\x07".to_vec();
    let expired_key = [&b"marie\0john\0x"[..], a1, four].concat();
    let expired = b"\0\0\0\0\0\0\0\x05".to_vec();
    let numbers = (numbers_key, numbers.to_vec());
    assert_eq!(entries, [(bounced_key, bounced), numbers, (expired_key, expired)]);
}

#[test]
fn a_message_that_is_withheld_is_told_from_an_empty_one() {
    let id = MessageId { installation: Installation::from_u64(0xa1), n: 2 };
    let empty = Message::text(0xa1, 2, "");
    let withheld = Message::withheld(id, Timestamp(3), 70_000);
    // As an earlier version wrote it.
    let older = Message::kept(id, Origin::of(id), Timestamp(3), None, Bytes::new());
    let all = [&empty, &withheld, &older];
    let bytes = encode_segment(Uptime(0), all.into_iter());
    let outline = |length, is_withheld| Outline { id, length, is_withheld };
    let outlines = vec![outline(0, false), outline(70_000, true), outline(0, true)];
    assert_eq!(decode_outlines(&bytes), Ok(outlines.clone()));
    let decoded = decode_segment(bytes).unwrap();
    assert_eq!(decoded.iter().collect::<Vec<_>>(), all);
    assert_eq!(decoded.iter().map(Outline::of).collect::<Vec<_>>(), outlines);
    assert!(decoded.iter().all(|it| it.weight() == 0));
}

#[test]
fn what_is_no_key_is_told() {
    for bad in [&b""[..], b"marie", b"marie\0", b"marie\0marie", b"a\0b\0c", b"\xff\0john"] {
        assert!(parse_session_key(bad).is_err(), "{bad:?}");
    }
    for bad in [&b""[..], b"marie\0john", b"marie\0john1234567\0"] {
        assert!(parse_segment_key(bad).is_err(), "{bad:?}");
    }
}

prop_compose! {
    fn account()(n: u64, settled: u64, seen: u64, records in prop::collection::vec(any::<(u64, u64)>(), 0..4)) -> Account {
        let expired = records.iter().map(|(a, b)| (*a.min(b), *a.max(b)));
        let records: Vec<_> = expired.collect();
        let (expired, bounced) = records.split_at(records.len() / 2);
        let map = |records: &[(u64, u64)]| records.iter().copied().collect();
        Account { n, settled, seen, expired: map(expired), bounced: map(bounced) }
    }
}

proptest! {
    #[test]
    fn a_device_list_survives(
        name in "[a-zäöü]{1,20}",
        version: u64,
        owner: [u8; 32],
        bundle: Vec<u8>,
        cut in 0..41usize,
    ) {
        let name: Name = name.parse().unwrap();
        let owner = PublicKey::from_bytes(owner);
        let id = ListId { owner, version, server: None, edition: 0 };
        let list = KeptList { id, bundle: bundle.into() };
        let (key, value) = (list_key(&name), encode_list(&list));
        prop_assert!(key[..] < FIRST_STANDING[..] && parse_session_key(&key).is_err());
        prop_assert!(check_entry(&key, value.clone().into()).is_err(), "nobody has signed it");
        let cut_short = value[..cut].to_vec();
        prop_assert_eq!(parse_list(&key, value.into()), Ok((name, list)));
        prop_assert!(parse_list(&key, cut_short.into()).is_err());
    }

    #[test]
    fn a_standing_survives(names in ["[a-m]{1,20}", "[n-zäöü]{1,20}"], value: [u8; 2]) {
        let session = self::key(&names[0], &names[1]);
        let key = standing_key(&session);
        prop_assert!(key[..] >= FIRST_STANDING[..] && key[..] < FIRST_SESSION[..]);
        prop_assert!(parse_session_key(&key).is_err());
        for standing in Standing::ALL {
            let encoded = encode_standing(standing);
            prop_assert_eq!(parse_standing(&key, &encoded), Ok((session.clone(), standing)));
            prop_assert_eq!(check_entry(&key, encoded.to_vec().into()), Ok(()));
            prop_assert!(parse_standing(&key, &encoded[..1]).is_err());
        }
        let is_one = matches!(value, [1, 1..=3]);
        prop_assert_eq!(parse_standing(&key, &value).is_ok(), is_one);
    }

    #[test]
    fn a_row_survives(removed in 0..1000u64, more in 0..1000u64, bytes: u64) {
        let row = Row { removed, last: removed + more, bytes };
        let encoded = row.encode();
        prop_assert_eq!(Row::decode(&encoded), Ok(row));
        for cut in 0..encoded.len() {
            prop_assert!(Row::decode(&encoded[..cut]).is_err());
        }
    }

    #[test]
    fn accounts_survive(all in prop::collection::btree_map(any::<u64>(), account(), 0..4)) {
        let key = key("john", "marie");
        let (mut accounts, mut read) = (Accounts::default(), Accounts::default());
        for (installation, mut account) in all {
            let records = account.expired.values().chain(account.bounced.values());
            account.n = records.copied().fold(account.n, u64::max);
            *accounts.restore(Installation::from_u64(installation)) = account;
        }
        for (entry, value) in encode_accounts(&accounts_prefix(&key), &accounts) {
            let (session, part) = parse_part(&entry, &value).unwrap();
            prop_assert_eq!(&session, &key);
            add_part(&mut read, part);
            prop_assert!(parse_session_key(&entry).is_err());
            for cut in 0..value.len() {
                prop_assert!(parse_part(&entry, &value[..cut]).is_err());
            }
        }
        prop_assert_eq!(read, accounts);
    }

    #[test]
    fn a_segment_survives(
        since: u64,
        messages in prop::collection::vec(any::<(u64, u64, [u8; 16], Vec<u8>)>(), 1..5),
    ) {
        let message = |(installation, n, origin, body): (u64, u64, [u8; 16], Vec<u8>)| Message {
            origin: Origin::from_bytes(origin),
            ..Message::text(installation, n, body)
        };
        let messages: Vec<_> = messages.into_iter().map(message).collect();
        let encoded = encode_segment(Uptime(since), messages.iter());
        let outlines: Vec<_> = messages.iter().map(Outline::of).collect();
        prop_assert_eq!(decode_segment(encoded.clone()), Ok(messages));
        prop_assert_eq!(decode_since(&encoded), Ok(Uptime(since)));
        prop_assert_eq!(decode_outlines(&encoded), Ok(outlines));
        for cut in 0..encoded.len() {
            prop_assert!(decode_segment(encoded.slice(..cut)).is_err());
            prop_assert!(decode_outlines(&encoded[..cut]).is_err());
        }
    }

    #[test]
    fn keys_survive_and_ascend(position in 0..u64::MAX) {
        let key = key("john", "marie");
        let prefix = message_prefix(&key);
        let one = segment_key(&prefix, position);
        prop_assert_eq!(parse_segment_key(&one), Ok((key.clone(), position)));
        prop_assert_eq!(parse_session_key(&session_key(&key)), Ok(key));
        prop_assert!(one < segment_key(&prefix, position + 1));
    }

    #[test]
    fn arbitrary_bytes_are_told(bytes: Vec<u8>) {
        let _ = Row::decode(&bytes);
        let _ = decode_segment(bytes.clone().into());
        let _ = parse_segment_key(&bytes);
        let _ = parse_part(&bytes, &bytes);
    }
}
