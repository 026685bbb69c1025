//! Messages are sealed, to be sent.
//!
//! Owned by the [store](super::super): functions of a transaction. Invariants: a message has one payload as long as it
//! lives, which is on the disk with its key until the fate of the message is final; a resend is the same bytes, unless
//! its number or the devices of its receiver are others; and what is sealed is on the disk before it leaves, with the
//! sessions behind it.

use std::fmt::Display;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Transaction, params};

use super::super::accounts::Keys;
use super::super::devices;
use super::super::outbox::{self, Outgoing};
use super::super::scope::{Scope, Server};
use super::super::trusted::verified;
use super::keyring::{Device, Keyring, Me, Person};
use super::sessions::{self, Other, Sending};
use crate::message::{Kind, Name, Timestamp};
use crate::seal::{
    Addressed, Body, Content, Context, End, Envelope, Got, Known, Payload, PayloadKey,
};
use crate::trust::PublicKey;

type Result<T> = rusqlite::Result<T>;

/// Which messages of a conversation are to be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Want {
    /// For which version of the peer's device list; 0: not sealed, as long as there is none.
    pub(crate) version: u64,
    /// Those above this number.
    pub(crate) above: u64,
    /// At most so many.
    pub(crate) limit: u32,
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    Messages(Vec<Outgoing>),
    /// None, for another version of the list is believed meanwhile.
    OtherList,
    /// None, for nobody could open them: no device of the list has a prekey.
    NoReader,
}

/// The messages above a number that are not final, in order, to be sent now: each as it was sent before, or sealed.
pub(crate) fn take(
    tx: &Transaction<'_>,
    keyring: &mut Keyring,
    me: &Me,
    scope: &Scope,
    want: Want,
    now: Timestamp,
) -> Result<Taken> {
    let Want { version, above, limit } = want;
    if version == 0 {
        return outbox::take_unsettled(tx, scope, above, limit).map(Taken::Messages);
    }
    let peer = keyring.person(tx, me, &scope.server, &scope.peer)?;
    if peer.list.is_some_and(|list| list.version != version) {
        return Ok(Taken::OtherList);
    }
    if readers(&peer, scope).next().is_none() {
        return Ok(Taken::NoReader);
    }
    let messages = outbox::unsettled(tx, scope, above, limit)?;
    let Some(last) = messages.last().map(|message| message.n) else {
        return Ok(Taken::Messages(messages));
    };
    let mut sealer = Sealer::new(tx, keyring, me, scope, &peer, now)?;
    if sealer.readers.is_empty() {
        return Ok(Taken::NoReader);
    }
    outbox::mark_sent(tx, scope, above, last)?;
    let sealed = messages.into_iter().map(|message| sealer.seal(tx, message));
    let sealed = sealed.collect::<Result<Vec<_>>>()?;
    sealer.keep(tx)?;
    Ok(Taken::Messages(sealed))
}

/// Whether what is written in a conversation may leave without being sealed, if the server says that its receiver has no
/// device list: not if they ever had one here, or their key was verified, nor as long as something waits that was sealed
/// for the owner who is trusted now, or that tells of a sealed file: whoever read that could open the file.
pub(crate) fn may_be_plain(tx: &Transaction<'_>, scope: &Scope) -> Result<bool> {
    let Scope { server, peer, .. } = scope;
    let had_list = devices::known_of_any_key(tx, server, peer)?.version > 0;
    if had_list || verified(tx, server, peer)?.is_some() {
        return Ok(false);
    }
    let none = "SELECT NOT EXISTS (SELECT 1 FROM sealed JOIN message ON message.id = sealed.message
                                   WHERE server = ?1 AND peer = ?2 AND sealed.n > 0)
                   AND NOT EXISTS (SELECT 1 FROM upload JOIN message ON message.id = upload.message
                                   WHERE upload.server = ?1 AND upload.peer = ?2 AND upload.seed IS NOT NULL
                                         AND message.state IN ('waiting', 'stored'))
                   AND NOT EXISTS (SELECT 1 FROM only_sealed JOIN message ON message.id = only_sealed.message
                                   WHERE server = ?1 AND peer = ?2)";
    tx.prepare_cached(none)?.query_row([server.as_str(), peer.as_str()], |row| row.get(0))
}

/// A message that was written when nothing was to leave unsealed waits until it can be sealed, whatever a later start says.
pub(crate) fn keep_sealed(tx: &Transaction<'_>, message: i64) -> Result<()> {
    tx.execute("INSERT INTO only_sealed VALUES (?)", [message]).map(drop)
}

/// The person who uses this client has those messages go, too.
pub(crate) fn release(tx: &Transaction<'_>, server: &Server) -> Result<()> {
    let of_server = "DELETE FROM only_sealed
                     WHERE message IN (SELECT id FROM message WHERE server = ?)";
    tx.execute(of_server, [server.as_str()]).map(drop)
}

/// What is not final yet of a server, or of somebody there, gets new envelopes when it is sent again: what they were
/// bound to is true no more.
pub(crate) fn void(tx: &Transaction<'_>, server: &Server, peer: Option<&Name>) -> Result<()> {
    let void = "UPDATE sealed SET n = 0 WHERE EXISTS (
                    SELECT 1 FROM message
                    WHERE id = sealed.message AND +server = ?1 AND (?2 IS NULL OR +peer = ?2))";
    tx.execute(void, params![server.as_str(), peer.map(Name::as_str)]).map(drop)
}

/// The devices of somebody that can be sealed for, but for this one.
fn readers<'a>(peer: &'a Person, scope: &Scope) -> impl Iterator<Item = &'a Device> {
    let own = scope.installation;
    peer.devices.iter().filter(move |device| device.installation != own)
}

/// What seals the messages of one transaction: sessions are read and written once.
struct Sealer<'a> {
    me: &'a Me,
    scope: &'a Scope,
    keys: Arc<Keys>,
    /// The one that is trusted for the peer.
    identity: PublicKey,
    /// One's own, and the peer's.
    lists: [Option<Known>; 2],
    /// What was opened of the peer.
    got: Vec<Got>,
    readers: Vec<Reader>,
    now: Timestamp,
}

/// A device that is sealed for.
struct Reader {
    device: Device,
    sending: Sending,
}

impl<'a> Sealer<'a> {
    fn new(
        tx: &Transaction<'_>,
        keyring: &mut Keyring,
        me: &'a Me,
        scope: &'a Scope,
        peer: &Person,
        now: Timestamp,
    ) -> Result<Self> {
        let Scope { server, installation, .. } = scope;
        let keys = keyring.account(tx, server, *installation, now)?;
        let own = keyring.person(tx, me, server, &me.name)?;
        let identity = peer.identity.ok_or(rusqlite::Error::InvalidQuery)?;
        let lists = [own.list, peer.list];
        let got = sessions::came(tx, server, &scope.peer)?;
        let none = Vec::new();
        let mut sealer = Self { me, scope, keys, identity, lists, got, readers: none, now };
        for device in readers(peer, scope) {
            let reader = sealer.reader(tx, *device)?;
            sealer.readers.extend(reader);
        }
        Ok(sealer)
    }

    /// None if nothing can be begun with its keys.
    fn reader(&self, tx: &Transaction<'_>, device: Device) -> Result<Option<Reader>> {
        let other = other(self.scope, &device);
        if let Some(sending) = Sending::of(tx, other, self.now)? {
            return Ok(Some(Reader { device, sending }));
        }
        let begun = Sending::begin(&self.keys.account, &device, self.now);
        let begun = begun.map_err(|error| log::warn!("device {}: {error}", device.installation));
        Ok(begun.ok().map(|sending| Reader { device, sending }))
    }

    fn seal(&mut self, tx: &Transaction<'_>, message: Outgoing) -> Result<Outgoing> {
        let number = (self.scope.installation.to_string(), message.n);
        let before = Sealed::kept(tx, message.id)?;
        let (key, payload) = match &before {
            Some(before) => (before.key.clone(), before.body.payload().clone()),
            None => Payload::seal(&self.content(&message)).map_err(unsealable)?,
        };
        let before = before.filter(|it| it.number == number);
        let kept = before.as_ref().map(|it| &it.body);
        let envelopes = self.envelopes(tx, (&key, &payload), kept, message.n)?;
        let body = Body::new(envelopes, payload).map_err(unsealable)?;
        let body = match &self.me.writer {
            Some(writer) => body.with_writer(writer.clone()),
            None => body,
        };
        let bytes = Bytes::from(body.encode());
        if kept != Some(&body) {
            Sealed { number, key, body }.keep(tx, message.id, &bytes)?;
        }
        Ok(Outgoing { kind: Kind::SEAL, body: bytes, ..message })
    }

    fn content(&self, message: &Outgoing) -> Content {
        Content {
            origin: message.origin,
            lists: self.lists,
            got: self.got.clone(),
            kind: message.kind.clone(),
            time: message.time,
            body: message.body.clone(),
        }
    }

    /// One for each device: that which it had, or a new one.
    fn envelopes(
        &mut self,
        tx: &Transaction<'_>,
        (key, payload): (&PayloadKey, &Payload),
        kept: Option<&Body>,
        n: u64,
    ) -> Result<Vec<Addressed>> {
        let (from, scope) = (self.sender(), self.scope);
        let mut envelopes = Vec::new();
        for reader in &mut self.readers {
            let Device { installation, curve, .. } = reader.device;
            if let Some(envelope) = kept.and_then(|body| body.envelope(installation)) {
                envelopes.push(envelope.clone());
                continue;
            }
            let to = End { name: &scope.peer, identity: self.identity, installation, curve };
            let context = Context { server: scope.server.key(), from, to, n };
            let envelope = Envelope::new(key.clone(), payload, &context);
            if reader.sending.is_worn(self.now) {
                reader.sending.keep(tx, other(scope, &reader.device))?;
                let begun = Sending::begin(&self.keys.account, &reader.device, self.now);
                reader.sending = begun.map_err(unsealable)?;
            }
            let message = reader.sending.seal(&envelope, self.now).map_err(unsealable)?;
            envelopes.push(Addressed::new(installation, &message));
        }
        Ok(envelopes)
    }

    fn sender(&self) -> End<'a> {
        let (installation, curve) = (self.scope.installation, self.keys.account.curve());
        End { name: &self.me.name, identity: self.me.identity, installation, curve }
    }

    /// Writes down the sessions in which something was sealed.
    fn keep(&self, tx: &Transaction<'_>) -> Result<()> {
        let keep = |it: &Reader| it.sending.keep(tx, other(self.scope, &it.device));
        self.readers.iter().try_for_each(keep)
    }
}

fn other<'a>(scope: &'a Scope, device: &Device) -> Other<'a> {
    let Scope { server, peer, .. } = scope;
    Other { server, peer, installation: device.installation }
}

/// A message as it was sealed.
struct Sealed {
    /// For which number the envelopes are.
    number: (String, u64),
    key: PayloadKey,
    body: Body,
}

impl Sealed {
    fn kept(tx: &Transaction<'_>, message: i64) -> Result<Option<Self>> {
        let query = "SELECT installation, n, key, body FROM sealed WHERE message = ?";
        tx.prepare_cached(query)?.query_row([message], Self::of_row).optional()
    }

    fn of_row(row: &rusqlite::Row<'_>) -> Result<Self> {
        let number = (row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned());
        let key = PayloadKey::from_bytes(row.get(2)?);
        let body = Body::decode(row.get::<_, Vec<u8>>(3)?.into()).map_err(unsealable)?;
        Ok(Self { number, key, body })
    }

    fn keep(&self, tx: &Transaction<'_>, message: i64, bytes: &[u8]) -> Result<()> {
        let (installation, n) = &self.number;
        let row = params![message, installation, n.cast_signed(), self.key.to_bytes(), bytes];
        tx.prepare_cached("INSERT OR REPLACE INTO sealed VALUES (?, ?, ?, ?, ?)")?.execute(row)?;
        // What was in the clear before stays marked as such.
        tx.prepare_cached("UPDATE message SET sealed = 1 WHERE id = ? AND sealed IS NULL")?
            .execute([message])
            .map(drop)
    }
}

/// No second payload is made for a message, and nothing is left out of a batch.
fn unsealable(error: impl Display) -> rusqlite::Error {
    log::error!("a message cannot be sealed: {error}");
    rusqlite::Error::InvalidQuery
}
