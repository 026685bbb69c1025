//! Which messages were in the clear.
//!
//! A step of a transaction of the [`store`](super). Invariant: a message that was in the clear once stays marked as such;
//! sealing it later does not take that back.

use rusqlite::Transaction;

type Result<T> = rusqlite::Result<T>;

/// These messages are about to leave in the clear, or came so.
pub(super) fn note(tx: &Transaction<'_>, ids: impl IntoIterator<Item = i64>) -> Result<()> {
    let mut note =
        tx.prepare_cached("UPDATE message SET sealed = 0 WHERE id = ? AND sealed IS NOT 0")?;
    for id in ids {
        note.execute([id])?;
    }
    Ok(())
}

/// Of messages that came through two servers, of which one is the other by now, both are marked if one is.
pub(super) fn share(tx: &Transaction<'_>, servers: [&str; 2]) -> Result<()> {
    tx.execute(
        "UPDATE message SET sealed = other.sealed
         FROM message AS other
         WHERE message.server IN (?1, ?2) AND other.server IN (?1, ?2)
               AND other.server <> message.server AND other.peer = message.peer
               AND other.own = message.own AND other.installation = message.installation
               AND other.n = message.n
               AND (message.sealed IS NULL OR other.sealed < message.sealed)",
        servers,
    )
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::outbox::{add, begin_anew, take_unsettled};
    use super::super::scope::Scope;
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

    fn sealed(tx: &Transaction<'_>) -> Result<Vec<Option<bool>>> {
        let mut query = tx.prepare("SELECT sealed FROM message ORDER BY id")?;
        query.query_map((), |row| row.get(0))?.collect()
    }

    #[test]
    fn what_is_handed_out_in_the_clear_is_marked_for_ever() {
        run(&mut in_memory(), |tx| {
            let scope = scope();
            for text in ["one", "two", "three"] {
                add(tx, &scope, Kind::TEXT, text.into(), Timestamp(0), text == "three")?;
            }
            assert_eq!(sealed(tx)?, [None; 3], "it has not left");
            take_unsettled(tx, &scope, 0, 2)?;
            assert_eq!(sealed(tx)?, [Some(false), Some(false), None]);
            begin_anew(tx, &scope.server, scope.installation)?;
            assert_eq!(sealed(tx)?, [Some(false), Some(false), None], "with another number, too");
            Ok(())
        });
    }

    #[test]
    fn of_a_message_that_came_twice_both_are_marked() {
        run(&mut in_memory(), |tx| {
            for (server, sealed) in [("a", Some(true)), ("b", Some(false)), ("c", None)] {
                let row = "INSERT INTO message
                               (server, peer, own, installation, n, time, kind, body, state, sealed)
                           VALUES (?, 'marie', 0, '1', 1, 0, 'text', x'', 'received', ?)";
                tx.execute(row, rusqlite::params![server, sealed])?;
            }
            share(tx, ["a", "b"])?;
            assert_eq!(sealed(tx)?, [Some(false), Some(false), None]);
            share(tx, ["c", "b"])?;
            assert_eq!(sealed(tx)?, [Some(false); 3]);
            Ok(())
        });
    }
}
