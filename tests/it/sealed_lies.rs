//! A server that lies about sealed messages, device lists and numbers: it is refused, and nothing is lost when it turns
//! honest again. Real programs, and the real server behind somebody who lies.

use std::fs;
use std::os::unix::fs::DirBuilderExt;

use bytes::Bytes;
use tinychat::message::{Installation, Kind, Message, MessageId, Origin, Timestamp};
use tinychat::seal::Body;
use tinychat::trust::devices::{Bundle, Device, DeviceList, Owner, SignedList};
use tinychat::wire::frame::{ClientFrame, ErrorCode, ServerFrame};
use vodozemac::olm::OlmMessage;

use crate::lists::{device_key, lists, prekey_of};
use crate::lying::{Answer, Liar};
use crate::programs::{Launch, Program};
use crate::sealed::{comes, comes_by, is_anywhere, leaves};
use crate::world::{Peer, World, patiently, story};

/// What alice is told of a message that bob's client did not take.
const BOUNCED: &str = "the program of bob could not open message";

/// Alice at the server, and bob at the liar; both have written.
async fn bob_is_lied_to(world: &World) -> (Liar, Program, Program) {
    let liar = Liar::before(world.address()).await;
    comes_by(liar.address, world, "bob").await;
    let mut alice = Launch::of(world, "alice").to("bob").with(&["--follow"]).start();
    let bob = Launch::at(liar.address, "bob", &world.path("bob")).to("alice");
    let mut bob = bob.with(&["--follow", "--commands", "--receipts"]).start();
    alice.types("one\n");
    bob.prints("alice: one").await;
    bob.types("eins\n");
    alice.prints("bob: eins").await;
    (liar, alice, bob)
}

/// Alice at the liar, and bob at the server; she has written to him.
async fn alice_is_lied_to(world: &World) -> (Liar, Program, Program) {
    let liar = Liar::before(world.address()).await;
    comes(world, "bob").await;
    let mut alice = at_the_liar(&liar, world).start();
    let mut bob = Launch::of(world, "bob").to("alice").with(&["--follow"]).start();
    alice.types("one\n");
    bob.prints("alice: one").await;
    alice.says("delivered bob 1").await;
    (liar, alice, bob)
}

fn at_the_liar(liar: &Liar, world: &World) -> Launch {
    let alice = Launch::at(liar.address, "alice", &world.path("alice")).to("bob");
    alice.with(&["--follow", "--receipts"])
}

/// The story ends, and bob has had all of it, once and in order.
async fn bob_has_had(alice: Program, bob: Program, texts: &[&str]) {
    leaves(alice).await;
    let all: Vec<_> = texts.iter().map(|text| format!("alice: {text}")).collect();
    assert_eq!(leaves(bob).await, all);
}

#[test]
fn what_comes_under_another_number_is_not_taken_and_is_sent_again() {
    story(async |world| {
        let (liar, mut alice, mut bob) = bob_is_lied_to(world).await;
        for (text, number) in [("two", 5), ("three", 1 << 62)] {
            liar.changes_next(move |_, message| message.id.n = number);
            alice.types(format!("{text}\n"));
            alice.says(BOUNCED).await;
            bob.prints(&format!("alice: {text}")).await;
        }
        liar.turns_honest();
        alice.types("four\n");
        bob.prints("alice: four").await;
        bob_has_had(alice, bob, &["one", "two", "three", "four"]).await;
    });
}

#[test]
fn what_comes_in_another_conversation_is_not_taken_and_is_sent_again() {
    story(async |world| {
        let (liar, mut alice, mut bob) = bob_is_lied_to(world).await;
        comes(world, "carol").await;
        bob.types("/TALK carol\nhello\n");
        bob.says("stored carol 1").await;
        liar.changes_next(|peer, _| *peer = "carol".parse().unwrap());
        // The real server knows whose it is.
        liar.twists(|frame| match frame {
            ClientFrame::Bounce { peer, seq } if peer.as_str() == "carol" => {
                vec![ClientFrame::Bounce { peer: "alice".parse().unwrap(), seq }]
            }
            frame => vec![frame],
        });
        alice.types("two\n");
        alice.says(BOUNCED).await;
        bob.prints("alice: two").await;
        liar.turns_honest();
        alice.types("three\n");
        bob.prints("alice: three").await;
        bob_has_had(alice, bob, &["one", "two", "three"]).await;
    });
}

/// The last message that bob was sent, with the next number.
fn behind_the_last(liar: &Liar) -> Message {
    let (_, last) = liar.messages().pop().unwrap();
    Message { id: MessageId { n: last.id.n + 1, ..last.id }, ..last }
}

#[test]
fn what_is_not_sealed_is_not_taken_for_the_word_of_whoever_seals() {
    story(async |world| {
        let (liar, alice, mut bob) = bob_is_lied_to(world).await;
        let origin = Origin::from_bytes([7; 16]);
        let body = "lend me your car".into();
        let forged = Message { origin, kind: Kind::TEXT, body, ..behind_the_last(&liar) };
        let answered = liar.plants("alice", forged);
        bob.says("the server handed out an unsealed message as alice's; it was refused").await;
        let answer = patiently("bob's client answers", answered).await.unwrap();
        assert_eq!(answer, Answer::Bounced);
        alice.types("two\n");
        bob.prints("alice: two").await;
        liar.turns_honest();
        alice.types("three\n");
        bob.prints("alice: three").await;
        bob_has_had(alice, bob, &["one", "two", "three"]).await;
    });
}

/// Says a message, and waits for what bob's client answers.
async fn answer(liar: &Liar, message: Message) -> Answer {
    let answered = liar.plants("alice", message);
    patiently("bob's client answers", answered).await.unwrap()
}

#[test]
fn a_first_message_that_comes_again_is_shown_once_whatever_it_is_called() {
    story(async |world| {
        let (liar, alice, mut bob) = bob_is_lied_to(world).await;
        let (_, first) = liar.messages().swap_remove(0);
        let (id, origin) = (MessageId { n: 77, ..first.id }, Origin::from_bytes([7; 16]));
        for (again, answered) in [
            (first.clone(), Answer::Acknowledged),
            (Message { id, ..first.clone() }, Answer::Acknowledged),
            (Message { origin, ..first.clone() }, Answer::Bounced),
            (Message { id, origin, ..first }, Answer::Bounced),
        ] {
            assert_eq!(answer(&liar, again).await, answered);
        }
        liar.turns_honest();
        alice.types("two\n");
        bob.prints("alice: two").await;
        bob.types("zwei\n");
        bob_has_had(alice, bob, &["one", "two"]).await;
    });
}

/// A body whose only envelope goes on with a session: it says that so many are before it in its chain.
fn with_index(body: &[u8], index: u64) -> Bytes {
    // Behind version, count, installation and type there is the length of the envelope.
    let (before, rest) = body.split_at(11);
    let (length, rest) = rest.split_at(2);
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let (envelope, behind) = rest.split_at(length);
    // Version, and the key of the chain.
    let (chain, rest) = envelope.split_at(36);
    assert_eq!((before[1], before[10], chain[35]), (1, 1, 0x10));
    let last = rest.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let envelope = [chain, &varint(index), &rest[last + 1..]].concat();
    let length = u16::try_from(envelope.len()).unwrap().to_be_bytes();
    [before, &length, &envelope, behind].concat().into()
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A message of alice's to bob that goes on with their session, as nobody sent it: with this index.
fn with_garbage(liar: &Liar, index: u64) -> Message {
    let last = behind_the_last(liar);
    let body = with_index(&last.body, index);
    Message { origin: Origin::from_bytes([8; 16]), body, ..last }
}

#[test]
fn garbage_in_an_envelope_opens_nothing_and_leaves_the_session_as_it_was() {
    story(async |world| {
        let (liar, alice, mut bob) = bob_is_lied_to(world).await;
        alice.types("two\n");
        bob.prints("alice: two").await;
        for index in [0, 1, 40, 41, 1_999, 2_000, 2_001, 1 << 31, 1 << 62, u64::MAX] {
            let garbage = with_garbage(&liar, index);
            assert_eq!(answer(&liar, garbage).await, Answer::Bounced, "{index}");
        }
        alice.types("three\n");
        bob.prints("alice: three").await;
        bob_has_had(alice, bob, &["one", "two", "three"]).await;
    });
}

/// Each has costs, and so each has a limit on a connection.
#[test]
fn a_server_that_sends_garbage_without_end_is_left() {
    const MOST: usize = 1_000;
    story(async |world| {
        let (liar, alice, mut bob) = bob_is_lied_to(world).await;
        alice.types("two\n");
        bob.prints("alice: two").await;
        let garbage = with_garbage(&liar, 1 << 62);
        let planted = (0..MOST).map(|_| liar.plants("alice", garbage.clone()));
        for answered in planted.collect::<Vec<_>>() {
            let answer = patiently("bob's client answers", answered).await.unwrap();
            assert_eq!(answer, Answer::Bounced);
        }
        drop(liar.plants("alice", garbage));
        bob.says("the server sends too much that cannot be read").await;
        liar.turns_honest();
        alice.types("three\n");
        bob.prints("alice: three").await;
        bob_has_had(alice, bob, &["one", "two", "three"]).await;
    });
}

/// Shows this as bob's device list, with this version, and takes no other one.
fn showing(
    version: u64,
    bundle: Bytes,
) -> impl FnMut(ServerFrame) -> Vec<ServerFrame> + Send + 'static {
    move |frame| match frame {
        ServerFrame::Talking { peer, presence, own, waiting, .. } if peer.as_str() == "bob" => {
            vec![ServerFrame::Talking { peer, presence, own, waiting, version }]
        }
        ServerFrame::Changed { peer, .. } if peer.as_str() == "bob" => Vec::new(),
        ServerFrame::Devices { peer, .. } if peer.as_str() == "bob" => {
            vec![ServerFrame::Devices { peer, version, bundle: bundle.clone() }]
        }
        ServerFrame::Listed { peer, .. } if peer.as_str() == "bob" => {
            let (code, text) = (ErrorCode::List, "it is for another server".into());
            vec![ServerFrame::Error { code, peer: Some(peer), text }]
        }
        frame => vec![frame],
    }
}

/// Nothing of a word was said to the server, nor has it kept any.
fn nobody_was_told(world: &World, liar: &Liar, word: &str) {
    let said = liar.carried();
    let has = |bytes: &Vec<u8>| bytes.windows(word.len()).any(|part| part == word.as_bytes());
    assert!(!said.iter().any(has));
    assert!(!is_anywhere(&world.disk(), word));
}

#[test]
fn nothing_goes_out_in_the_clear_when_a_known_name_is_said_to_have_no_list() {
    const WORD: &str = "tulip-bulbs-from-delft";
    story(async |world| {
        let (liar, mut alice, mut bob) = alice_is_lied_to(world).await;
        liar.lies(showing(0, Bytes::new()));
        liar.cuts();
        alice.types(format!("{WORD}\n"));
        alice.says("THE SERVER SHOWS AN OLDER DEVICE LIST OF bob").await;
        alice.says("shown: none").await;
        alice.says("What you write to bob stays here until the server shows another").await;
        nobody_was_told(world, &liar, WORD);
        liar.turns_honest();
        bob.prints(&format!("alice: {WORD}")).await;
        nobody_was_told(world, &liar, WORD);
        bob_has_had(alice, bob, &["one", WORD]).await;
    });
}

#[test]
fn nothing_goes_out_at_all_when_a_known_name_is_said_never_to_have_come() {
    const WORD: &str = "tulip-bulbs-from-delft";
    story(async |world| {
        let (liar, mut alice, mut bob) = alice_is_lied_to(world).await;
        let mut shows = showing(0, Bytes::new());
        liar.lies(move |frame| match frame {
            ServerFrame::Key { peer, .. } if peer.as_str() == "bob" => {
                vec![ServerFrame::Key { peer, key: None }]
            }
            frame => shows(frame),
        });
        liar.cuts();
        alice.types(format!("{WORD}\n"));
        alice.says("NOBODY HAS THE NAME bob ANY MORE").await;
        nobody_was_told(world, &liar, WORD);
        liar.turns_honest();
        bob.prints(&format!("alice: {WORD}")).await;
        nobody_was_told(world, &liar, WORD);
        bob_has_had(alice, bob, &["one", WORD]).await;
    });
}

/// What the server has of somebody's devices.
pub(crate) async fn bundle_of(world: &World, name: &str) -> Bundle {
    let mut witness = world.sign_in("witness").await.telling_of_lists();
    witness.send(&format!("DEVICES {name}")).await;
    let ServerFrame::Devices { bundle, .. } = witness.frame().await else { panic!("{name}") };
    witness.quit().await;
    Bundle::read(bundle).unwrap()
}

/// Bob's second data folder, which has the key of the first.
fn laptop_of_bob(world: &World) -> Launch {
    let (old, new) = (world.path("bob"), world.path("laptop"));
    fs::DirBuilder::new().mode(0o700).create(&new).unwrap();
    fs::copy(old.join("id_ed25519"), new.join("id_ed25519")).unwrap();
    Launch::at(world.address(), "bob", &new).to("alice").with(&["--follow"])
}

#[test]
fn nothing_is_written_for_a_list_that_is_older_than_the_known_one() {
    story(async |world| {
        let liar = Liar::before(world.address()).await;
        comes(world, "bob").await;
        let old = bundle_of(world, "bob").await;
        let mut bob = laptop_of_bob(world).start();
        let mut alice = at_the_liar(&liar, world).start();
        alice.types("one\n");
        bob.prints("alice: one").await;
        liar.lies(showing(1, old.bytes().clone()));
        liar.cuts();
        alice.types("two\n");
        alice.says("THE SERVER SHOWS AN OLDER DEVICE LIST OF bob").await;
        alice.says("shown: version 1").await;
        liar.turns_honest();
        bob.prints("alice: two").await;
        bob_has_had(alice, bob, &["one", "two"]).await;
    });
}

#[test]
fn nothing_is_sealed_with_a_prekey_of_somebody_else() {
    story(async |world| {
        for name in ["bob", "carol"] {
            comes(world, name).await;
        }
        let (bobs, carols) = (bundle_of(world, "bob").await, bundle_of(world, "carol").await);
        let prekey = carols.prekeys().next().unwrap().bytes();
        let wrong = [&bobs.signed().bytes()[..], prekey].concat();
        let liar = Liar::before(world.address()).await;
        liar.lies(showing(1, wrong.into()));
        let mut bob = Launch::of(world, "bob").to("alice").with(&["--follow"]).start();
        let mut alice = at_the_liar(&liar, world).start();
        alice.types("one\n");
        alice.says("WHAT THE SERVER SHOWS AS THE DEVICE LIST OF bob IS NONE").await;
        alice.says("a prekey names the server, the name and the identity of the list").await;
        liar.turns_honest();
        bob.prints("alice: one").await;
        bob_has_had(alice, bob, &["one"]).await;
    });
}

/// The key with which the next message to bob begins a session with his device 1.
async fn key_of_next(bob: &mut Peer) -> [u8; 32] {
    loop {
        let ServerFrame::Message { message, .. } = bob.frame().await else { continue };
        let body = Body::decode(message.body).unwrap();
        let envelope = body.envelope(Installation::from_u64(1)).unwrap();
        let OlmMessage::PreKey(first) = envelope.message().unwrap() else {
            panic!("it begins a session")
        };
        return first.session_keys().one_time_key.to_bytes();
    }
}

#[test]
fn of_the_prekeys_of_a_device_the_newest_is_used_that_was_ever_shown() {
    story(async |world| {
        let (identity, key) = (world.identity("bob"), device_key());
        let (name, public) = ("bob".parse().unwrap(), identity.public());
        let owner = Owner { server: None, name, identity: public };
        let device = Device { installation: Installation::from_u64(1), key: key.public() };
        let list = DeviceList::first(owner, device, Timestamp(0));
        let [old, new] = [1, 2].map(|number| {
            let prekey = prekey_of(&list, &key, number, 9);
            let signed = SignedList::sign(list.clone(), &identity).unwrap();
            Bundle::of(signed).with(prekey).unwrap()
        });
        let mut bob = world.sign_in("bob").await.telling_of_lists();
        lists(&mut bob, &new).await;
        bob.talk("alice").await;
        let liar = Liar::before(world.address()).await;
        let alice = || Launch::at(liar.address, "alice", &world.path("alice")).to("bob");
        alice().pipe("one\n").await.exited(0);
        assert_eq!(key_of_next(&mut bob).await, [2; 32]);
        // Asked because of another version, it shows this one.
        let mut shows = showing(1, old.bytes().clone());
        liar.lies(move |frame| {
            let mut told = shows(frame);
            if let Some(ServerFrame::Talking { peer, version, .. }) = told.first_mut()
                && peer.as_str() == "bob"
            {
                *version = 2;
            }
            told
        });
        alice().pipe("two\n").await.exited(0).never_said("DEVICE LIST");
        assert_eq!(key_of_next(&mut bob).await, [2; 32]);
    });
}

#[test]
fn numbers_that_nobody_sent_are_a_copys_and_what_is_written_arrives() {
    story(async |world| {
        let (liar, mut alice, mut bob) = alice_is_lied_to(world).await;
        let mut told = 0;
        liar.lies(move |mut frame| {
            if let ServerFrame::Talking { peer, own, .. } = &mut frame
                && peer.as_str() == "bob"
            {
                told += 1;
                own.have = if told <= 2 { 1 << 62 } else { own.have };
            }
            vec![frame]
        });
        liar.cuts();
        alice.says("this data folder is a copy of another; it now counts on its own").await;
        // Nobody can have copied that.
        alice.says("the server says that it has more than this data folder has ever sent").await;
        alice.types("two\n");
        bob.prints("alice: two").await;
        for n in [2, 1 << 62] {
            let peer = || "bob".parse().unwrap();
            liar.says(&ServerFrame::Stored { peer: peer(), n });
            liar.says(&ServerFrame::Delivered { peer: peer(), n });
        }
        alice.types("three\n");
        bob.prints("alice: three").await;
        liar.turns_honest();
        alice.types("four\n");
        bob.prints("alice: four").await;
        bob_has_had(alice, bob, &["one", "two", "three", "four"]).await;
    });
}
