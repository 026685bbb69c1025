//! Device lists: which the server takes, what it tells of them, and which messages it takes for which version.

use tinychat::folder::Folder;
use tinychat::message::{Installation, Timestamp};
use tinychat::server::Tls;
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, Owner, Prekey, SignedList, SignedPrekey,
};
use tinychat::trust::tls::Channel;
use tinychat::trust::{CurveKey, Fingerprint, Identity};
use tinychat::wire::frame::ServerFrame;

use crate::operators::{operate, restore};
use crate::world::{Peer, World, line, story, story_with};

/// A story in which everybody is told of device lists.
fn story_of_lists(tell: impl AsyncFnOnce(&mut World)) {
    story(async |world| {
        world.tells_of_lists = true;
        tell(world).await;
    });
}

/// The same on a server with TLS.
fn story_with_tls(tell: impl AsyncFnOnce(&mut World)) {
    let with_tls = |config: &mut tinychat::server::Config| config.tls = Tls::Own;
    story_with(with_tls, async |world| {
        world.tells_of_lists = true;
        tell(world).await;
    });
}

/// The key of the server with which somebody talks by TLS.
fn key(peer: &Peer) -> Fingerprint {
    match peer.channel {
        Channel::Tls { server, .. } => server,
        _ => panic!("TLS"),
    }
}

/// The key of a data folder that lies nowhere.
pub(crate) fn device_key() -> DeviceKey {
    let place = tempfile::tempdir().unwrap();
    DeviceKey::open_or_create(&Folder::open(place.path()).unwrap()).unwrap()
}

/// What a list calls the folder with this key.
fn device(number: u64, key: &DeviceKey) -> Device {
    Device { installation: Installation::from_u64(number), key: key.public() }
}

/// What the last device of a list says of itself, whose key this is. `life` is what its key for life is made of.
pub(crate) fn prekey_of(list: &DeviceList, key: &DeviceKey, number: u64, life: u8) -> SignedPrekey {
    let owner = list.owner();
    let prekey = Prekey {
        server: owner.server,
        name: owner.name.clone(),
        identity: owner.identity.fingerprint(),
        installation: list.devices().last().unwrap().installation,
        curve: CurveKey::from_bytes([life; 32]),
        fallback: CurveKey::from_bytes([number as u8 % 128; 32]),
        number,
        time: Timestamp(0),
    };
    SignedPrekey::sign(prekey, key).unwrap()
}

/// A list that somebody signs, into which the folder with this key has come, and what is known of the others.
fn sign(list: DeviceList, identity: &Identity, key: &DeviceKey, before: Option<&Bundle>) -> Bundle {
    let prekey = prekey_of(&list, key, 1, 1);
    let list = Bundle::of(SignedList::sign(list, identity).unwrap());
    list.joined(before).unwrap().with(prekey).unwrap()
}

/// The first list of somebody, which the folder with this key has made for a server that has that key.
fn first_of(key: &DeviceKey, server: Option<Fingerprint>, world: &World, name: &str) -> Bundle {
    let identity = world.identity(name);
    let owner = Owner { server, name: name.parse().unwrap(), identity: identity.public() };
    let list = DeviceList::first(owner, device(1, key), Timestamp(0));
    sign(list, &identity, key, None)
}

/// The same of any folder.
fn first_on(server: Option<Fingerprint>, world: &World, name: &str) -> Bundle {
    first_of(&device_key(), server, world, name)
}

/// The same on a server without TLS.
pub(crate) fn first(world: &World, name: &str) -> Bundle {
    first_on(None, world, name)
}

/// The version behind one, with one more device.
pub(crate) fn next(world: &World, before: &Bundle) -> Bundle {
    next_on(before.list().owner().server, world, before)
}

/// The same on a server that has another key.
fn next_on(server: Option<Fingerprint>, world: &World, before: &Bundle) -> Bundle {
    let (list, key) = (before.list(), device_key());
    let identity = world.identity(list.owner().name.as_str());
    let next = list.with(device(list.version() + 1, &key), Timestamp(0)).unwrap();
    sign(next.on(server), &identity, &key, Some(before))
}

fn as_frame(statement: &[u8]) -> Vec<u8> {
    let header = format!("LIST {}\r\n", statement.len());
    [header.as_bytes(), statement, b"\r\n"].concat()
}

/// Says a list that is taken.
pub(crate) async fn lists(peer: &mut Peer, list: &Bundle) {
    peer.send_bytes(&as_frame(list.bytes())).await;
    let owner = &list.list().owner().name;
    peer.expect(&format!("LISTED {owner} {}", list.list().version())).await;
}

/// Says a list that is refused, and goes on.
async fn is_refused(peer: &mut Peer, statement: &[u8], of: &str) {
    peer.send_bytes(&as_frame(statement)).await;
    peer.expect(&format!("ERR LIST {of}")).await;
    peer.send("PING").await;
    peer.expect("PONG").await;
}

/// The server tells this list of somebody, byte for byte; or none.
pub(crate) async fn is_told(peer: &mut Peer, name: &str, list: Option<&Bundle>) {
    peer.send(&format!("DEVICES {name}")).await;
    let frame = peer.frame().await;
    let ServerFrame::Devices { peer: of, version, bundle } = &frame else {
        panic!("DEVICES, not {}", line(&frame));
    };
    assert_eq!(of.as_str(), name);
    assert_eq!(*version, list.map_or(0, |list| list.list().version()));
    assert_eq!(*bundle, list.map(|list| list.bytes().clone()).unwrap_or_default());
}

/// A message that was written for a version of its receiver's list.
fn message(peer: &str, n: u64, version: u64) -> Vec<u8> {
    let text = format!("for {version}");
    format!("MSG {peer} {n} {n:032x} text {version} {}\r\n{text}\r\n", text.len()).into()
}

/// Begins a conversation again. Returns what TALKING says behind the peer's name.
async fn talks(peer: &mut Peer, with: &str) -> String {
    let told = peer.settle(with, 0).await.pop().unwrap();
    told.strip_prefix(&format!("TALKING {with} ")).unwrap().into()
}

#[test]
fn a_list_is_told_to_all_who_ask_and_to_those_who_talk_also_after_a_restart() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        is_told(&mut alice, "bob", None).await;
        let one = first(world, "bob");
        lists(&mut bob, &one).await;
        alice.expect("CHANGED bob 1").await;
        is_told(&mut alice, "bob", Some(&one)).await;
        is_told(&mut bob, "bob", Some(&one)).await;
        let two = next(world, &one);
        lists(&mut bob, &two).await;
        alice.expect("CHANGED bob 2").await;
        // The same again is no news.
        lists(&mut bob, &two).await;
        alice.hears_nothing().await;
        assert_eq!(talks(&mut alice, "bob").await, "online 0 0 0 0 2");
        world.restart().await;
        let mut alice = world.sign_in("alice").await;
        assert_eq!(talks(&mut alice, "bob").await, "away 0 0 0 0 2");
        is_told(&mut alice, "bob", Some(&two)).await;
        is_told(&mut alice, "alice", None).await;
    });
}

#[test]
fn what_was_written_for_another_version_is_refused_until_talk() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        alice.send_bytes(&message("bob", 1, 0)).await;
        bob.hears("alice", 1, 1, "for 0").await;
        alice.expect("STORED bob 1").await;
        lists(&mut bob, &first(world, "bob")).await;
        alice.expect("CHANGED bob 1").await;
        // What is there already is dropped as ever. Of the others the first one is named.
        let all = [(1, 0), (2, 0), (3, 0), (2, 1), (3, 1)];
        alice.send_bytes(&all.map(|(n, version)| message("bob", n, version)).concat()).await;
        alice.expect("ERR DEVICES bob 2 1").await;
        alice.hears_nothing().await;
        assert_eq!(talks(&mut alice, "bob").await, "online 1 1 0 0 1");
        alice.send_bytes(&[message("bob", 2, 1), message("bob", 3, 2)].concat()).await;
        bob.hears("alice", 2, 2, "for 1").await;
        alice.expect("ERR DEVICES bob 3 1").await;
        bob.hears_nothing().await;
    });
}

#[test]
fn whoever_has_no_list_is_written_to_for_version_0_alone() {
    story_of_lists(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("nobody").await;
        alice.send_bytes(&message("nobody", 1, 1)).await;
        alice.expect("ERR DEVICES nobody 1 0").await;
        alice.talk("nobody").await;
        alice.send_bytes(&message("nobody", 1, 0)).await;
        alice.expect("STORED nobody 1").await;
    });
}

#[test]
fn a_list_that_is_not_the_next_one_is_refused() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let one = first(world, "bob");
        let [two, other] = [next(world, &one), next(world, &one)];
        lists(&mut bob, &one).await;
        lists(&mut bob, &two).await;
        alice.expect("CHANGED bob 1").await;
        alice.expect("CHANGED bob 2").await;
        // Two devices made the next version at once: one of them looks again.
        is_refused(&mut bob, other.bytes(), "bob").await;
        is_refused(&mut bob, one.bytes(), "bob").await;
        is_refused(&mut bob, next(world, &other).bytes(), "bob").await;
        // Anybody may say a list, but only its owner can sign it.
        let (evil, key) = (Identity::generate().unwrap(), device_key());
        let owner = Owner { identity: evil.public(), ..one.list().owner().clone() };
        let forged = DeviceList::first(owner, device(9, &key), Timestamp(0));
        let forged = sign(forged, &evil, &key, None);
        is_refused(&mut alice, forged.bytes(), "bob").await;
        let text = String::from_utf8(two.bytes().to_vec()).unwrap();
        is_refused(&mut bob, text.replace("version 2", "version 3").as_bytes(), "-").await;
        is_refused(&mut bob, b"", "-").await;
        is_told(&mut alice, "bob", Some(&two)).await;
    });
}

/// Says a bundle that is refused with this sentence.
async fn is_refused_saying(peer: &mut Peer, bundle: &Bundle, sentence: &str) {
    peer.send_bytes(&as_frame(bundle.bytes())).await;
    let frame = peer.frame().await;
    let said = line(&frame);
    assert!(
        matches!(frame, ServerFrame::Error { .. }) && said.starts_with("ERR LIST bob"),
        "{said}"
    );
    let ServerFrame::Error { text, .. } = frame else { unreachable!() };
    assert_eq!(text, sentence);
}

#[test]
fn a_device_comes_into_a_list_with_a_prekey() {
    story_of_lists(async |world| {
        let mut bob = world.sign_in("bob").await;
        let one = first(world, "bob");
        let bare = Bundle::of(one.signed().clone());
        let sentence = "a device comes into a list with a prekey";
        is_refused_saying(&mut bob, &bare, sentence).await;
        is_told(&mut bob, "bob", None).await;
        lists(&mut bob, &one).await;
        // It has one already.
        lists(&mut bob, &bare).await;
        is_told(&mut bob, "bob", Some(&one)).await;
        let two = next(world, &one);
        is_refused_saying(&mut bob, &Bundle::of(two.signed().clone()), sentence).await;
        lists(&mut bob, &two).await;
        // A prekey that is none of a device of the list.
        let other = two.prekey(&two.list().devices()[1]).unwrap();
        is_refused(&mut bob, &[&one.bytes()[..], other.bytes()].concat(), "-").await;
    });
}

#[test]
fn a_newer_prekey_takes_the_place_of_an_older_one_and_is_there_after_a_crash() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let key = device_key();
        let one = first_of(&key, None, world, "bob");
        lists(&mut bob, &one).await;
        alice.expect("CHANGED bob 1").await;
        let with = |number, life| one.clone().with(prekey_of(one.list(), &key, number, life));
        for (said, told) in [(3, 3), (2, 3), (3, 3), (4, 4)] {
            lists(&mut bob, &with(said, 1).unwrap()).await;
            is_told(&mut alice, "bob", Some(&with(told, 1).unwrap())).await;
        }
        alice.hears_nothing().await;
        let sentence = "a device has one curve25519 key for life, and that prekey has another one";
        is_refused_saying(&mut bob, &with(5, 9).unwrap(), sentence).await;
        for number in 5..=8 {
            let newer = with(number, 1).unwrap();
            lists(&mut bob, &newer).await;
            let disk = world.disk();
            world.crash(disk).await;
            (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
            is_told(&mut alice, "bob", Some(&newer)).await;
        }
    });
}

#[test]
fn a_server_with_a_full_list_of_prekeys_tells_all_of_them() {
    story_of_lists(async |world| {
        let mut bob = world.sign_in("bob").await;
        let mut list = first(world, "bob");
        lists(&mut bob, &list).await;
        for _ in 2..=9 {
            list = next(world, &list);
            lists(&mut bob, &list).await;
            is_told(&mut bob, "bob", Some(&list)).await;
        }
        assert_eq!((list.list().devices().len(), list.lacking().count()), (8, 0));
    });
}

#[test]
fn a_list_counts_on_the_server_that_it_names() {
    story_with_tls(async |world| {
        let mut bob = world.sign_in("bob").await;
        let server = key(&bob);
        is_refused(&mut bob, first(world, "bob").bytes(), "bob").await;
        let another = Some(world.identity("bob").public().fingerprint());
        is_refused(&mut bob, first_on(another, world, "bob").bytes(), "bob").await;
        lists(&mut bob, &first_on(Some(server), world, "bob")).await;
    });
}

/// Nobody is held back for a list that its owner made for another key, and can make anew only when they come.
#[test]
fn a_list_counts_no_more_once_the_server_has_another_key() {
    story_with_tls(async |world| {
        let mut bob = world.sign_in("bob").await;
        let server = key(&bob);
        let one = first_on(Some(server), world, "bob");
        lists(&mut bob, &one).await;
        bob.quit().await;
        world.stop().await;
        for file in ["key.pem", "certificate.pem"] {
            std::fs::remove_file(world.path("server").join(file)).unwrap();
        }
        world.start().await;
        let mut alice = world.sign_in("alice").await;
        let server = key(&alice);
        is_told(&mut alice, "bob", None).await;
        assert_eq!(talks(&mut alice, "bob").await, "away 0 0 0 0 0");
        alice.send_bytes(&message("bob", 1, 0)).await;
        alice.expect("STORED bob 1").await;
        is_refused(&mut alice, one.bytes(), "bob").await;
        let mut bob = world.sign_in("bob").await;
        bob.expect("WAITING alice 1").await;
        alice.expect("PRESENCE bob online").await;
        // His first device has no prekey for this key of the server, and stays.
        let two = next_on(Some(server), world, &one);
        assert_eq!((two.list().devices().len(), two.lacking().count()), (2, 1));
        lists(&mut bob, &two).await;
        alice.expect("CHANGED bob 2").await;
        is_told(&mut alice, "bob", Some(&two)).await;
    });
}

/// Whatever a server has lost, it gets back from whoever comes.
#[test]
fn a_restored_server_takes_a_list_from_anybody_however_far_ahead_it_is() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = world.conversation("alice", "bob").await;
        let one = first(world, "bob");
        lists(&mut bob, &one).await;
        alice.expect("CHANGED bob 1").await;
        let disk = world.disk();
        let two = next(world, &one);
        let three = next(world, &two);
        lists(&mut bob, &two).await;
        lists(&mut bob, &three).await;
        world.crash(disk).await;
        let (mut alice, mut carol) = (world.sign_in("alice").await, world.sign_in("carol").await);
        assert_eq!(talks(&mut alice, "bob").await, "away 0 0 0 0 1");
        lists(&mut carol, &three).await;
        alice.expect("CHANGED bob 3").await;
        is_told(&mut alice, "bob", Some(&three)).await;
    });
}

#[test]
fn a_list_that_was_said_to_be_kept_is_there_after_a_crash_with_all_that_came_before_it() {
    story_of_lists(async |world| {
        let mut alice = world.sign_in("alice").await;
        alice.talk("bob").await;
        let mut bob = world.sign_in("bob").await;
        let mut list = first(world, "bob");
        for version in 1..=5 {
            // Bob's list is never synced without what Alice had said.
            alice.send_bytes(&message("bob", version, version - 1)).await;
            bob.expect(&format!("WAITING alice {version}")).await;
            lists(&mut bob, &list).await;
            let disk = world.disk();
            world.crash(disk).await;
            (alice, bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
            is_told(&mut alice, "bob", Some(&list)).await;
            let told = talks(&mut alice, "bob").await;
            assert_eq!(told, format!("online {version} {version} 0 0 {version}"));
            bob.expect(&format!("WAITING alice {version}")).await;
            list = next(world, &list);
        }
    });
}

#[test]
fn a_name_that_changes_hands_has_no_list_until_its_next_owner_says_one() {
    for words in [["user", "remove", "bob"], ["user", "reset-key", "bob"]] {
        story_of_lists(async |world| {
            let (mut alice, mut bob) = world.conversation("alice", "bob").await;
            let one = first(world, "bob");
            lists(&mut bob, &one).await;
            alice.expect("CHANGED bob 1").await;
            assert_eq!(talks(&mut alice, "bob").await, "online 0 0 0 0 1");
            let removed = operate(&words, &world.path("server")).await;
            let printed = removed.exited(0).lines().join("\n");
            alice.expect("KEY bob -").await;
            alice.expect("PRESENCE bob away").await;
            // It was on its way.
            alice.send_bytes(&message("bob", 1, 1)).await;
            alice.expect("ERR OWNER bob 1").await;
            is_told(&mut alice, "bob", None).await;
            is_refused(&mut alice, one.bytes(), "bob").await;

            let (mut heir, key) = (world.connect().await, Identity::generate().unwrap());
            let invite = printed.split_once("?invite=").map(|(_, rest)| &rest[..32]);
            heir.prove_invited("bob", &key, invite).await;
            heir.expect("WELCOME bob").await;
            alice.expect("PRESENCE bob online").await;
            is_told(&mut heir, "bob", None).await;
            is_refused(&mut heir, one.bytes(), "bob").await;
            assert_eq!(talks(&mut alice, "bob").await, "online 0 0 0 0 0");
            let owner = Owner { identity: key.public(), ..one.list().owner().clone() };
            let folder = device_key();
            let list = DeviceList::first(owner, device(1, &folder), Timestamp(0));
            let list = sign(list, &key, &folder, None);
            lists(&mut heir, &list).await;
            alice.expect("CHANGED bob 1").await;
            world.restart().await;
            let mut alice = world.sign_in("alice").await;
            is_told(&mut alice, "bob", Some(&list)).await;
        });
    }
}

#[test]
fn whoever_claims_a_removed_name_again_with_the_same_key_begins_anew() {
    story_of_lists(async |world| {
        let mut bob = world.sign_in("bob").await;
        let one = first(world, "bob");
        lists(&mut bob, &one).await;
        lists(&mut bob, &next(world, &one)).await;
        operate(&["user", "remove", "bob"], &world.path("server")).await.exited(0);
        world.restart().await;
        let mut bob = world.sign_in("bob").await;
        is_told(&mut bob, "bob", None).await;
        lists(&mut bob, &one).await;
    });
}

#[test]
fn a_backup_has_the_lists_and_check_counts_them() {
    story_of_lists(async |world| {
        let mut bob = world.sign_in("bob").await;
        let one = first(world, "bob");
        lists(&mut bob, &one).await;
        let (data, file) = (world.path("server"), world.path("backup"));
        let counted = ["0 messages, 0 bytes, 0 sessions", "1 device list"];
        operate(&["check"], &data).await.exited(0).printed(&counted);
        let words = ["backup", file.to_str().unwrap()];
        operate(&words, &data).await.exited(0);
        let restored = world.path("restored");
        restore(&restored, &file).await.exited(0);
        operate(&["check"], &restored).await.exited(0).printed(&counted);
        world.restart_with(|config| config.data = restored).await;
        let mut alice = world.sign_in("alice").await;
        is_told(&mut alice, "bob", Some(&one)).await;
    });
}

#[test]
fn of_two_lists_that_follow_the_same_one_is_taken_also_when_they_come_at_once() {
    story_of_lists(async |world| {
        let (mut alice, mut bob) = (world.sign_in("alice").await, world.sign_in("bob").await);
        let mut list = first(world, "bob");
        lists(&mut bob, &list).await;
        for version in 2..=9 {
            let both = [next(world, &list), next(world, &list)];
            alice.send_bytes(&as_frame(both[0].bytes())).await;
            bob.send_bytes(&as_frame(both[1].bytes())).await;
            let answers = [alice.next().await, bob.next().await];
            let listed = format!("LISTED bob {version}");
            let taken = answers.iter().position(|answer| *answer == listed).unwrap();
            assert!(answers[1 - taken].starts_with("ERR LIST bob "), "{answers:?}");
            let [one, other] = both;
            list = if taken == 0 { one } else { other };
            is_told(&mut alice, "bob", Some(&list)).await;
        }
    });
}
