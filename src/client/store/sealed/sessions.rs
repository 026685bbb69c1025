//! Olm sessions with the devices of others, in each conversation its own.
//!
//! Owned by the [store](super::super): functions of a transaction. Invariants: a session that something was sealed in is
//! on the disk before the message leaves; none is used for sealing that was begun before the last start, for a copy of
//! this folder may have used its keys; and something is sealed in the session in which something was opened last.

use rusqlite::{OptionalExtension, Transaction, params};
use vodozemac::olm::OlmMessage;

use super::super::scope::Server;
use super::keyring::Device;
use crate::message::{Installation, Name, Timestamp};
use crate::seal::{Account, Envelope, Got, MAX_GOT, OlmError, Session};

type Result<T> = rusqlite::Result<T>;

/// The most sessions with a device. One more, and the one goes in which nothing was opened for the longest time.
const MOST: u32 = 6;

/// The most of them that were begun here and in which nothing was opened: each start may begin one, and those stay in
/// which something may still come.
const MOST_BEGUN: u32 = 3;

/// With how many data folders of somebody there are sessions. One more, and all with that one go of which nothing was
/// opened for the longest time: any number of folders may write.
const MOST_FOLDERS: u32 = 64;

/// How many messages are sealed in a session without an answer. A reader passes over some 2,000 that did not come.
const MOST_UNANSWERED: u64 = 1_000;

/// For how long it is done, in milliseconds.
const LONGEST_UNANSWERED: u64 = 7 * 24 * 60 * 60 * 1_000;

/// A device of somebody, in the conversation with them.
#[derive(Clone, Copy)]
pub(super) struct Other<'a> {
    pub(super) server: &'a Server,
    pub(super) peer: &'a Name,
    pub(super) installation: Installation,
}

/// A session in which something is sealed.
pub(super) struct Sending {
    session: Session,
    unanswered: u64,
    /// When the first of them was sealed.
    since: Timestamp,
    /// It is not on the disk as it is here.
    is_changed: bool,
}

impl Sending {
    /// The one in which something is to be sealed for a device; none if another one is to be begun.
    pub(super) fn of(
        tx: &Transaction<'_>,
        other: Other<'_>,
        now: Timestamp,
    ) -> Result<Option<Self>> {
        let query = "SELECT pickle, unanswered, since FROM session
                     WHERE server = ? AND peer = ? AND installation = ? AND sends = 1
                     ORDER BY taken DESC LIMIT 1";
        let row = |row: &rusqlite::Row<'_>| {
            let (unanswered, since) = (row.get::<_, i64>(1)?, row.get::<_, i64>(2)?);
            Ok((row.get(0)?, unanswered.cast_unsigned(), Timestamp(since.cast_unsigned())))
        };
        let key =
            params![other.server.as_str(), other.peer.as_str(), other.installation.to_string()];
        let found: Option<(String, u64, Timestamp)> =
            tx.prepare_cached(query)?.query_row(key, row).optional()?;
        let Some((pickle, unanswered, since)) = found else { return Ok(None) };
        let session = Session::read(&pickle).map_err(|error| log::error!("a session: {error}"));
        let sending =
            session.ok().map(|session| Self { session, unanswered, since, is_changed: false });
        Ok(sending.filter(|it| !it.is_worn(now)))
    }

    /// One with a device that nothing was sealed for yet.
    pub(super) fn begin(
        account: &Account,
        device: &Device,
        now: Timestamp,
    ) -> std::result::Result<Self, OlmError> {
        let session = Session::begin(account, device.curve, device.fallback)?;
        Ok(Self { session, unanswered: 0, since: now, is_changed: false })
    }

    /// Whether it is time to begin another one.
    pub(super) fn is_worn(&self, now: Timestamp) -> bool {
        let is_late = now.0.saturating_sub(self.since.0) >= LONGEST_UNANSWERED;
        self.unanswered >= MOST_UNANSWERED || self.unanswered > 0 && is_late
    }

    /// Encrypts an envelope. The session is to be [stored](Self::keep) before the message leaves.
    pub(super) fn seal(
        &mut self,
        envelope: &Envelope,
        now: Timestamp,
    ) -> std::result::Result<OlmMessage, OlmError> {
        let (behind, message) = self.session.seal(envelope)?;
        if self.unanswered == 0 {
            self.since = now;
        }
        self.session = behind;
        self.unanswered += 1;
        self.is_changed = true;
        Ok(message)
    }

    /// Stores it, if something was sealed in it.
    pub(super) fn keep(&self, tx: &Transaction<'_>, other: Other<'_>) -> Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let change = "unanswered = excluded.unanswered, since = excluded.since";
        put(tx, other, &self.session, (self.unanswered, self.since, 0), change)
    }
}

/// What the sessions with a device were written down as, the one first in which something was opened last; if a message
/// begins one, that one alone, if it is there.
pub(super) fn stored(
    tx: &Transaction<'_>,
    other: Other<'_>,
    begun: Option<&str>,
) -> Result<Vec<String>> {
    let mut query = tx.prepare_cached(
        "SELECT pickle FROM session
         WHERE server = ?1 AND peer = ?2 AND installation = ?3 AND (?4 IS NULL OR id = ?4)
         ORDER BY taken DESC LIMIT ?5",
    )?;
    let (server, peer) = (other.server.as_str(), other.peer.as_str());
    let key = params![server, peer, other.installation.to_string(), begun, MOST];
    query.query_map(key, |row| row.get(0))?.collect()
}

/// Something with this number was opened in a session; it may be a new one.
pub(super) fn opened(
    tx: &Transaction<'_>,
    other: Other<'_>,
    session: &Session,
    n: u64,
    now: Timestamp,
) -> Result<()> {
    let change = "taken = excluded.taken, unanswered = 0, came = max(came, excluded.came)";
    put(tx, other, session, (0, now, n), change)
}

/// What was opened of somebody: of each data folder the highest number, the one first of which something was opened last.
pub(super) fn came(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<Vec<Got>> {
    let mut query = tx.prepare_cached(
        "SELECT installation, max(came) FROM session WHERE server = ? AND peer = ? AND came > 0
         GROUP BY installation ORDER BY max(taken) DESC LIMIT ?",
    )?;
    let key = params![server.as_str(), peer.as_str(), MAX_GOT as u32];
    let rows = query.query_map(key, |row| {
        let (installation, n) = (row.get::<_, String>(0)?, row.get::<_, i64>(1)?);
        let installation = installation.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Got { installation, n: n.cast_unsigned() })
    })?;
    rows.collect()
}

/// What comes next for somebody is sealed in other sessions.
pub(crate) fn leave(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<()> {
    let leave = "UPDATE session SET sends = 0 WHERE server = ? AND peer = ? AND sends = 1";
    tx.execute(leave, [server.as_str(), peer.as_str()]).map(drop)
}

/// The same for everybody: this folder may be a copy.
pub(crate) fn leave_all(tx: &Transaction<'_>) -> Result<()> {
    tx.execute("UPDATE session SET sends = 0 WHERE sends = 1", ()).map(drop)
}

/// The rows of one server move to another, and it is known which installation goes on, but its account is where it was.
/// The sessions with that server stay if the account does with which they were begun.
pub(crate) fn join(tx: &Transaction<'_>, from: &Server, to: &Server) -> Result<()> {
    tx.execute("DELETE FROM session WHERE server = ?", [from.as_str()])?;
    let others = "DELETE FROM session WHERE server = ?1 AND NOT EXISTS (
                      SELECT 1 FROM account JOIN installation USING (server)
                      WHERE server = ?1 AND account.installation = installation.id)";
    tx.execute(others, [to.as_str()]).map(drop)
}

/// Writes a session; what changes beside its keys if it is there.
fn put(
    tx: &Transaction<'_>,
    other: Other<'_>,
    session: &Session,
    (unanswered, since, came): (u64, Timestamp, u64),
    change: &str,
) -> Result<()> {
    let Other { server, peer, installation } = other;
    let installation = installation.to_string();
    let pickle = session.write().map_err(|error| {
        log::error!("a session cannot be written: {error}");
        rusqlite::Error::InvalidQuery
    })?;
    let row = params![
        server.as_str(),
        peer.as_str(),
        installation,
        session.id(),
        pickle,
        unanswered.cast_signed(),
        since.0.cast_signed(),
        came.cast_signed(),
    ];
    tx.prepare_cached(&format!(
        "INSERT INTO session VALUES (?1, ?2, ?3, ?4, ?5, 1,
             (SELECT coalesce(max(taken), 0) + 1 FROM session
              WHERE server = ?1 AND peer = ?2), ?6, ?7, ?8)
         ON CONFLICT DO UPDATE SET pickle = excluded.pickle, {change}"
    ))?
    .execute(row)?;
    let key = params![server.as_str(), peer.as_str(), installation, MOST, MOST_BEGUN];
    tx.prepare_cached(SURPLUS)?.execute(key)?;
    let key = params![server.as_str(), peer.as_str(), MOST_FOLDERS];
    tx.prepare_cached(SURPLUS_FOLDERS)?.execute(key).map(drop)
}

/// Sessions with a data folder that are too many.
const SURPLUS: &str = "
    DELETE FROM session WHERE server = ?1 AND peer = ?2 AND installation = ?3
    AND (id NOT IN (SELECT id FROM session WHERE server = ?1 AND peer = ?2 AND installation = ?3
                    ORDER BY taken DESC LIMIT ?4)
         OR (came = 0
             AND id NOT IN (SELECT id FROM session
                            WHERE server = ?1 AND peer = ?2 AND installation = ?3 AND came = 0
                            ORDER BY taken DESC LIMIT ?5)))";

/// Sessions with too many data folders.
const SURPLUS_FOLDERS: &str = "
    DELETE FROM session WHERE server = ?1 AND peer = ?2
    AND installation NOT IN (SELECT installation FROM session WHERE server = ?1 AND peer = ?2
                             GROUP BY installation ORDER BY max(taken) DESC LIMIT ?3)";
