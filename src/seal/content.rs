//! What is inside a sealed message.
//!
//! Owned by whoever seals or opens one. Invariant: there is one way to write it, and nothing else is read, down to the
//! last byte of its padding.

use bytes::{Buf, BufMut, Bytes, TryGetError};
use thiserror::Error;

use super::padding::padded;
use crate::message::{Installation, Kind, Origin, Timestamp};
use crate::trust::Fingerprint;

/// How many messages that came are told at once.
pub const MAX_GOT: usize = 8;

/// The longest body inside, in bytes: that of a text.
pub const MAX_INSIDE: usize = 64 * 1024;

/// The highest number: what databases can count to.
const MAX_NUMBER: u64 = i64::MAX as u64;

/// A message without its number, and what its sender knew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// What it is called for life.
    pub origin: Origin,
    /// The newest device list of the sender and of the receiver that the sender knew; none of somebody without one.
    pub lists: [Option<Known>; 2],
    /// Which messages of the receiver the sender has opened last, at most [`MAX_GOT`].
    pub got: Vec<Got>,
    /// What the body is.
    pub kind: Kind,
    /// When it was written, by the sender's clock.
    pub time: Timestamp,
    /// What was written, at most [`MAX_INSIDE`] bytes.
    pub body: Bytes,
}

/// A version of somebody's device list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// From 1.
    pub version: u64,
    /// The hash of its text.
    pub hash: Fingerprint,
}

/// A message that came, and was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got {
    /// The data folder that sent it.
    pub installation: Installation,
    /// The number that it had.
    pub n: u64,
}

/// Why bytes are not a [`Content`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ContentError {
    #[error("what was sealed ends too early")]
    Short,
    #[error("what was sealed has a kind that is none")]
    Kind,
    #[error("what is sealed has more in it than a message may have")]
    Long,
    #[error("what is sealed has a number that is none")]
    Number,
    #[error("what was sealed is written in one way alone, and its padding is zeros")]
    Spelling,
}

impl From<TryGetError> for ContentError {
    fn from(_: TryGetError) -> Self {
        Self::Short
    }
}

impl Content {
    /// Whether it can be sealed: only that can be read.
    pub(super) fn check(&self) -> Result<(), ContentError> {
        if self.got.len() > MAX_GOT || self.body.len() > MAX_INSIDE {
            return Err(ContentError::Long);
        }
        let versions = self.lists.iter().flatten().map(|list| list.version);
        let from_one = versions.chain(self.got.iter().map(|got| got.n));
        let are_some = { from_one }.all(|number| (1..=MAX_NUMBER).contains(&number));
        (are_some && self.time.0 <= MAX_NUMBER).then_some(()).ok_or(ContentError::Number)
    }

    /// The bytes that are sealed.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_slice(&self.origin.to_bytes());
        self.lists.iter().for_each(|list| put_list(&mut out, *list));
        out.put_u8(self.got.len() as u8);
        self.got.iter().for_each(|got| put_got(&mut out, got));
        out.put_u8(self.kind.as_str().len() as u8);
        out.put_slice(self.kind.as_str().as_bytes());
        out.put_u64(self.time.0);
        out.put_u32(self.body.len() as u32);
        out.put_slice(&self.body);
        out.resize(padded(out.len()), 0);
        out
    }

    /// What such bytes say.
    pub fn decode(bytes: Bytes) -> Result<Self, ContentError> {
        let content = read(&mut bytes.clone())?;
        content.check()?;
        (content.encode() == bytes).then_some(content).ok_or(ContentError::Spelling)
    }
}

fn put_list(out: &mut Vec<u8>, list: Option<Known>) {
    let (version, hash) = list.map_or((0, [0; 32]), |it| (it.version, it.hash.to_bytes()));
    out.put_u64(version);
    out.put_slice(&hash);
}

fn put_got(out: &mut Vec<u8>, got: &Got) {
    out.put_u64(got.installation.to_u64());
    out.put_u64(got.n);
}

fn read(bytes: &mut Bytes) -> Result<Content, ContentError> {
    Ok(Content {
        origin: Origin::from_bytes(array(bytes)?),
        lists: [read_list(bytes)?, read_list(bytes)?],
        got: read_all_got(bytes)?,
        kind: read_kind(bytes)?,
        time: Timestamp(bytes.try_get_u64()?),
        body: read_body(bytes)?,
    })
}

fn read_list(bytes: &mut Bytes) -> Result<Option<Known>, ContentError> {
    let (version, hash) = (bytes.try_get_u64()?, Fingerprint::from_bytes(array(bytes)?));
    Ok((version > 0).then_some(Known { version, hash }))
}

fn read_all_got(bytes: &mut Bytes) -> Result<Vec<Got>, ContentError> {
    let count = usize::from(bytes.try_get_u8()?);
    if count > MAX_GOT {
        return Err(ContentError::Long);
    }
    let read = |_| {
        let installation = Installation::from_u64(bytes.try_get_u64()?);
        Ok(Got { installation, n: bytes.try_get_u64()? })
    };
    (0..count).map(read).collect()
}

fn read_kind(bytes: &mut Bytes) -> Result<Kind, ContentError> {
    let length = usize::from(bytes.try_get_u8()?);
    let word = take(bytes, length)?;
    let word = str::from_utf8(&word).map_err(|_| ContentError::Kind)?;
    word.parse().map_err(|_| ContentError::Kind)
}

fn read_body(bytes: &mut Bytes) -> Result<Bytes, ContentError> {
    let length = bytes.try_get_u32()? as usize;
    if length > MAX_INSIDE {
        return Err(ContentError::Long);
    }
    take(bytes, length)
}

fn array<const N: usize>(bytes: &mut Bytes) -> Result<[u8; N], ContentError> {
    let mut array = [0; N];
    bytes.try_copy_to_slice(&mut array)?;
    Ok(array)
}

fn take(bytes: &mut Bytes, length: usize) -> Result<Bytes, ContentError> {
    if bytes.len() < length { Err(ContentError::Short) } else { Ok(bytes.split_to(length)) }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn known() -> impl Strategy<Value = Known> {
        (1..=MAX_NUMBER, any::<[u8; 32]>())
            .prop_map(|(version, hash)| Known { version, hash: Fingerprint::from_bytes(hash) })
    }

    fn got() -> impl Strategy<Value = Got> {
        (any::<u64>(), 1..=MAX_NUMBER)
            .prop_map(|(number, n)| Got { installation: Installation::from_u64(number), n })
    }

    /// Any content.
    pub(in crate::seal) fn contents() -> impl Strategy<Value = Content> {
        let lists = [option::of(known()), option::of(known())];
        let rest = ("[a-z0-9-]{1,16}", 0..=MAX_NUMBER, vec(any::<u8>(), 0..3_000));
        (any::<[u8; 16]>(), lists, vec(got(), 0..=MAX_GOT), rest).prop_map(
            |(origin, lists, got, (kind, time, body))| Content {
                origin: Origin::from_bytes(origin),
                lists,
                got,
                kind: kind.parse().unwrap(),
                time: Timestamp(time),
                body: body.into(),
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(content in contents()) {
            let bytes = content.encode();
            prop_assert_eq!(padded(bytes.len()), bytes.len());
            prop_assert_eq!(Content::decode(bytes.into()), Ok(content));
        }

        #[test]
        fn it_is_written_in_one_way_alone(content in contents(), at: prop::sample::Index, byte: u8) {
            let mut bytes = content.encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(read) = Content::decode(bytes.clone().into()) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }

        #[test]
        fn half_of_it_is_refused(content in contents(), at: prop::sample::Index) {
            let mut bytes = content.encode();
            bytes.truncate(at.index(bytes.len()));
            prop_assert!(Content::decode(bytes.into()).is_err());
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>) {
            let _ = Content::decode(bytes.into());
        }
    }

    const GOT: Got = Got { installation: Installation::from_u64(1), n: 1 };

    /// As much as a message may have.
    pub(in crate::seal) fn longest() -> Content {
        Content {
            origin: Origin::from_bytes([0; 16]),
            lists: [None; 2],
            got: vec![GOT; MAX_GOT],
            kind: Kind::TEXT,
            time: Timestamp(0),
            body: vec![b'x'; MAX_INSIDE].into(),
        }
    }

    #[test]
    fn more_than_a_message_may_have_is_refused() {
        let content = longest();
        assert!(Content::decode(content.encode().into()).is_ok());
        let beyond = Known { version: MAX_NUMBER + 1, hash: Fingerprint::of(b"list") };
        let longer = Bytes::from(vec![b'x'; MAX_INSIDE + 1]);
        for (changed, error) in [
            (Content { body: longer, ..content.clone() }, ContentError::Long),
            (Content { got: vec![GOT; MAX_GOT + 1], ..content.clone() }, ContentError::Long),
            (Content { got: vec![Got { n: 0, ..GOT }], ..content.clone() }, ContentError::Number),
            (Content { lists: [Some(beyond), None], ..content.clone() }, ContentError::Number),
            (Content { time: Timestamp(MAX_NUMBER + 1), ..content }, ContentError::Number),
        ] {
            assert_eq!(changed.check(), Err(error));
            assert_eq!(Content::decode(changed.encode().into()), Err(error));
        }
    }
}
