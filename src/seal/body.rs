//! A sealed message as it travels: a payload, an envelope for each device that may open it, and what a writer's person
//! says of it.
//!
//! Owned by whoever sends one or was sent one. Invariant: there is one way to write it, and nothing else is read.

use bytes::{Buf, BufMut, Bytes, TryGetError};
use thiserror::Error;
use vodozemac::olm::OlmMessage;

use super::content::{MAX_GOT, MAX_INSIDE};
use super::payload::Payload;
use crate::message::{Installation, MAX_KIND_CHARS};
use crate::trust::CurveKey;
use crate::trust::devices::{MAX_DEVICES, MAX_WRITER, SignedWriter, WriterError};

/// The longest body, in bytes: a text of 64 KiB, an envelope for each device and a writer's statement fit.
pub const MAX_SEALED: usize = 80 * 1024;

/// The longest Olm message, in bytes. One that begins a session has some 280.
pub const MAX_ENVELOPE: usize = 512;

/// The first byte of a body.
const VERSION: u8 = 1;

/// A payload with its envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    envelopes: Vec<Addressed>,
    writer: Option<SignedWriter>,
    payload: Payload,
}

/// An envelope, as only its receiver can open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    /// The data folder of the receiver.
    pub to: Installation,
    kind: u8,
    message: Bytes,
}

/// Why bytes are not a [`Body`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum BodyError {
    #[error("a sealed message has at most {MAX_SEALED} bytes")]
    Long,
    #[error("a sealed message ends too early, or too late")]
    Length,
    #[error("it was sealed in a way that this version does not know")]
    Version,
    #[error("a sealed message is for 1 to {MAX_DEVICES} devices, and for each of them once")]
    Devices,
    #[error("an envelope is an Olm message of at most {MAX_ENVELOPE} bytes")]
    Envelope,
    #[error(transparent)]
    Writer(#[from] WriterError),
}

impl From<TryGetError> for BodyError {
    fn from(_: TryGetError) -> Self {
        Self::Length
    }
}

impl Addressed {
    /// What was encrypted for this device.
    pub fn new(to: Installation, message: &OlmMessage) -> Self {
        let (kind, message) = message.to_parts();
        let kind = u8::try_from(kind).expect("Olm has two types of messages");
        Self { to, kind, message: message.into() }
    }

    /// The Olm message, if it is written in the one way that Olm writes it.
    pub fn message(&self) -> Result<OlmMessage, BodyError> {
        let kind = usize::from(self.kind);
        let message = OlmMessage::from_parts(kind, &self.message).ok();
        let message = message.filter(|it| it.to_parts() == (kind, self.message.to_vec()));
        message.filter(begins_in_one_way).ok_or(BodyError::Envelope)
    }

    fn read(bytes: &mut Bytes) -> Result<Self, BodyError> {
        let (to, kind) = (Installation::from_u64(bytes.try_get_u64()?), bytes.try_get_u8()?);
        let length = usize::from(bytes.try_get_u16()?);
        if kind > 1 || length > MAX_ENVELOPE {
            return Err(BodyError::Envelope);
        }
        Ok(Self { to, kind, message: take(bytes, length)? })
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.put_u64(self.to.to_u64());
        out.put_u8(self.kind);
        out.put_u16(self.message.len() as u16);
        out.put_slice(&self.message);
    }
}

impl Body {
    /// For 1 to [`MAX_DEVICES`] devices, and for each of them once. Without a writer's statement.
    pub fn new(envelopes: Vec<Addressed>, payload: Payload) -> Result<Self, BodyError> {
        let is_repeated =
            |(at, it): (usize, &Addressed)| envelopes[..at].iter().any(|o| o.to == it.to);
        if !(1..=MAX_DEVICES).contains(&envelopes.len())
            || envelopes.iter().enumerate().any(is_repeated)
        {
            return Err(BodyError::Devices);
        }
        Ok(Self { envelopes, writer: None, payload })
    }

    /// The same from a data folder that only writes, of which its person says this.
    pub fn with_writer(self, writer: SignedWriter) -> Self {
        Self { writer: Some(writer), ..self }
    }

    /// The bytes that are sent.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.envelopes.len() as u8];
        self.envelopes.iter().for_each(|envelope| envelope.put(&mut out));
        let statement = self.writer.as_ref().map_or(&b""[..], |it| &it.bytes()[..]);
        out.put_u16(statement.len() as u16);
        out.put_slice(statement);
        out.put_u32(self.payload.bytes().len() as u32);
        out.put_slice(self.payload.bytes());
        out
    }

    /// What such bytes say.
    pub fn decode(mut bytes: Bytes) -> Result<Self, BodyError> {
        if bytes.len() > MAX_SEALED {
            return Err(BodyError::Long);
        }
        if bytes.try_get_u8()? != VERSION {
            return Err(BodyError::Version);
        }
        let envelopes = read_envelopes(&mut bytes)?;
        let statement = read_statement(&mut bytes)?;
        let body = Self::new(envelopes, read_payload(bytes)?)?;
        Ok(Self { writer: statement.map(SignedWriter::read).transpose()?, ..body })
    }

    /// The envelope for this device, if there is one.
    pub fn envelope(&self, to: Installation) -> Option<&Addressed> {
        self.envelopes.iter().find(|envelope| envelope.to == to)
    }

    /// What its person says of the sender, if that is a data folder that only writes.
    pub fn writer(&self) -> Option<&SignedWriter> {
        self.writer.as_ref()
    }

    /// What is in all envelopes' care.
    pub fn payload(&self) -> &Payload {
        &self.payload
    }
}

fn read_envelopes(bytes: &mut Bytes) -> Result<Vec<Addressed>, BodyError> {
    let count = usize::from(bytes.try_get_u8()?);
    if count > MAX_DEVICES {
        return Err(BodyError::Devices);
    }
    (0..count).map(|_| Addressed::read(bytes)).collect()
}

/// Not verified yet.
fn read_statement(bytes: &mut Bytes) -> Result<Option<Bytes>, BodyError> {
    let length = usize::from(bytes.try_get_u16()?);
    if length > MAX_WRITER {
        return Err(WriterError::Long.into());
    }
    let statement = take(bytes, length)?;
    Ok((length > 0).then_some(statement))
}

fn read_payload(mut bytes: Bytes) -> Result<Payload, BodyError> {
    let length = bytes.try_get_u32()? as usize;
    (bytes.len() == length).then(|| Payload::from_bytes(bytes)).ok_or(BodyError::Length)
}

/// How long what is inside may be, in bytes, so that a body has at most so many, whoever it is for.
pub fn longest_inside(body: usize) -> usize {
    /// What stands around a content, and in it around what was written, if there is as much of each as there may be.
    const AROUND: usize = 2 + MAX_DEVICES * (11 + MAX_ENVELOPE) + 2 + MAX_WRITER + 4 + 32 + 16;
    const WITHIN: usize = 16 + 2 * 40 + 1 + MAX_GOT * 16 + 1 + MAX_KIND_CHARS + 8 + 4;
    // Padding is less than 64 bytes, or than an eighth.
    let unpadded = (body.saturating_sub(AROUND) * 8 / 9).saturating_sub(64);
    unpadded.saturating_sub(WITHIN).min(MAX_INSIDE)
}

/// Whether the keys are written in one way that a message has to begin with.
fn begins_in_one_way(message: &OlmMessage) -> bool {
    let OlmMessage::PreKey(first) = message else { return true };
    let keys = first.session_keys();
    let keys = [keys.identity_key, keys.base_key, keys.one_time_key];
    keys.into_iter().all(|key| CurveKey::from_bytes(key.to_bytes()).is_canonical())
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, BodyError> {
    if bytes.len() < length { Err(BodyError::Length) } else { Ok(bytes.split_to(length)) }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::content::Content;
    use super::super::content::tests::longest;
    use super::*;
    use crate::message::{Kind, Timestamp};
    use crate::trust::devices::{Owner, StatementError, Writer};
    use crate::trust::{Fingerprint, Identity};

    /// A signature takes its time: this one is in many bodies.
    static WRITER: LazyLock<SignedWriter> = LazyLock::new(|| {
        let identity = Identity::generate().unwrap();
        let owner = Owner {
            server: Some(Fingerprint::of(b"server")),
            name: "john".parse().unwrap(),
            identity: identity.public(),
        };
        let writer = Writer {
            owner,
            installation: Installation::from_u64(1),
            curve: CurveKey::from_bytes([1; 32]),
            time: Timestamp(0),
        };
        SignedWriter::sign(writer, &identity).unwrap()
    });

    fn envelopes() -> impl Strategy<Value = Vec<Addressed>> {
        let one = (0..2_u8, vec(any::<u8>(), 0..=MAX_ENVELOPE));
        vec(one, 1..=MAX_DEVICES).prop_map(|all| {
            let number = |(number, (kind, message)): (usize, (u8, Vec<u8>))| Addressed {
                to: Installation::from_u64(number as u64),
                kind,
                message: message.into(),
            };
            all.into_iter().enumerate().map(number).collect()
        })
    }

    fn bodies() -> impl Strategy<Value = Body> {
        let parts = (envelopes(), vec(any::<u8>(), 0..2_000), any::<bool>());
        parts.prop_map(|(envelopes, payload, only_writes)| {
            let body = Body::new(envelopes, Payload::from_bytes(payload.into())).unwrap();
            if only_writes { body.with_writer(WRITER.clone()) } else { body }
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(body in bodies()) {
            prop_assert_eq!(Body::decode(body.encode().into()), Ok(body));
        }

        #[test]
        fn it_is_written_in_one_way_alone(body in bodies(), at: prop::sample::Index, byte: u8) {
            let mut bytes = body.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = Body::decode(bytes.clone().into()) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn less_and_more_are_refused(body in bodies(), at: prop::sample::Index, more: u8) {
            let mut bytes = body.encode();
            let less = bytes[..at.index(bytes.len())].to_vec();
            prop_assert!(Body::decode(less.into()).is_err());
            bytes.push(more);
            prop_assert_eq!(Body::decode(bytes.into()), Err(BodyError::Length));
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>) {
            if let Ok(body) = Body::decode(bytes.clone().into()) {
                prop_assert_eq!(body.encode(), bytes);
                for envelope in &body.envelopes {
                    let _ = envelope.message();
                }
            }
        }
    }

    /// Of as much as there may be beside what was written.
    fn most_around(content: &Content) -> Body {
        let (_, payload) = Payload::seal(content).unwrap();
        let addressed = |number| Addressed {
            to: Installation::from_u64(number),
            kind: 0,
            message: vec![0; MAX_ENVELOPE].into(),
        };
        let all = (1..=MAX_DEVICES as u64).map(addressed).collect();
        Body::new(all, payload).unwrap().with_writer(longest_statement())
    }

    #[test]
    fn the_longest_message_to_the_most_devices_fits() {
        let body = most_around(&longest());
        assert_eq!(Body::decode(body.encode().into()), Ok(body));
    }

    #[test]
    fn what_is_long_enough_for_a_server_that_takes_less_fits() {
        assert_eq!((longest_inside(0), longest_inside(MAX_SEALED)), (0, MAX_INSIDE));
        let kind = "k".repeat(MAX_KIND_CHARS).parse::<Kind>().unwrap();
        for most in (6_000..MAX_SEALED).step_by(613) {
            let body = vec![b'x'; longest_inside(most)].into();
            let content = Content { body, kind: kind.clone(), ..longest() };
            assert!(most_around(&content).encode().len() <= most, "{most}");
        }
    }

    /// A signature may have blank lines in it.
    fn longest_statement() -> SignedWriter {
        let text = str::from_utf8(WRITER.bytes()).unwrap();
        let blank = "\n".repeat(MAX_WRITER - text.len());
        let longest = text.replacen("-----END", &format!("{blank}-----END"), 1);
        SignedWriter::read(longest.into()).unwrap()
    }

    #[test]
    fn what_is_no_statement_of_a_writer_is_refused() {
        let one = Addressed { to: Installation::from_u64(1), kind: 0, message: Bytes::new() };
        let body = Body::new(vec![one], Payload::from_bytes(vec![0; 2_000].into())).unwrap();
        let bytes = body.with_writer(WRITER.clone()).encode();
        let at = bytes.windows(10).position(|it| it == b"tinychat/2").unwrap();
        let damaged = |at: usize, by: &[u8]| {
            let mut bytes = bytes.clone();
            bytes[at..at + by.len()].copy_from_slice(by);
            Body::decode(bytes.into())
        };
        let refused = |error| Err(BodyError::Writer(error));
        let (signature, form) = (StatementError::Signature, StatementError::Form);
        assert_eq!(damaged(at, b"T"), refused(WriterError::Statement(signature)));
        assert_eq!(damaged(at, b"\xff"), refused(WriterError::Statement(form)));
        let beyond = (MAX_WRITER as u16 + 1).to_be_bytes();
        assert_eq!(damaged(at - 2, &beyond), refused(WriterError::Long));
    }

    #[test]
    fn a_device_has_one_envelope() {
        let one = Addressed { to: Installation::from_u64(1), kind: 0, message: Bytes::new() };
        let payload = || Payload::from_bytes(Bytes::new());
        for envelopes in [vec![], vec![one.clone(), one.clone()]] {
            assert_eq!(Body::new(envelopes, payload()), Err(BodyError::Devices));
        }
        let nine =
            (0..9).map(|number| Addressed { to: Installation::from_u64(number), ..one.clone() });
        assert_eq!(Body::new(nine.collect(), payload()), Err(BodyError::Devices));
    }
}
