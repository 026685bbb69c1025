//! Two devices write to each other under seal, and somebody in between does what they can.

use bytes::Bytes;
use vodozemac::olm::OlmMessage;

use super::*;
use crate::message::{Installation, Kind, Name, Origin, Timestamp};
use crate::trust::devices::{Owner, SignedWriter, Writer};
use crate::trust::{Fingerprint, Identity};

/// A device and what it is known by.
struct Device {
    name: Name,
    identity: Identity,
    installation: Installation,
    account: Account,
}

impl Device {
    fn of(name: &str, installation: u64) -> Self {
        Self {
            name: name.parse().unwrap(),
            identity: Identity::generate().unwrap(),
            installation: Installation::from_u64(installation),
            account: Account::generate(),
        }
    }

    fn end(&self) -> End<'_> {
        let (identity, curve) = (self.identity.public(), self.account.curve());
        End { name: &self.name, identity, installation: self.installation, curve }
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

/// A message from one device to another, as it travels. The session goes on.
fn sealed(session: &mut Session, context: &Context<'_>, text: &'static str) -> Body {
    let (key, payload) = Payload::seal(&said(text)).unwrap();
    sent(session, context, key, payload)
}

/// The same with what is sealed already.
fn sent(session: &mut Session, context: &Context<'_>, key: PayloadKey, payload: Payload) -> Body {
    let envelope = Envelope::new(key, &payload, context);
    let (behind, message) = session.seal(&envelope).unwrap();
    *session = behind;
    let addressed = Addressed::new(context.to.installation, &message);
    travelled(Body::new(vec![addressed], payload).unwrap())
}

fn travelled(body: Body) -> Body {
    Body::decode(body.encode().into()).unwrap()
}

fn message(body: &Body, to: &Device) -> OlmMessage {
    body.envelope(to.installation).unwrap().message().unwrap()
}

/// What is first opened in a session, and the session behind it.
fn received(body: &Body, context: &Context<'_>, from: &Device, to: &Device) -> (Session, Content) {
    to.receive(from, &message(body, to)).unwrap().content(body.payload(), context).unwrap()
}

/// What is opened in a session that is there, and the session behind it.
fn opened(
    session: &Session,
    body: &Body,
    context: &Context<'_>,
    to: &Device,
) -> (Session, Content) {
    session.open(&message(body, to)).unwrap().content(body.payload(), context).unwrap()
}

/// Why a message does not fit that was decrypted.
fn misfit(opened: Opened, payload: &Payload, context: &Context<'_>) -> EnvelopeError {
    match opened.content(payload, context) {
        Err(OlmError::Envelope(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn they_write_to_each_other_and_what_began_the_session_is_left_out_once_it_is_answered() {
    let (alice, bob) = (alice(), bob());
    let mut of_alice = alice.begin_with(&bob);
    let (to_bob, to_alice) = (context(&alice, &bob, 1), context(&bob, &alice, 1));
    let first = sealed(&mut of_alice, &to_bob, "hi bob");
    let (mut of_bob, content) = received(&first, &to_bob, &alice, &bob);
    assert_eq!((content, of_bob.id()), (said("hi bob"), of_alice.id()));
    let answer = sealed(&mut of_bob, &to_alice, "hi alice");
    let (mut of_alice, content) = opened(&of_alice, &answer, &to_alice, &alice);
    assert_eq!(content, said("hi alice"));
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
    let (of_bob, _) = received(&first, &to_bob, &alice, &bob);
    let again = Session::read(&of_bob.write().unwrap()).unwrap();
    let second = sealed(&mut session, &to_bob, "there");
    assert_eq!(opened(&again, &second, &to_bob, &bob).1, said("there"));
    assert!(matches!(Session::read("{}"), Err(OlmError::Store(_))));
}

#[test]
fn an_envelope_opens_in_its_own_conversation_and_with_its_own_payload_alone() {
    let (alice, bob, marie) = (alice(), bob(), Device::of("marie", 3));
    let mut session = alice.begin_with(&bob);
    let (to_bob, later) = (context(&alice, &bob, 1), context(&alice, &bob, 2));
    let [first, second] = ["one", "two"].map(|text| sealed(&mut session, &to_bob, text));
    let decrypted = || bob.receive(&alice, &message(&first, &bob)).unwrap();
    assert_eq!(misfit(decrypted(), second.payload(), &to_bob), EnvelopeError::Payload);
    for other in [later, context(&marie, &bob, 1), context(&alice, &marie, 1)] {
        assert_eq!(misfit(decrypted(), first.payload(), &other), EnvelopeError::Context);
    }
    assert!(bob.receive(&marie, &message(&first, &bob)).is_err(), "it was not marie who began");
    assert!(marie.receive(&alice, &message(&first, &bob)).is_err(), "it is not for her");
}

/// Somebody who knows both keys cannot have each device see a text of its own.
#[test]
fn a_payload_is_opened_by_the_key_of_its_commitment_alone() {
    let (alice, bob) = (alice(), bob());
    let to_bob = context(&alice, &bob, 1);
    let (_, payload) = Payload::seal(&said("hi")).unwrap();
    let (other, _) = Payload::seal(&said("bye")).unwrap();
    let envelope = Envelope::new(other, &payload, &to_bob);
    let (_, message) = alice.begin_with(&bob).seal(&envelope).unwrap();
    let decrypted = bob.receive(&alice, &message).unwrap();
    let refused = EnvelopeError::Inside(PayloadError::Commitment);
    assert_eq!(misfit(decrypted, &payload, &to_bob), refused);
}

#[test]
fn what_cannot_be_opened_changes_nothing() {
    let (alice, bob) = (alice(), bob());
    let mut of_alice = alice.begin_with(&bob);
    let to_bob = context(&alice, &bob, 1);
    let first = sealed(&mut of_alice, &to_bob, "hi");
    let (session, _) = received(&first, &to_bob, &alice, &bob);
    let second = sealed(&mut of_alice, &to_bob, "there");
    let (kind, mut bytes) = message(&second, &bob).to_parts();
    *bytes.last_mut().unwrap() ^= 1;
    let damaged = OlmMessage::from_parts(kind, &bytes).unwrap();
    assert!(matches!(session.open(&damaged), Err(OlmError::Decryption(_))));
    let (behind, _) = opened(&session, &second, &to_bob, &bob);
    assert!(behind.open(&message(&second, &bob)).is_err(), "once is enough");
    assert!(session.open(&message(&second, &bob)).is_ok(), "its owner has not stored it");
}

#[test]
fn a_key_is_written_in_one_way_and_begins_its_own_session_alone() {
    let (alice, bob) = (alice(), bob());
    let to_bob = context(&alice, &bob, 1);
    let first = sealed(&mut alice.begin_with(&bob), &to_bob, "hi");
    let OlmMessage::PreKey(begun) = message(&first, &bob) else { panic!("it begins nothing") };
    let keys = begun.session_keys();
    for key in [keys.identity_key, keys.base_key, keys.one_time_key].map(|it| it.to_bytes()) {
        // Keys of nobody, of which one has a bit that no key is written with.
        for (other, is_read) in [([0x7f; 32], true), ([0xff; 32], false)] {
            let mut changed = first.encode();
            let at = changed.windows(32).position(|it| it == key).unwrap();
            changed[at..at + 32].copy_from_slice(&other);
            let changed = Body::decode(changed.into()).unwrap();
            let read = changed.envelope(bob.installation).unwrap().message();
            assert_eq!(read.is_ok(), is_read);
        }
    }
    let other = sealed(&mut alice.begin_with(&bob), &to_bob, "hi");
    let (of_bob, _) = received(&first, &to_bob, &alice, &bob);
    assert!(matches!(of_bob.open(&message(&other, &bob)), Err(OlmError::Other)));
}

#[test]
fn a_message_stands_alone_up_to_two_thousand_that_are_missing() {
    let (alice, bob) = (alice(), bob());
    let (mut session, to_bob) = (alice.begin_with(&bob), context(&alice, &bob, 1));
    let first = sealed(&mut session, &to_bob, "hi");
    let (of_bob, _) = received(&first, &to_bob, &alice, &bob);
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
    let mut session = alice.begin_with(&bob);
    let first = sealed(&mut session, &context(&alice, &bob, 1), "hi");
    let before = bob.account.fallback();
    bob.account = bob.account.renewed();
    assert_ne!(bob.account.fallback(), before);
    assert!(bob.receive(&alice, &message(&first, &bob)).is_ok());
    bob.account = bob.account.renewed();
    let refused = bob.receive(&alice, &message(&first, &bob));
    assert!(matches!(refused, Err(OlmError::Beginning(_))));
}

fn owner(device: &Device) -> Owner {
    let End { name, identity, .. } = device.end();
    Owner { server: Some(Fingerprint::of(b"server")), name: name.clone(), identity }
}

/// What its person says of a device that only writes.
fn writer(device: &Device) -> Writer {
    let End { installation, curve, .. } = device.end();
    Writer { owner: owner(device), installation, curve, time: Timestamp(0) }
}

fn signed(writer: Writer, by: &Device) -> SignedWriter {
    SignedWriter::sign(writer, &by.identity).unwrap()
}

/// The first message of a device to another.
fn first_of(from: &Device, to: &Device) -> Body {
    sealed(&mut from.begin_with(to), &context(from, to, 1), "the backup is done")
}

/// What is opened in such a message by whoever takes the sender's key from its statement, and the session behind it.
fn opened_of_writer(body: &Body, from: &Device, to: &Device) -> Option<(Session, Bytes)> {
    let curve = body.writer()?.curve_of(&owner(from), from.installation)?;
    let OlmMessage::PreKey(first) = message(body, to) else { panic!("it begins nothing") };
    let opened = Session::receive(&to.account, curve, &first).ok()?;
    let context = Context { from: End { curve, ..from.end() }, ..context(from, to, 1) };
    let (session, content) = opened.content(body.payload(), &context).unwrap();
    Some((session, content.body))
}

#[test]
fn a_folder_that_only_writes_is_known_by_the_statement_beside_its_message() {
    let (job, bob) = (alice(), bob());
    let body = travelled(first_of(&job, &bob).with_writer(signed(writer(&job), &job)));
    let (session, text) = opened_of_writer(&body, &job, &bob).unwrap();
    assert_eq!(text, "the backup is done");
    assert!(session.open(&message(&body, &bob)).is_err(), "it is the session behind the message");
}

#[test]
fn a_statement_that_names_anything_else_opens_no_message() {
    let (job, bob, marie) = (alice(), bob(), Device::of("marie", 3));
    let body = first_of(&job, &bob);
    assert!(opened_of_writer(&body, &job, &bob).is_none(), "it has none");
    let owned = |owner| Writer { owner, ..writer(&job) };
    for statement in [
        signed(writer(&job), &marie),
        signed(writer(&marie), &marie),
        signed(owned(Owner { name: marie.name.clone(), ..owner(&job) }), &job),
        signed(owned(Owner { server: None, ..owner(&job) }), &job),
        signed(owned(Owner { server: Some(Fingerprint::of(b"other")), ..owner(&job) }), &job),
        signed(Writer { installation: marie.installation, ..writer(&job) }, &job),
        signed(Writer { curve: marie.account.curve(), ..writer(&job) }, &job),
    ] {
        let body = travelled(body.clone().with_writer(statement));
        assert!(opened_of_writer(&body, &job, &bob).is_none(), "{:?}", body.writer());
    }
}

#[test]
fn a_folder_that_takes_a_new_installation_sends_the_same_payload_with_another_statement() {
    let (mut job, bob) = (alice(), bob());
    let (key, payload) = Payload::seal(&said("the backup is done")).unwrap();
    for installation in [1, 5] {
        job.installation = Installation::from_u64(installation);
        job.account = Account::generate();
        let (mut session, to_bob) = (job.begin_with(&bob), context(&job, &bob, 1));
        let body = sent(&mut session, &to_bob, key.clone(), payload.clone());
        let body = travelled(body.with_writer(signed(writer(&job), &job)));
        assert_eq!(body.payload(), &payload);
        assert_eq!(opened_of_writer(&body, &job, &bob).unwrap().1, "the backup is done");
    }
}
