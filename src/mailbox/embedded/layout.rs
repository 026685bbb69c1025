//! How the store looks on disk, version 5. Pure: values to bytes and back.
//!
//! Owned by the store. Numbers are big-endian. Three keyspaces:
//!
//! | keyspace | key | value |
//! |---|---|---|
//! | `meta` | `layout` | version (u8) of all that follows |
//! | `meta` | `commit` | number of the last commit (u64), in each commit |
//! | `meta` | `uptime` | how long the server had run then (u64, an [`Uptime`]), likewise; 0 if it is missing, as after an upgrade from version 1 |
//! | `sessions` | receiver, 0, sender | a [`Row`]: version (u8), `removed`, `last`, `bytes` (u64 each) |
//! | `sessions` | receiver, 0, sender, 0, `h`, installation (u64) | what is known of it: n, settled, seen (u64 each; of one that is [orphaned](crate::mailbox::Account::ORPHANED) *seen* is 2⁶⁴-1) |
//! | `sessions` | receiver, 0, sender, 0, `x`, installation, first n (u64 each) | a record of what expired: its last n (u64) |
//! | `sessions` | receiver, 0, sender, 0, `b`, installation, first n (u64 each) | the same of what bounced |
//! | `sessions` | 0, name | the newest device list of a name: version (u8, 1), the number of its version (u64), the key that has signed it (32 bytes), the signed list, and right behind it the prekeys of its devices, if it has any |
//! | `sessions` | 1, receiver, 0, sender | what the receiver thinks of the sender: version (u8, 1), a [`Standing`] (u8: 1 accepted, 2 blocked, 3 both) |
//! | `messages` | receiver, 0, sender, 0, position (u64) | a *segment*: version (u8, 3), how long the server had run when it took them (u64, an [`Uptime`]), count (u32) of messages, each with installation, n (u64 each), origin (16 bytes), time (u64), length of kind (u8; 0: the message is withheld), kind, length of body (u32), body; of what is withheld how long that was (u32), or nothing |
//!
//! Names have no zero byte, and begin with none of the other control characters. Installations have entries beside the
//! session's row and not in it, for there may be thousands, and a commit writes only what it changes. A segment has
//! messages with consecutive positions; its key has the last one: so the first segment at or after a position has what
//! follows, and a commit with hundreds of messages writes and later removes only a few segments. A segment of version 1 does not say when it was accepted: it counts
//! from uptime 0, which is when the server first counted. One of version 1 or 2 has no origins: they are
//! [made of the ids](Origin::of).
//!
//! Invariant: a session's segments have the positions above `removed` up to and with `last`, each once, with `bytes` in
//! those of their bodies that are kept; some messages of the first segment may be removed already.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut, Bytes};

use crate::mailbox::{Accounts, Fate, KeptList, ListId, Outline, Standing};
use crate::message::{
    Installation, Kind, Message, MessageId, Name, Origin, SessionKey, Timestamp, Uptime,
    withheld_length,
};
use crate::trust::PublicKey;
use crate::trust::devices::server_of;

/// The version that is written here. What [`upgrade`](super::upgrade) needs of older ones is read here, too.
pub(super) const VERSION: u8 = 5;

/// The version of a session's row, which is the layout's in which it last changed.
pub(super) const ROW_VERSION: u8 = 2;

/// Where the layout's version is.
pub(super) const LAYOUT: &str = "layout";
/// The key of the server's uptime at the last commit.
pub(super) const UPTIME: &str = "uptime";
/// Where the number of the last commit is.
pub(super) const COMMIT: &str = "commit";

/// The version of segments that is written here, independent of the layout's: an upgrade leaves segments as they are.
/// Older ones are read, too.
const SEGMENT_VERSION: u8 = 3;
/// The last one without origins.
const WITHOUT_ORIGINS: u8 = 2;
/// The one that does not say when it was accepted.
const WITHOUT_UPTIME: u8 = 1;

/// What is kept of a session beside its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Everything up to this position was removed.
    pub(super) removed: u64,
    /// The last position that was ever given.
    pub(super) last: u64,
    /// The size of all bodies of waiting messages.
    pub(super) bytes: u64,
}

/// What an entry of the keyspace `sessions` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SessionPart {
    Row(Row),
    /// Of an installation: n, settled, seen.
    Numbers(Installation, [u64; 3]),
    /// A record: its first n and its last.
    Record(Fate, Installation, u64, u64),
}

const NUMBERS: u8 = b'h';
const EXPIRED: u8 = b'x';
const BOUNCED: u8 = b'b';

/// What the keys of device lists and of standings begin with, and that of no session.
const LIST: u8 = 0;
const STANDING: u8 = 1;

/// The versions of a device list's entry and of a standing's that are written here.
const LIST_VERSION: u8 = 1;
const STANDING_VERSION: u8 = 1;

/// Bytes that are not what this version writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not as this version writes it")]
pub(super) struct Malformed(pub(super) &'static str);

const MALFORMED_SEGMENT: Malformed = Malformed("a segment of messages");

/// The key of a session's row.
pub(super) fn session_key(key: &SessionKey) -> Vec<u8> {
    [key.receiver().as_str().as_bytes(), &[0], key.sender().as_str().as_bytes()].concat()
}

/// Where the keys of device lists end, and those of standings begin.
pub(super) const FIRST_STANDING: [u8; 1] = [STANDING];

/// Where these end, and those of sessions begin.
pub(super) const FIRST_SESSION: [u8; 1] = [STANDING + 1];

/// The key of a name's device list.
pub(super) fn list_key(name: &Name) -> Vec<u8> {
    [&[LIST], name.as_str().as_bytes()].concat()
}

/// Whose device list an entry of the keyspace `sessions` is, and the list.
pub(super) fn parse_list(key: &[u8], value: Bytes) -> Result<(Name, KeptList), Malformed> {
    let name = key.strip_prefix(&[LIST]).and_then(|name| str::from_utf8(name).ok()?.parse().ok());
    name.zip(decode_list(value)).ok_or(Malformed("a device list"))
}

/// The bytes of a device list's entry.
pub(super) fn encode_list(KeptList { id, bundle }: &KeptList) -> Vec<u8> {
    let mut out = vec![LIST_VERSION];
    out.put_u64(id.version);
    out.put_slice(&id.owner.to_bytes());
    out.put_slice(bundle);
    out
}

fn decode_list(mut value: Bytes) -> Option<KeptList> {
    let known = value.try_get_u8().ok()? == LIST_VERSION;
    let version = value.try_get_u64().ok()?;
    let owner = PublicKey::from_bytes(*value.first_chunk()?);
    value.advance(owner.to_bytes().len());
    let id = ListId { owner, version, server: server_of(&value), edition: 0 };
    known.then_some(KeptList { id, bundle: value })
}

/// The key of what the receiver of a session thinks of its sender.
pub(super) fn standing_key(key: &SessionKey) -> Vec<u8> {
    [&[STANDING], &*session_key(key)].concat()
}

/// Whose standing an entry of the keyspace `sessions` is, and the standing.
pub(super) fn parse_standing(
    key: &[u8],
    value: &[u8],
) -> Result<(SessionKey, Standing), Malformed> {
    let malformed = Malformed("what somebody thinks of somebody else");
    let session = parse_session_key(key.strip_prefix(&[STANDING]).ok_or(malformed)?)?;
    let known = |it: &Standing| encode_standing(*it) == value;
    Ok((session, Standing::ALL.into_iter().find(known).ok_or(malformed)?))
}

/// The bytes of a standing's entry.
pub(super) fn encode_standing(standing: Standing) -> [u8; 2] {
    let number = match standing {
        Standing::Accepted => 1,
        Standing::Blocked => 2,
        Standing::BlockedFriend => 3,
    };
    [STANDING_VERSION, number]
}

/// Whether an entry of the keyspace `sessions` can be read, and a device list is sound.
pub(super) fn check_entry(key: &[u8], value: Bytes) -> Result<(), Malformed> {
    match key.first() {
        Some(&LIST) => {
            let (name, list) = parse_list(key, value)?;
            list.problem(&name).map_or(Ok(()), |_| Err(Malformed("a signed device list")))
        }
        Some(&STANDING) => parse_standing(key, &value).map(drop),
        _ => parse_part(key, &value).map(drop),
    }
}

/// What all keys of a session's messages begin with.
pub(super) fn message_prefix(key: &SessionKey) -> Vec<u8> {
    let mut prefix = session_key(key);
    prefix.push(0);
    prefix
}

/// The key of the segment whose last message has a position.
pub(super) fn segment_key(prefix: &[u8], position: u64) -> Vec<u8> {
    [prefix, &position.to_be_bytes()].concat()
}

/// What the keys of a session's accounts begin with.
pub(super) fn accounts_prefix(key: &SessionKey) -> Vec<u8> {
    message_prefix(key)
}

/// The key of what is known of an installation beside its records.
pub(super) fn numbers_key(prefix: &[u8], installation: Installation) -> Vec<u8> {
    [prefix, &[NUMBERS], &installation.to_u64().to_be_bytes()].concat()
}

/// The key of an installation's record.
pub(super) fn record_key(
    prefix: &[u8],
    fate: Fate,
    installation: Installation,
    first: u64,
) -> Vec<u8> {
    let kind = match fate {
        Fate::Expired => EXPIRED,
        Fate::Bounced => BOUNCED,
    };
    let installation = installation.to_u64().to_be_bytes();
    [prefix, &[kind], &installation, &first.to_be_bytes()].concat()
}

/// Whose row a key is.
pub(super) fn parse_session_key(key: &[u8]) -> Result<SessionKey, Malformed> {
    let malformed = Malformed("a session's key");
    let (session, rest) = split_session(key).ok_or(malformed)?;
    if rest.is_none() { Ok(session) } else { Err(malformed) }
}

/// The session of an entry of the keyspace `sessions`, and what it is.
pub(super) fn parse_part(key: &[u8], value: &[u8]) -> Result<(SessionKey, SessionPart), Malformed> {
    let (session, rest) = split_session(key).ok_or(Malformed("a session's key"))?;
    let part = match rest {
        None => SessionPart::Row(Row::decode(value)?),
        Some(rest) => parse_account(rest, value).ok_or(Malformed("what a session knows"))?,
    };
    Ok((session, part))
}

fn parse_account(mut key: &[u8], mut value: &[u8]) -> Option<SessionPart> {
    let kind = key.try_get_u8().ok()?;
    let installation = Installation::from_u64(key.try_get_u64().ok()?);
    let mut number = || value.try_get_u64().ok();
    let part = match kind {
        NUMBERS => SessionPart::Numbers(installation, [number()?, number()?, number()?]),
        EXPIRED | BOUNCED => {
            let fate = if kind == EXPIRED { Fate::Expired } else { Fate::Bounced };
            let (first, last) = (key.try_get_u64().ok()?, number()?);
            Some(SessionPart::Record(fate, installation, first, last)).filter(|_| first <= last)?
        }
        _ => return None,
    };
    (key.is_empty() && value.is_empty()).then_some(part)
}

/// The session that a key begins with, and what follows after another zero.
fn split_session(key: &[u8]) -> Option<(SessionKey, Option<&[u8]>)> {
    let mut words = key.splitn(3, |byte| *byte == 0);
    let mut name = || str::from_utf8(words.next()?).ok()?.parse().ok();
    let (receiver, sender) = (name()?, name()?);
    Some((SessionKey::new(sender, receiver).ok()?, words.next()))
}

/// Puts a part where it belongs.
pub(super) fn add_part(accounts: &mut Accounts, part: SessionPart) {
    match part {
        SessionPart::Row(_) => {}
        SessionPart::Numbers(installation, [n, settled, seen]) => {
            let account = accounts.restore(installation);
            (account.n, account.settled, account.seen) = (n.max(account.n), settled, seen);
        }
        SessionPart::Record(fate, installation, first, last) => {
            let account = accounts.restore(installation);
            account.n = account.n.max(last);
            account.records_mut(fate).insert(first, last);
        }
    }
}

/// The entries of a session's accounts.
pub(super) fn encode_accounts(prefix: &[u8], accounts: &Accounts) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let mut entries = BTreeMap::new();
    for (installation, account) in accounts.iter() {
        let numbers = [account.n, account.settled, account.seen].map(u64::to_be_bytes).concat();
        entries.insert(numbers_key(prefix, installation), numbers);
        for fate in Fate::ALL {
            for (first, last) in account.records(fate) {
                let key = record_key(prefix, fate, installation, *first);
                entries.insert(key, last.to_be_bytes().into());
            }
        }
    }
    entries
}

/// Of which session a segment is, and the position of its last message.
pub(super) fn parse_segment_key(key: &[u8]) -> Result<(SessionKey, u64), Malformed> {
    let malformed = Malformed("a segment's key");
    let (session, position) = key.split_last_chunk::<8>().ok_or(malformed)?;
    let session = session.strip_suffix(&[0]).ok_or(malformed)?;
    Ok((parse_session_key(session)?, u64::from_be_bytes(*position)))
}

impl Row {
    /// The row's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = vec![ROW_VERSION];
        [self.removed, self.last, self.bytes].into_iter().for_each(|number| out.put_u64(number));
        out
    }

    /// The row that these bytes are.
    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        Self::decode_from(ROW_VERSION, &mut bytes)
            .filter(|_| bytes.is_empty())
            .ok_or(Malformed("a session's row"))
    }

    /// The row that bytes of some version begin with.
    pub(super) fn decode_from(version: u8, bytes: &mut &[u8]) -> Option<Self> {
        if bytes.try_get_u8().ok()? != version {
            return None;
        }
        let mut number = || bytes.try_get_u64().ok();
        let row = Self { removed: number()?, last: number()?, bytes: number()? };
        (row.removed <= row.last).then_some(row)
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> u64 {
        self.last - self.removed
    }
}

/// A segment's bytes.
pub(super) fn encode_segment<'a>(
    since: Uptime,
    messages: impl ExactSizeIterator<Item = &'a Message>,
) -> Bytes {
    let mut out = Vec::new();
    out.put_u8(SEGMENT_VERSION);
    out.put_u64(since.0);
    out.put_u32(count(messages.len()));
    for Message { id, origin, time, kind, body } in messages {
        out.put_u64(id.installation.to_u64());
        out.put_u64(id.n);
        out.put_slice(&origin.to_bytes());
        out.put_u64(time.0);
        // A kind has at most 16 bytes.
        out.put_u8(kind.as_str().len() as u8);
        out.put_slice(kind.as_str().as_bytes());
        out.put_u32(count(body.len()));
        out.put_slice(body);
    }
    out.into()
}

/// The messages of a segment, in order; none if the bytes are not one.
pub(super) fn decode_segment(bytes: Bytes) -> Result<Vec<Message>, Malformed> {
    let message = |Part { id, origin, time, kind, body }: Part<'_>| {
        Message::kept(id, origin, time, kind, bytes.slice_ref(body))
    };
    decode_parts(&bytes, message).ok_or(MALFORMED_SEGMENT)
}

/// The ids and lengths of a segment's messages, in order, without building them; none if the bytes are not one.
pub(super) fn decode_outlines(bytes: &[u8]) -> Result<Vec<Outline>, Malformed> {
    decode_parts(bytes, |it| it.outline()).ok_or(MALFORMED_SEGMENT)
}

/// How long the server had run when it took the messages of a segment, from its beginning.
pub(super) fn decode_since(mut bytes: &[u8]) -> Result<Uptime, Malformed> {
    take_beginning(&mut bytes).map(|(_, since)| since).ok_or(MALFORMED_SEGMENT)
}

/// A segment's version, and how long the server had run.
fn take_beginning(bytes: &mut &[u8]) -> Option<(u8, Uptime)> {
    let version = bytes.try_get_u8().ok()?;
    let since = match version {
        WITHOUT_UPTIME => Uptime::default(),
        WITHOUT_ORIGINS | SEGMENT_VERSION => bytes.try_get_u64().ok().map(Uptime)?,
        _ => return None,
    };
    Some((version, since))
}

/// A message inside its segment's bytes.
struct Part<'a> {
    id: MessageId,
    origin: Origin,
    time: Timestamp,
    /// None of a message that is withheld.
    kind: Option<Kind>,
    body: &'a [u8],
}

impl Part<'_> {
    fn outline(&self) -> Outline {
        let is_withheld = self.kind.is_none();
        let length = if is_withheld { withheld_length(self.body) } else { self.body.len() };
        Outline { id: self.id, length, is_withheld }
    }
}

fn decode_parts<'a, T>(mut bytes: &'a [u8], make: impl Fn(Part<'a>) -> T) -> Option<Vec<T>> {
    let (version, _) = take_beginning(&mut bytes)?;
    let count = bytes.try_get_u32().ok()?;
    let mut parts = Vec::new();
    for _ in 0..count {
        parts.push(make(decode_part(version, &mut bytes)?));
    }
    (bytes.is_empty() && count > 0).then_some(parts)
}

fn decode_part<'a>(version: u8, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
    let installation = Installation::from_u64(bytes.try_get_u64().ok()?);
    let id = MessageId { installation, n: bytes.try_get_u64().ok()? };
    let origin = match version {
        ..=WITHOUT_ORIGINS => Origin::of(id),
        _ => Origin::from_bytes(take_bytes(bytes)?),
    };
    let time = Timestamp(bytes.try_get_u64().ok()?);
    let length = usize::from(bytes.try_get_u8().ok()?);
    let kind = std::str::from_utf8(bytes.split_off(..length)?).ok()?;
    let kind = if kind.is_empty() { None } else { Some(kind.parse().ok()?) };
    let length = usize::try_from(bytes.try_get_u32().ok()?).ok()?;
    Some(Part { id, origin, time, kind, body: bytes.split_off(..length)? })
}

fn take_bytes<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("rows, segments and bodies are far shorter")
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
