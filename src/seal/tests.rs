//! Two devices write to each other under seal, and somebody in between does what they can.

use vodozemac::olm::OlmMessage;

use super::*;
use crate::message::{Installation, Kind, Name, Origin, Timestamp};
use crate::trust::{Fingerprint, Identity, PublicKey};

/// A device and what it is known by.
struct Device {
    name: Name,
    identity: PublicKey,
    installation: Installation,
    account: Account,
}

impl Device {
    fn of(name: &str, installation: u64) -> Self {
        Self {
            name: name.parse().unwrap(),
            identity: Identity::generate().unwrap().public(),
            installation: Installation::from_u64(installation),
            account: Account::generate(),
        }
    }

    fn end(&self) -> End<'_> {
        let Self { name, identity, installation, account } = self;
        End { name, identity: *identity, installation: *installation, curve: account.curve() }
    }

    /// A session that this device begins with another.
    fn begin_with(&self, other: &Self) -> Session {
        let Self { account, .. } = other;
        Session::begin(&self.account, account.curve(), account.fallback()).unwrap()
    }

    /// What is first opened in a session of another device.
    fn receive(&self, from: &Self, first: &OlmMessage) -> Result<Opened, OlmError> {
        let OlmMessage::PreKey(first) = first else { panic!("it begins nothing") };
        Session::receive(&self.account, from.account.curve(), first)
    }
}

fn alice() -> Device {
    Device::of("alice", 1)
}

fn bob() -> Device {
    Device::of("bob", 2)
}

fn context<'a>(from: &'a Device, to: &'a Device, n: u64) -> Context<'a> {
    Context { server: Some(Fingerprint::of(b"server")), from: from.end(), to: to.end(), n }
}

fn said(text: &'static str) -> Content {
    Content {
        origin: Origin::from_bytes([7; 16]),
        lists: [None; 2],
        got: Vec::new(),
        kind: Kind::TEXT,
        time: Timestamp(0),
        body: text.into(),
    }
}

/// A message from one device to another, as it travels.
fn sealed(session: &mut Session, context: &Context<'_>, text: &'static str) -> Body {
    let key = PayloadKey::generate();
    let payload = Payload::seal(&key, &said(text));
    let envelope = Envelope::new(key, &payload, context);
    let addressed = Addressed::new(context.to.installation, &session.seal(&envelope).unwrap());
    Body::decode(Body::new(vec![addressed], payload).unwrap().encode().into()).unwrap()
}

fn message(body: &Body, to: &Device) -> OlmMessage {
    body.envelope(to.installation).unwrap().message().unwrap()
}

#[test]
fn they_write_to_each_other_and_what_began_the_session_is_left_out_once_it_is_answered() {
    let (alice, bob) = (alice(), bob());
    let mut of_alice = alice.begin_with(&bob);
    let (to_bob, to_alice) = (context(&alice, &bob, 1), context(&bob, &alice, 1));
    let first = sealed(&mut of_alice, &to_bob, "hi bob");
    let Opened { session: mut of_bob, envelope } =
        bob.receive(&alice, &message(&first, &bob)).unwrap();
    assert_eq!(envelope.open(first.payload(), &to_bob), Ok(said("hi bob")));
    assert_eq!(of_bob.id(), of_alice.id());
    let answer = sealed(&mut of_bob, &to_alice, "hi alice");
    let Opened { session: mut of_alice, envelope } =
        of_alice.open(&message(&answer, &alice)).unwrap();
    assert_eq!(envelope.open(answer.payload(), &to_alice), Ok(said("hi alice")));
    let next = sealed(&mut of_alice, &context(&alice, &bob, 2), "how are you?");
    assert!(matches!(message(&next, &bob), OlmMessage::Normal(_)));
    assert!(next.encode().len() + 100 < first.encode().len());
}

#[test]
fn keys_and_sessions_outlive_their_program() {
    let (mut alice, mut bob) = (alice(), bob());
    let mut session = Session::read(&alice.begin_with(&bob).write().unwrap()).unwrap();
    for device in [&mut alice, &mut bob] {
        let (curve, fallback) = (device.account.curve(), device.account.fallback());
        device.account = Account::read(&device.account.write().unwrap()).unwrap();
        assert_eq!((device.account.curve(), device.account.fallback()), (curve, fallback));
    }
    let to_bob = context(&alice, &bob, 1);
    let first = sealed(&mut session, &to_bob, "hi");
    let opened = bob.receive(&alice, &message(&first, &bob)).unwrap();
    let again = Session::read(&opened.session.write().unwrap()).unwrap();
    let second = sealed(&mut session, &to_bob, "there");
    let envelope = again.open(&message(&second, &bob)).unwrap().envelope;
    assert_eq!(envelope.open(second.payload(), &to_bob), Ok(said("there")));
    assert!(matches!(Session::read("{}"), Err(OlmError::Store(_))));
}

#[test]
fn an_envelope_opens_in_its_own_conversation_and_with_its_own_payload_alone() {
    let (alice, bob, marie) = (alice(), bob(), Device::of("marie", 3));
    let mut session = alice.begin_with(&bob);
    let (to_bob, later) = (context(&alice, &bob, 1), context(&alice, &bob, 2));
    let [first, second] = ["one", "two"].map(|text| sealed(&mut session, &to_bob, text));
    let envelope = bob.receive(&alice, &message(&first, &bob)).unwrap().envelope;
    assert_eq!(envelope.open(second.payload(), &to_bob), Err(EnvelopeError::Payload));
    for other in [later, context(&marie, &bob, 1), context(&alice, &marie, 1)] {
        assert_eq!(envelope.open(first.payload(), &other), Err(EnvelopeError::Context));
    }
    assert!(bob.receive(&marie, &message(&first, &bob)).is_err(), "it was not marie who began");
    assert!(marie.receive(&alice, &message(&first, &bob)).is_err(), "it is not for her");
}

/// Somebody who knows both keys cannot have each device see a text of its own.
#[test]
fn a_payload_is_opened_by_the_key_of_its_commitment_alone() {
    let (alice, bob) = (alice(), bob());
    let to_bob = context(&alice, &bob, 1);
    let payload = Payload::seal(&PayloadKey::generate(), &said("hi"));
    let envelope = Envelope::new(PayloadKey::generate(), &payload, &to_bob);
    let refused = Err(EnvelopeError::Inside(PayloadError::Commitment));
    assert_eq!(envelope.open(&payload, &to_bob), refused);
}

#[test]
fn what_cannot_be_opened_changes_nothing() {
    let (alice, bob) = (alice(), bob());
    let mut of_alice = alice.begin_with(&bob);
    let to_bob = context(&alice, &bob, 1);
    let first = sealed(&mut of_alice, &to_bob, "hi");
    let session = bob.receive(&alice, &message(&first, &bob)).unwrap().session;
    let second = sealed(&mut of_alice, &to_bob, "there");
    let (kind, mut bytes) = message(&second, &bob).to_parts();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = OlmMessage::from_parts(kind, &bytes).unwrap();
    assert!(matches!(session.open(&damaged), Err(OlmError::Decryption(_))));
    let opened = session.open(&message(&second, &bob)).unwrap();
    assert!(opened.session.open(&message(&second, &bob)).is_err(), "once is enough");
    assert!(session.open(&message(&second, &bob)).is_ok(), "its owner has not stored it");
}

#[test]
fn a_message_stands_alone_up_to_two_thousand_that_are_missing() {
    let (alice, bob) = (alice(), bob());
    let (mut session, to_bob) = (alice.begin_with(&bob), context(&alice, &bob, 1));
    let first = sealed(&mut session, &to_bob, "hi");
    let of_bob = bob.receive(&alice, &message(&first, &bob)).unwrap().session;
    (0..1_999).for_each(|_| drop(sealed(&mut session, &to_bob, "expired")));
    let late = sealed(&mut session, &to_bob, "late");
    assert!(of_bob.open(&message(&late, &bob)).is_ok());
    assert!(bob.receive(&alice, &message(&late, &bob)).is_ok(), "also if it is the first to come");
    (0..1_000).for_each(|_| drop(sealed(&mut session, &to_bob, "expired")));
    let too_late = sealed(&mut session, &to_bob, "too late");
    assert!(of_bob.open(&message(&too_late, &bob)).is_err());
}

#[test]
fn a_key_to_begin_with_is_good_for_as_long_as_the_next_one() {
    let (alice, mut bob) = (alice(), bob());
    let (mut session, to_bob) = (alice.begin_with(&bob), context(&alice, &bob, 1));
    let first = sealed(&mut session, &to_bob, "hi");
    let before = bob.account.fallback();
    bob.account = bob.account.renewed();
    assert_ne!(bob.account.fallback(), before);
    assert!(bob.receive(&alice, &message(&first, &bob)).is_ok());
    bob.account = bob.account.renewed();
    let refused = bob.receive(&alice, &message(&first, &bob));
    assert!(matches!(refused, Err(OlmError::Beginning(_))));
}
