//! Own messages that came back, for their receiver did not take them.
//!
//! Each function is one step of a transaction of the [`store`](super). Invariant: a number under which something was
//! sent is never used again; a message that gets another one keeps its origin. What was sealed comes again in other
//! sessions.

use rusqlite::{OptionalExtension, Transaction, params};

use super::outbox;
use super::scope::{Scope, Server};
use super::sealed::sessions;
use crate::message::Name;

/// How often a message comes back until it rests. Then it is sent once after each start.
const MOST: u32 = outbox::MOST_BOUNCES;

/// How often until its next number seems to be another message's, too.
const CLASH: u32 = 2;

/// A message that is to be sent anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    /// Its new number.
    pub(crate) n: u64,
    /// How often it came back.
    pub(crate) times: u32,
    /// It is the first time that one came back to this peer under its second number.
    pub(crate) clashes: bool,
}

impl Again {
    /// Whether it rests until the next start.
    pub(crate) fn rests(self) -> bool {
        self.times >= MOST
    }
}

type Result<T> = rusqlite::Result<T>;

/// A message came back: it gets the next number and waits again. None if it was not sent from here, or has arrived all
/// the same. It can only be a clash if the peer has no other device list by now, for which it may have come back.
pub(crate) fn bounce(
    tx: &Transaction<'_>,
    scope: &Scope,
    n: u64,
    may_clash: bool,
) -> Result<Option<Again>> {
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
    sessions::leave(tx, &scope.server, &scope.peer)?;
    let clashes = may_clash && times == CLASH && !came_back_before(tx, scope)?;
    Ok(Some(Again { n: again, times, clashes }))
}

/// Somebody has another device list: what came back was sealed for one that is past, and is as if it had not.
pub(crate) fn forget(tx: &Transaction<'_>, server: &Server, peer: &Name) -> Result<()> {
    let forget = "UPDATE message SET bounces = 0
                  WHERE server = ? AND peer = ? AND own = 1 AND state IN ('waiting', 'stored')
                        AND bounces BETWEEN 1 AND ?";
    tx.execute(forget, params![server.as_str(), peer.as_str(), MOST - 1]).map(drop)
}

/// Whether something came back from this peer already in an installation that was given up. Whoever takes nothing must
/// not have new ones made again and again.
fn came_back_before(tx: &Transaction<'_>, scope: &Scope) -> Result<bool> {
    let before = "SELECT EXISTS (SELECT 1 FROM bounced
                  WHERE server = ? AND peer = ? AND installation <> ?)";
    let (server, peer) = (scope.server.as_str(), scope.peer.as_str());
    tx.query_row(before, [server, peer, &scope.installation.to_string()], |row| row.get(0))
}

/// What came back too often is sent once more, with the next number: others behind it were sent meanwhile. If it comes
/// back it rests again.
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
    let once = "UPDATE message SET bounces = ?1 - 1
                WHERE own = 1 AND state IN ('waiting', 'stored') AND bounces >= ?1";
    tx.execute(once, [MOST])?;
    forget_superfluous(tx)
}

/// Of the numbers with which something came back two kinds are needed: the highest of each installation, which was sent;
/// and the lowest of each message whose fate is open, which is not settled.
fn forget_superfluous(tx: &Transaction<'_>) -> Result<()> {
    tx.execute(
        "DELETE FROM bounced
         WHERE n < (SELECT max(n) FROM bounced AS last
                    WHERE last.server = bounced.server AND last.peer = bounced.peer
                          AND last.installation = bounced.installation)
               AND (EXISTS (SELECT 1 FROM bounced AS lower
                            WHERE lower.server = bounced.server AND lower.peer = bounced.peer
                                  AND lower.installation = bounced.installation
                                  AND lower.message = bounced.message AND lower.n < bounced.n)
                    OR NOT EXISTS (SELECT 1 FROM message
                                   WHERE id = bounced.message AND state IN ('waiting', 'stored')))",
        (),
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::outbox::{
        add, begin_anew, last_sent, receive_receipt, settled, take_unsettled,
    };
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
            let again = bounce(tx, &scope, 2, true)?;
            assert_eq!(again, Some(Again { n: 3, times: 1, clashes: false }));
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
            assert_eq!(bounce(tx, &scope, 3, true)?, None, "delivered is final");
            assert_eq!(bounce(tx, &scope, 2, true)?, None, "once");
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
                let again = bounce(tx, &scope, n, true)?;
                assert_eq!(again.map(Again::rests), Some(n == u64::from(MOST)));
            }
            assert_eq!(take_unsettled(tx, &scope, 0, 9)?, []);
            let last = u64::from(MOST) + 2;
            add(tx, &scope, Kind::TEXT, "and you?".into(), Timestamp(0), false)?;
            assert_eq!(take_unsettled(tx, &scope, 0, 9)?[0].n, last);
            let delivered = receive_receipt(tx, &scope, last, last)?.delivered;
            assert_eq!(delivered, [last], "not what rests");
            for start in 1..=100 {
                forgive(tx)?;
                let [again] = &take_unsettled(tx, &scope, last, 9)?[..] else { panic!("{start}") };
                assert!(again.n > last, "it goes on behind them");
                let again = bounce(tx, &scope, again.n, true)?.unwrap();
                assert!(again.rests() && !again.clashes, "once after each start");
            }
            assert_eq!(settled(tx, &scope)?, 0, "it is open under its first number");
            forgive(tx)?;
            let notes: i64 = tx.query_row("SELECT count(*) FROM bounced", (), |row| row.get(0))?;
            assert_eq!(notes, 2, "its first number and the last one");
            Ok(())
        });
    }

    #[test]
    fn who_takes_nothing_makes_one_new_installation_and_no_more() {
        run(&mut in_memory(), |tx| {
            let mut scope = scope();
            let mut clashes = 0;
            for _start in 1..=5 {
                forgive(tx)?;
                add(tx, &scope, Kind::TEXT, "hi".into(), Timestamp(0), false)?;
                while let Some(next) = take_unsettled(tx, &scope, 0, 1)?.first() {
                    if bounce(tx, &scope, next.n, true)?.unwrap().clashes {
                        clashes += 1;
                        scope.installation = begin_anew(tx, &scope.server, scope.installation)?;
                    }
                }
            }
            assert_eq!(clashes, 1);
            Ok(())
        });
    }
}
