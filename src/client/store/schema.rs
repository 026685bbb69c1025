//! The schema of the client's database, and the migrations of older ones.
//!
//! Owned by the `database`. A person's own archive should open in `sqlite3`: one table holds the whole transcript, and
//! counters, marks and receipts are all derived from it. Invariant: a new database begins with the oldest layout and
//! goes through the same migrations as an old one, so that there is one layout, whatever a store has been through.

use rusqlite::{Connection, Transaction};

use super::{merge, payload, search, servers, stock};
use crate::trust::Fingerprint;

type Result<T> = rusqlite::Result<T>;

/// Addresses of servers, each with a key that the server there may show.
type Known = [(String, Fingerprint)];

/// Brings a database from one layout to the next.
type Step = fn(&Transaction<'_>, &Known) -> Result<()>;

/// The oldest layout that can be brought up to date.
pub(super) const OLDEST: i64 = 5;

/// The migrations from each layout to the next, from [`OLDEST`] on. Released ones are never changed.
const STEPS: [Step; 5] = [to_6, to_7, to_8, to_9, to_10];

/// The `user_version` of today's layout.
pub(super) const NEWEST: i64 = OLDEST + STEPS.len() as i64;

/// Layout 5.
const LAYOUT: &str = "
    -- Whose folder this is.
    CREATE TABLE person (name TEXT NOT NULL) STRICT;

    -- The installation that new messages are numbered in. Each server, and each spelling of its
    -- address, has one of its own: none knows what was numbered for another.
    CREATE TABLE installation (server TEXT PRIMARY KEY, id TEXT NOT NULL) STRICT;

    -- Every message, own ones and others', in the order in which they were written or came.
    CREATE TABLE message (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        own INTEGER NOT NULL CHECK (own IN (0, 1)),
        -- The sender's message id.
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        -- Milliseconds since 1970: when an own one was written, when another's reached the server.
        time INTEGER NOT NULL,
        kind TEXT NOT NULL,
        body BLOB NOT NULL,
        -- Own: waiting, stored, delivered, expired. Others': received, shown.
        state TEXT NOT NULL
            CHECK (state IN ('waiting', 'stored', 'delivered', 'expired', 'received', 'shown')),
        -- Own: it may have been sent with this id. Told from numbers that a server knows and that
        -- were never sent from here, a folder learns that it is a copy.
        sent INTEGER NOT NULL DEFAULT 0 CHECK (sent IN (0, 1)),
        UNIQUE (server, peer, own, installation, n)
    ) STRICT;

    -- The keys with which a server knew those whom one talked to.
    CREATE TABLE contact (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- The base64 word of an OpenSSH public key line: the one that is trusted, and another one that
        -- the server has for the name since.
        key TEXT NOT NULL,
        offered TEXT,
        -- Milliseconds since 1970.
        since INTEGER NOT NULL,
        PRIMARY KEY (server, peer)
    ) STRICT;

    -- What people say to have seen of what was written to them in an installation.
    CREATE TABLE seen (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        PRIMARY KEY (server, peer, installation)
    ) STRICT;

    -- What was written for somebody beside the face, by a word that each makes up: who asks again, of another
    -- owner of this folder, is not written twice.
    CREATE TABLE asked (token TEXT PRIMARY KEY, message INTEGER NOT NULL) STRICT;

    -- Own files on their way to the server. What is there is in a message from then on.
    CREATE TABLE upload (
        id INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- Where it lies: the bytes of a path.
        path BLOB NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,
        size INTEGER NOT NULL,
        -- When it was last written, in nanoseconds since 1970: what is sent has to be what was meant.
        modified INTEGER NOT NULL,
        caption TEXT,
        -- What somebody beside the face made up for it.
        token TEXT UNIQUE,
        -- What the server calls it, once it does.
        blob TEXT,
        state TEXT NOT NULL CHECK (state IN ('going', 'sent', 'failed', 'cancelled')),
        -- Why it failed.
        why TEXT,
        -- The message that tells of it, once it is sent.
        message INTEGER
    ) STRICT;

    -- Files that others tell of in their messages.
    CREATE TABLE file (
        message INTEGER PRIMARY KEY,
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- What one calls it by, from 1 in each conversation.
        number INTEGER NOT NULL,
        state TEXT NOT NULL
            CHECK (state IN ('offered', 'coming', 'here', 'failed', 'cancelled', 'gone')),
        why TEXT,
        -- The server knows that it need not keep it.
        dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1)),
        UNIQUE (server, peer, number)
    ) STRICT;

    CREATE INDEX going ON upload (server, id) WHERE state = 'going';
    CREATE INDEX carried ON file (server, message) WHERE state = 'coming' OR dropped = 0;
    CREATE INDEX unsettled ON message (server, peer, installation, n)
        WHERE state IN ('waiting', 'stored');
    CREATE INDEX unshown ON message (server, peer, id) WHERE state = 'received';
    CREATE INDEX conversation ON message (server, peer, id);
";

/// What layout 10 adds.
const SEALING: &str = "
    -- When another's sealed one was written, by its writer's clock, if that is not when it came. Milliseconds since 1970.
    ALTER TABLE message ADD COLUMN written INTEGER;

    -- An Olm account for each server and installation, as JSON; and the number and the time of its prekey.
    CREATE TABLE account (
        server TEXT NOT NULL,
        installation TEXT NOT NULL,
        pickle TEXT NOT NULL,
        number INTEGER NOT NULL,
        -- Milliseconds since 1970.
        time INTEGER NOT NULL,
        -- What the owner has signed of a folder that stands in no list.
        writer BLOB,
        -- Since when the clock is behind that time, by itself: one of both is wrong. Milliseconds since 1970.
        behind INTEGER,
        -- The server has had a list in which this folder stands.
        listed INTEGER NOT NULL DEFAULT 0 CHECK (listed IN (0, 1)),
        PRIMARY KEY (server, installation)
    ) STRICT;

    -- The keys for life of devices of others, in lists that were believed: also of those that are gone.
    CREATE TABLE device (
        server TEXT NOT NULL,
        name TEXT NOT NULL,
        installation TEXT NOT NULL,
        curve BLOB NOT NULL,
        -- The first version that was believed and calls it gone.
        went INTEGER,
        -- All that waited then has come.
        drained INTEGER NOT NULL DEFAULT 0 CHECK (drained IN (0, 1)),
        PRIMARY KEY (server, name, installation)
    ) STRICT;

    -- Olm sessions with devices of others, of each conversation its own.
    CREATE TABLE session (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        -- The peer's device.
        installation TEXT NOT NULL,
        -- What both ends call it.
        id TEXT NOT NULL,
        -- As JSON.
        pickle TEXT NOT NULL,
        -- It was begun since the last start, so no copy of this folder has used its keys.
        sends INTEGER NOT NULL CHECK (sends IN (0, 1)),
        -- Ascends in the conversation: the one that has the highest was begun last, or something was opened in it since.
        taken INTEGER NOT NULL,
        -- How many messages were sealed in it since something was opened in it, and when the first of them was.
        -- Milliseconds since 1970.
        unanswered INTEGER NOT NULL,
        since INTEGER NOT NULL,
        -- The highest number of what was opened in it; 0 if nothing was.
        came INTEGER NOT NULL,
        PRIMARY KEY (server, peer, installation, id)
    ) STRICT;

    -- Own messages as they were sealed, until their fate is final.
    CREATE TABLE sealed (
        message INTEGER PRIMARY KEY,
        -- For which number the envelopes are; 0: they are to be made anew.
        installation TEXT NOT NULL,
        n INTEGER NOT NULL,
        -- What the payload was sealed with.
        key BLOB NOT NULL,
        -- The payload and the envelopes.
        body BLOB NOT NULL
    ) STRICT;

    -- Own messages that were written when nothing was to leave unsealed, until their fate is final.
    CREATE TABLE only_sealed (message INTEGER PRIMARY KEY) STRICT;

    -- The hashes of the payloads in which messages of others came.
    CREATE TABLE opened (
        payload BLOB PRIMARY KEY, message INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    -- How many of somebody's messages may still come in the clear, if they have a device list. There is a row from the
    -- first time on that the conversation was opened behind the server's list with this folder in it.
    CREATE TABLE drain (
        server TEXT NOT NULL, peer TEXT NOT NULL, waits INTEGER NOT NULL, PRIMARY KEY (server, peer)
    ) STRICT, WITHOUT ROWID;

    -- Of whom something sealed was opened: what comes of them in the clear from then on is not theirs.
    CREATE TABLE sealer (
        server TEXT NOT NULL, peer TEXT NOT NULL, PRIMARY KEY (server, peer)
    ) STRICT, WITHOUT ROWID;

    CREATE TRIGGER final AFTER UPDATE OF state ON message
        WHEN new.state IN ('delivered', 'expired')
    BEGIN
        DELETE FROM sealed WHERE message = new.id;
        DELETE FROM only_sealed WHERE message = new.id;
    END;

    CREATE TRIGGER dropped AFTER DELETE ON message
    BEGIN
        DELETE FROM sealed WHERE message = old.id;
        DELETE FROM only_sealed WHERE message = old.id;
    END;

    -- What the file of an upload is sealed with, and the hash of it that belongs to that: both or neither.
    ALTER TABLE upload ADD COLUMN seed BLOB;
    ALTER TABLE upload ADD COLUMN hash BLOB;

    -- The contacts whose keys the person has made sure of, with the fingerprint that each key has to have, as SHA256:
    -- and base64. As long as that was never seen, the contact has an empty one.
    CREATE TABLE verified (
        server TEXT NOT NULL,
        peer TEXT NOT NULL,
        key TEXT NOT NULL,
        PRIMARY KEY (server, peer)
    ) STRICT;

    -- 1: whenever it left its sender it was sealed. 0: it was in the clear once, and this stays. NULL: it has not left.
    ALTER TABLE message ADD COLUMN sealed INTEGER CHECK (sealed IN (0, 1));

    -- Nothing was sealed before. What waits may have left with another number.
    UPDATE message SET sealed = 0;
";

/// Which layout a database has; 0 if it was never laid out.
pub(crate) fn version(connection: &Connection) -> Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Lays out an empty database.
pub(crate) fn lay_out(tx: &Transaction<'_>) -> Result<()> {
    tx.execute_batch(LAYOUT)?;
    tx.execute_batch(search::LAYOUT)?;
    tx.pragma_update(None, "user_version", OLDEST)?;
    bring_up_to_date(tx, &[])
}

/// Runs all migrations that a database has not had.
pub(super) fn bring_up_to_date(tx: &Transaction<'_>, known: &Known) -> Result<()> {
    take(tx, known, &STEPS)
}

fn take(tx: &Transaction<'_>, known: &Known, steps: &[Step]) -> Result<()> {
    let found = version(tx)?;
    for (from, step) in (OLDEST..).zip(steps).filter(|(from, _)| *from >= found) {
        step(tx, known)?;
        tx.pragma_update(None, "user_version", from + 1)?;
    }
    Ok(())
}

/// Rows belong to a server, which is its key, and no longer to an address.
fn to_6(tx: &Transaction<'_>, known: &Known) -> Result<()> {
    tx.execute_batch(
        "-- The server that was met at an address, by its key.
         CREATE TABLE address (address TEXT PRIMARY KEY, server TEXT NOT NULL) STRICT;

         -- Installations in which nothing new is numbered, and of which something is not final.
         CREATE TABLE former (
             server TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (server, id)
         ) STRICT;",
    )?;
    servers::adopt(tx, known)
}

/// Records for each file that others announce how much it counts.
fn to_7(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- How many bytes it has, as its sender tells.
         ALTER TABLE file ADD COLUMN size INTEGER NOT NULL DEFAULT 0;

         -- It came by itself, and counts until its person frees it.
         ALTER TABLE file ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0 CHECK (unasked IN (0, 1));

         CREATE INDEX unasked ON file (server, peer, state, size, unasked) WHERE unasked = 1;",
    )?;
    stock::measure(tx)
}

/// Gives each message an origin, by which it is known under whatever number it comes, and lets it come back. What was
/// asked for under a former installation is sent anew.
fn to_8(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- What it is called for life, and the hash of what it says.
         ALTER TABLE message ADD COLUMN origin BLOB NOT NULL DEFAULT x'';
         ALTER TABLE message ADD COLUMN hash BLOB NOT NULL DEFAULT x'';

         -- How often an own one came back since the last start.
         ALTER TABLE message ADD COLUMN bounces INTEGER NOT NULL DEFAULT 0;

         -- Numbers with which something was sent that came back and has another one now.
         CREATE TABLE bounced (
             server TEXT NOT NULL,
             peer TEXT NOT NULL,
             installation TEXT NOT NULL,
             n INTEGER NOT NULL,
             message INTEGER NOT NULL,
             PRIMARY KEY (server, peer, installation, n)
         ) STRICT;

         CREATE INDEX received ON message (origin) WHERE own = 0;",
    )?;
    payload::measure(tx)?;
    merge::leave_formers(tx)?;
    tx.execute_batch("DROP TABLE former")
}

/// Keeps the lists of devices that are believed. Has what comes looked up by its hash, too: whoever writes chooses the
/// origin, and may choose the same for all.
fn to_9(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(
        "-- The newest list of devices that is believed of each name, also of one's own; and another one that the server
         -- shows for it.
         CREATE TABLE devices (
             server TEXT NOT NULL,
             name TEXT NOT NULL,
             offered INTEGER NOT NULL CHECK (offered IN (0, 1)),
             -- 0: none. Then there is no hash, and the statement is empty.
             version INTEGER NOT NULL,
             -- Of its text, as SHA256: and base64.
             hash TEXT NOT NULL,
             -- The text and its signature.
             statement BLOB NOT NULL,
             PRIMARY KEY (server, name, offered)
         ) STRICT;

         DROP INDEX received;
         CREATE INDEX received ON message (origin, hash) WHERE own = 0;",
    )
}

/// Keeps what messages are sealed and opened with.
fn to_10(tx: &Transaction<'_>, _: &Known) -> Result<()> {
    tx.execute_batch(SEALING)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
