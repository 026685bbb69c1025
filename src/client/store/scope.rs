//! Which rows are meant: those of a server, of a conversation, of an installation.
//!
//! Owned by nobody: plain data, and how it is read from a row.

use std::collections::BTreeMap;

use rusqlite::Transaction;
use ssh_key::rand_core::{OsRng, RngCore};

use crate::client::config::Address;
use crate::message::{Installation, Name, Origin};
use crate::trust::Fingerprint;

type Result<T> = rusqlite::Result<T>;

/// What stands in the column `server`: a fingerprint, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server(pub(super) String);

impl Server {
    /// One that is its address.
    pub(crate) fn at(address: &Address) -> Self {
        Self(address.as_str().into())
    }

    /// One that is its key.
    pub(crate) fn of(key: Fingerprint) -> Self {
        Self(key.to_string())
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Its key; none if it is its address.
    pub(crate) fn key(&self) -> Option<Fingerprint> {
        self.0.parse().ok()
    }
}

#[cfg(test)]
impl std::str::FromStr for Server {
    type Err = crate::client::config::AddressError;

    fn from_str(text: &str) -> std::result::Result<Self, Self::Err> {
        Ok(Self::at(&text.parse()?))
    }
}

/// The conversation whose messages are meant, numbered in one installation.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) server: Server,
    pub(crate) peer: Name,
    pub(crate) installation: Installation,
}

/// One that nobody has had before.
pub(super) fn new_installation() -> Installation {
    Installation::from_u64(OsRng.next_u64())
}

/// One that no message has had before.
pub(super) fn new_origin() -> Origin {
    let mut bytes = [0; 16];
    OsRng.fill_bytes(&mut bytes);
    Origin::from_bytes(bytes)
}

/// A number of a conversation, by a query for server, peer and installation.
pub(super) fn number(tx: &Transaction<'_>, scope: &Scope, query: &str) -> Result<u64> {
    let key = [scope.server.as_str(), scope.peer.as_str(), &scope.installation.to_string()];
    let number: i64 = tx.prepare_cached(query)?.query_row(key, |row| row.get(0))?;
    Ok(number.cast_unsigned())
}

/// A row of these two.
pub(super) fn peer_and_count(row: &rusqlite::Row<'_>) -> Result<(Name, u64)> {
    let peer: String = row.get(0)?;
    let count: i64 = row.get(1)?;
    Ok((peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?, count.cast_unsigned()))
}

/// All such rows.
pub(super) fn counts(
    rows: impl Iterator<Item = Result<(Name, u64)>>,
) -> Result<BTreeMap<Name, u64>> {
    rows.collect()
}
