//! Sealed messages that came are opened.
//!
//! Owned by the [store](super::super): functions of a transaction. Invariant: nothing is stored of a message, no session
//! either, unless all of it fits: whoever sent it, whoever opens it, its number, and what it is called.

use rusqlite::{Transaction, params};
use thiserror::Error;
use vodozemac::olm::OlmMessage;

use super::super::devices::{self, Former};
use super::super::scope::Server;
use super::keyring::{Keyring, Me, Person};
use super::sessions::{self, Other};
use crate::message::{Installation, Kind, Message, Name, Timestamp};
use crate::seal::{
    Account, Addressed, Body, BodyError, Content, Context, End, Got, OlmError, Opened, Session,
};
use crate::trust::devices::{Owner, SignedWriter};
use crate::trust::{CurveKey, PublicKey};

type Result<T> = rusqlite::Result<T>;

/// The data folder that opens, on a server.
pub(crate) struct Opener<'a> {
    pub(crate) keyring: &'a mut Keyring,
    pub(crate) me: &'a Me,
    pub(crate) server: &'a Server,
    pub(crate) installation: Installation,
    pub(crate) now: Timestamp,
}

/// What became of a sealed message.
#[derive(Debug)]
pub(crate) enum Opening {
    Opened(Content),
    /// Its sender's folder is in no list that is believed: the newest one has to be asked for.
    Unknown,
    Refused(Unopened),
}

/// Why a message is not opened.
#[derive(Debug, Error)]
pub(crate) enum Unopened {
    #[error("it says that it was sealed by this data folder")]
    Own,
    #[error("it is not sealed for this data folder")]
    Absent,
    #[error("the data folder that sealed it is no device of its person any more")]
    Gone,
    #[error("there is no session in which it could be opened")]
    Session,
    #[error("what is inside has another origin than the message")]
    Origin,
    #[error("what is inside is sealed again")]
    Kind,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Olm(#[from] OlmError),
}

type Attempt<T> = std::result::Result<T, Unopened>;

/// Opens a message of somebody, whose body is this one, and stores the session behind it.
pub(crate) fn open(
    tx: &Transaction<'_>,
    opener: Opener<'_>,
    peer: &Name,
    message: &Message,
    body: &Body,
) -> Result<Opening> {
    let Opener { keyring, me, server, installation, now } = opener;
    let sender = message.id.installation;
    let envelope = match envelope(body, sender, installation) {
        Ok(envelope) => envelope,
        Err(why) => return Ok(Opening::Refused(why)),
    };
    let person = keyring.person(tx, me, server, peer)?;
    let is_gone = person.gone.contains(&sender);
    let former = if is_gone { devices::former(tx, server, peer, sender)? } else { None };
    if is_gone && former.is_none() {
        return Ok(Opening::Refused(Unopened::Gone));
    }
    let keys = keys_of(&person, former, server, peer, sender, body.writer());
    let Some((identity, curve)) = keys else { return Ok(Opening::Unknown) };
    let keys = keyring.account(tx, server, installation, now)?;
    let from = End { name: peer, identity, installation: sender, curve };
    let (name, identity) = (&me.name, me.identity);
    let to = End { name, identity, installation, curve: keys.account.curve() };
    let context = Context { server: server.key(), from, to, n: message.id.n };
    let other = Other { server, peer, installation: sender };
    let opened = decrypt(tx, &keys.account, other, curve, envelope)?;
    let fitting = opened.and_then(|it| fit(it, body, &context, message));
    match fitting.and_then(|it| before_it_went(it, former)) {
        Ok((session, content)) => {
            sessions::opened(tx, other, &session, message.id.n, now)?;
            compare(tx, other, installation, &content.got)?;
            Ok(Opening::Opened(content))
        }
        Err(why) => Ok(Opening::Refused(why)),
    }
}

/// Says in the log where a device has opened less of what was written here than the server called delivered. That is no
/// proof: another device may have opened it, this one may have been restored since, or this may have been written before.
fn compare(
    tx: &Transaction<'_>,
    other: Other<'_>,
    installation: Installation,
    got: &[Got],
) -> Result<()> {
    let got = got.iter().find(|it| it.installation == installation);
    let Some(n) = got.map(|it| it.n).filter(|_| log::log_enabled!(log::Level::Debug)) else {
        return Ok(());
    };
    let query = "SELECT max(n) FROM message WHERE server = ? AND peer = ? AND own = 1
                 AND installation = ? AND n > ? AND state = 'delivered'";
    let (server, peer) = (other.server.as_str(), other.peer.as_str());
    let key = params![server, peer, installation.to_string(), n.cast_signed()];
    if let Some(told) = tx.query_row(query, key, |row| row.get::<_, Option<i64>>(0))? {
        log::debug!("{peer} has opened message {n} last, and message {told} was delivered");
    }
    Ok(())
}

/// The envelope for this folder, if it is another's.
fn envelope(body: &Body, from: Installation, to: Installation) -> Attempt<&Addressed> {
    if from == to {
        return Err(Unopened::Own);
    }
    body.envelope(to).ok_or(Unopened::Absent)
}

/// The sender's identity, and the key for sealing of the data folder: from the list that is believed, or from what the
/// identity has signed of a folder that stands in no list. None if either is not known.
fn keys_of(
    person: &Person,
    former: Option<Former>,
    server: &Server,
    name: &Name,
    sender: Installation,
    writer: Option<&SignedWriter>,
) -> Option<(PublicKey, CurveKey)> {
    let identity = person.identity?;
    let listed = person.device(sender).map(|device| device.curve);
    if let Some(curve) = listed.or(former.map(|it| it.curve)) {
        return Some((identity, curve));
    }
    // Of a device that has no prekey yet no statement is heeded either.
    let writer = writer.filter(|_| !person.lacking.contains(&sender));
    let owner = Owner { server: server.key(), name: name.clone(), identity };
    let curve = writer.and_then(|it| it.curve_of(&owner, sender));
    curve.map(|curve| (identity, curve))
}

/// What a device that is gone has sealed while it was none yet: it knew no list as new as the one that calls it so.
fn before_it_went(
    (session, content): (Session, Content),
    former: Option<Former>,
) -> Attempt<(Session, Content)> {
    let knew = content.lists[0].map_or(0, |list| list.version);
    let is_late = former.is_some_and(|it| knew >= it.went);
    if is_late { Err(Unopened::Gone) } else { Ok((session, content)) }
}

/// Decrypts an envelope: one that begins a session in the session that is called so, or in a new one.
fn decrypt(
    tx: &Transaction<'_>,
    account: &Account,
    other: Other<'_>,
    curve: CurveKey,
    envelope: &Addressed,
) -> Result<Attempt<Opened>> {
    let message = match envelope.message() {
        Ok(message) => message,
        Err(error) => return Ok(Err(error.into())),
    };
    let begun = match &message {
        OlmMessage::PreKey(first) => Some(first.session_id()),
        OlmMessage::Normal(_) => None,
    };
    let stored = sessions::stored(tx, other, begun.as_deref())?;
    Ok(match &message {
        OlmMessage::PreKey(first) if stored.is_empty() => {
            Session::receive(account, curve, first).map_err(Unopened::from)
        }
        _ => open_in(&stored, &message),
    })
}

/// Decrypts a message in the first session that does.
fn open_in(stored: &[String], message: &OlmMessage) -> Attempt<Opened> {
    let mut why = Unopened::Session;
    for pickle in stored {
        match Session::read(pickle).and_then(|session| session.open(message)) {
            Ok(opened) => return Ok(opened),
            Err(error) => why = error.into(),
        }
    }
    Err(why)
}

/// The session behind what was decrypted, and what is inside, if all of it fits.
fn fit(
    opened: Opened,
    body: &Body,
    context: &Context<'_>,
    message: &Message,
) -> Attempt<(Session, Content)> {
    let (session, content) = opened.content(body.payload(), context)?;
    if content.origin != message.origin {
        return Err(Unopened::Origin);
    }
    if content.kind == Kind::SEAL {
        return Err(Unopened::Kind);
    }
    Ok((session, content))
}
