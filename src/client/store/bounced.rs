//! Own messages that came back, for their receiver did not take them.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: a number under which something was
//! sent is never used again; a message that gets another one keeps its origin.

use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox;
use super::scope::Scope;
/// How often a message is sent anew, until the next start of a client.
const MOST: u32 = outbox::MOST_BOUNCES;

/// A message that is to be sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// Its new number.
    pub(crate) n: u64,
    /// How often it came back since the last start.
    pub(crate) times: u32,
}

impl Again {
    /// Whether it rests until the next start.
    pub(crate) fn rests(self) -> bool {
        self.times >= MOST
    }
}

type Result<T> = rusqlite::Result<T>;

/// A message came back: it gets the next number and waits again. None if it was not sent from here, or has arrived all
/// the same.
pub(crate) fn bounce(tx: &Transaction<'_>, scope: &Scope, n: u64) -> Result<Option<Again>> {
    let again = outbox::last_number(tx, scope)? + 1;
    let mut update = tx.prepare_cached(
        "UPDATE message SET n = ?5, state = 'waiting', sent = 0, bounces = bounces + 1
         WHERE server = ?1 AND peer = ?2 AND own = 1 AND installation = ?3 AND n = ?4
               AND sent = 1 AND state IN ('waiting', 'stored')
         RETURNING id, bounces",
    )?;
    let (server, peer) = (scope.server.as_str(), scope.peer.as_str());
    let installation = scope.installation.to_string();
    let (old, new) = (n.cast_signed(), again.cast_signed());
    let moved = update
        .query_row(params![server, peer, installation, old, new], |row| {
            Ok((row.get::<_, i64>(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((message, times)) = moved else { return Ok(None) };
    let note = "INSERT INTO bounced VALUES (?, ?, ?, ?, ?)";
    tx.execute(note, params![server, peer, installation, old, message])?;
    Ok(Some(Again { n: again, times }))
}

/// What came back too often is sent once more, with the next number: others behind it were sent meanwhile.
pub(crate) fn forgive(tx: &Transaction<'_>) -> Result<()> {
    tx.execute(
        "UPDATE message SET n = fresh.n
         FROM (SELECT id, row_number() OVER (PARTITION BY server, peer, installation ORDER BY n) +
                          (SELECT max(n) FROM message AS last
                           WHERE last.server = message.server AND last.peer = message.peer
                                 AND last.own = 1 AND last.installation = message.installation) AS n
               FROM message
               WHERE own = 1 AND state IN ('waiting', 'stored') AND bounces >= ?) AS fresh
         WHERE message.id = fresh.id",
        [MOST],
    )?;
    let all = "UPDATE message SET bounces = 0
               WHERE own = 1 AND state IN ('waiting', 'stored') AND bounces > 0";
    tx.execute(all, ()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::outbox::{add, last_sent, receive_receipt, settled, take_unsettled};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::message::{Installation, Kind, Timestamp};

    fn scope() -> Scope {
        Scope {
            server: "localhost".parse().unwrap(),
            peer: "marie".parse().unwrap(),
            installation: Installation::from_u64(1),
        }
    }

    #[test]
    fn what_comes_back_is_sent_again_under_another_number_with_its_origin() {
        run(&mut in_memory(), |tx| {
            let scope = scope();
            for text in ["one", "two"] {
                add(tx, &scope, Kind::TEXT, text.into(), Timestamp(0), false)?;
            }
            let first = take_unsettled(tx, &scope, 0, 9)?;
            receive_receipt(tx, &scope, 2, 0)?;
            let again = bounce(tx, &scope, 2)?;
            assert_eq!(again, Some(Again { n: 3, times: 1 }));
            assert_eq!(last_sent(tx, &scope)?, 2, "the server has that number");
            receive_receipt(tx, &scope, 2, 1)?;
            assert_eq!(settled(tx, &scope)?, 1, "of the second one nothing is known yet");
            let second = take_unsettled(tx, &scope, 2, 9)?;
            let [message] = &second[..] else { panic!("{second:?}") };
            assert_eq!((message.n, message.origin), (3, first[1].origin));
            receive_receipt(tx, &scope, 3, 0)?;
            assert_eq!(settled(tx, &scope)?, 1);
            receive_receipt(tx, &scope, 3, 3)?;
            assert_eq!(settled(tx, &scope)?, 3);
            assert_eq!(bounce(tx, &scope, 3)?, None, "delivered is final");
            assert_eq!(bounce(tx, &scope, 2)?, None, "once");
            Ok(())
        });
    }

    #[test]
    fn what_comes_back_again_and_again_rests_until_the_next_start() {
        run(&mut in_memory(), |tx| {
            let scope = scope();
            add(tx, &scope, Kind::TEXT, "hi".into(), Timestamp(0), false)?;
            for n in 1..=u64::from(MOST) {
                assert_eq!(take_unsettled(tx, &scope, 0, 9)?.len(), 1, "{n}");
                let again = bounce(tx, &scope, n)?;
                assert_eq!(again.map(Again::rests), Some(n == u64::from(MOST)));
            }
            assert_eq!(take_unsettled(tx, &scope, 0, 9)?, []);
            let last = u64::from(MOST) + 2;
            add(tx, &scope, Kind::TEXT, "and you?".into(), Timestamp(0), false)?;
            assert_eq!(take_unsettled(tx, &scope, 0, 9)?[0].n, last);
            let delivered = receive_receipt(tx, &scope, last, last)?.delivered;
            assert_eq!(delivered, [last], "not what rests");
            forgive(tx)?;
            assert_eq!(take_unsettled(tx, &scope, last, 9)?.len(), 1, "it goes on behind them");
            Ok(())
        });
    }
}
