//! The keys of one's contacts, read: the one that is trusted, and another one that the server has shown.
//!
//! Each function is one step of a transaction of the [`store`](super). What is written is a matter of
//! [contacts](super::contacts).

use std::str::FromStr;

use rusqlite::{OptionalExtension, Transaction};

use super::scope::Server;
use crate::message::Name;
use crate::trust::{Fingerprint, PublicKey, PublicKeyError};

type Result<T> = rusqlite::Result<T>;

/// What is offered if nobody has the name any more.
pub(super) const NOBODY: &str = "-";

/// What the server has shown instead of the trusted key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// Another one.
    Key(PublicKey),
    /// None: nobody has the name any more.
    Nobody,
}

impl FromStr for Offer {
    type Err = PublicKeyError;

    fn from_str(word: &str) -> std::result::Result<Self, PublicKeyError> {
        if word == NOBODY { Ok(Self::Nobody) } else { word.parse().map(Self::Key) }
    }
}

/// The trusted key.
pub(crate) fn trusted(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> Result<Option<PublicKey>> {
    read(tx, "SELECT key FROM contact WHERE server = ? AND peer = ?", server, peer)
}

/// The fingerprint that the key has to have, if the person who uses this client has made sure of it.
pub(crate) fn verified(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> Result<Option<Fingerprint>> {
    read(tx, "SELECT key FROM verified WHERE server = ? AND peer = ?", server, peer)
}

/// What the server showed last that is not trusted.
pub(super) fn offer(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<Option<Offer>> {
    read(tx, "SELECT offered FROM contact WHERE server = ? AND peer = ?", server, peer)
}

fn read<T: FromStr>(
    tx: &Transaction<'_>,
    query: &str,
    server: &Server,
    peer: &Name,
) -> Result<Option<T>> {
    let mut query = tx.prepare_cached(query)?;
    let key = [server.as_str(), peer.as_str()];
    let word: Option<Option<String>> = query.query_row(key, |row| row.get(0)).optional()?;
    // A malformed one counts as none; the next answer of the server replaces it.
    Ok(word.flatten().and_then(|word| word.parse().ok()))
}
