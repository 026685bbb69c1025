//! Own messages that are longer than a server takes: written before it was known how much that is.
//!
//! A step of a transaction of the [`store`](super). Invariant: nothing is sent that stands behind one.

use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox;
use super::scope::Scope;

/// The first message above a number that is not final and longer than so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong {
    pub(crate) n: u64,
    pub(crate) length: u64,
    /// How many are to be sent before it.
    pub(crate) before: u32,
}

/// Looks for it.
pub(crate) fn first(
    tx: &Transaction<'_>,
    scope: &Scope,
    above: u64,
    longest: usize,
) -> rusqlite::Result<Option<TooLong>> {
    let mut query = tx.prepare_cached(
        "SELECT n, length, row FROM
             (SELECT n, length(body) AS length, row_number() OVER (ORDER BY n) - 1 AS row FROM message
              WHERE server = ? AND peer = ? AND own = 1 AND installation = ? AND n > ?
                    AND state IN ('waiting', 'stored') AND bounces < ?)
         WHERE length > ? ORDER BY n LIMIT 1",
    )?;
    let scope = params![
        scope.server.as_str(),
        scope.peer.as_str(),
        scope.installation.to_string(),
        above.cast_signed(),
        outbox::MOST_BOUNCES,
        i64::try_from(longest).unwrap_or(i64::MAX),
    ];
    let found = query.query_row(scope, |row| {
        let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, i64>(column)?.cast_unsigned());
        Ok(TooLong { n: number(0)?, length: number(1)?, before: row.get(2)? })
    });
    found.optional()
}
