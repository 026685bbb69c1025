//! Which server the rows of the store belong to.
//!
//! Each function is one step of a transaction of the [`store`](super). A server is identified by its key: at whatever
//! address it is reached, all that was said through it belongs together. Without TLS it shows no key, and is identified
//! by its address as written; so is one whose key is not known yet. Invariant: rows of an address, or of a key that was
//! replaced, move in one transaction, before anything is said to the server.

use rusqlite::{OptionalExtension, Transaction};

use super::merge;
use super::scope::{Server, new_installation};
use crate::client::config::Address;
use crate::message::Installation;
use crate::trust::Fingerprint;

type Result<T> = rusqlite::Result<T>;

/// Where one is: the server, and the installation that new messages are numbered in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) server: Server,
    pub(crate) installation: Installation,
}

/// A server that was met at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) address: String,
    pub(crate) server: Server,
}

/// A server shows an acceptable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrival {
    pub(crate) shown: Fingerprint,
    /// The rows of the key that was known at its address are to move to this one.
    pub(crate) moves: bool,
}

/// Where one is before the server has shown anything. `told` is the key that it has according to the person; what was
/// said through the server with that key can be read.
pub(crate) fn enter(
    tx: &Transaction<'_>,
    address: &Address,
    tls: bool,
    told: Option<Fingerprint>,
) -> Result<Home> {
    if !tls {
        return home(tx, Server::at(address));
    }
    let met = met(tx)?;
    let told = told.filter(|told| !addresses(&met, *told).is_empty());
    home(
        tx,
        match (key_at(&met, address), told) {
            (Some(key), _) | (None, Some(key)) => Server::of(key),
            (None, None) => Server::at(address),
        },
    )
}

/// The server at an address has shown its key. Returns where one is now, and whether there is more than there was.
pub(crate) fn arrive(
    tx: &Transaction<'_>,
    address: &Address,
    arrival: Arrival,
) -> Result<(Home, bool)> {
    let server = Server::of(arrival.shown);
    let moved = move_in(tx, address, &server, arrival.moves, merge::join)?;
    Ok((home(tx, server)?, moved))
}

/// Moves the rows of one server to another, as [`merge::join`] does.
type Join = fn(&Transaction<'_>, &Server, &Server) -> Result<bool>;

/// Has an address lead to a server. Returns whether there is more than there was.
fn move_in(
    tx: &Transaction<'_>,
    address: &Address,
    server: &Server,
    moves: bool,
    join: Join,
) -> Result<bool> {
    let before = met_at(tx, address.as_str())?;
    let moved = match &before {
        Some(before) if before == server => false,
        Some(before) if moves => {
            let all = "UPDATE address SET server = ? WHERE server = ?";
            tx.execute(all, [server.as_str(), before.as_str()])?;
            join(tx, before, server)?
        }
        Some(_) => merge::has_rows(tx, server)?,
        None => join(tx, &Server::at(address), server)?,
    };
    tx.execute(
        "INSERT INTO address VALUES (?, ?) ON CONFLICT DO UPDATE SET server = excluded.server",
        [address.as_str(), server.as_str()],
    )?;
    Ok(moved)
}

/// The servers that were met, by their addresses.
pub(crate) fn met(tx: &Transaction<'_>) -> Result<Vec<Met>> {
    let mut query = tx.prepare_cached("SELECT address, server FROM address ORDER BY address")?;
    let row =
        |row: &rusqlite::Row<'_>| Ok(Met { address: row.get(0)?, server: Server(row.get(1)?) });
    query.query_map((), row)?.collect()
}

/// The key of the server that was met at an address.
pub(crate) fn key_at(met: &[Met], address: &Address) -> Option<Fingerprint> {
    let met = met.iter().find(|it| it.address == address.as_str())?;
    met.server.key()
}

/// The addresses at which a server was met.
pub(crate) fn addresses(met: &[Met], key: Fingerprint) -> Vec<String> {
    let server = Server::of(key);
    met.iter().filter(|it| it.server == server).map(|it| it.address.clone()).collect()
}

fn met_at(tx: &Transaction<'_>, address: &str) -> Result<Option<Server>> {
    let query = "SELECT server FROM address WHERE address = ?";
    tx.query_row(query, [address], |row| row.get(0).map(Server)).optional()
}

/// The first time, a server gets an installation.
fn home(tx: &Transaction<'_>, server: Server) -> Result<Home> {
    let new = new_installation().to_string();
    tx.execute("INSERT OR IGNORE INTO installation VALUES (?, ?)", [server.as_str(), &new])?;
    let query = "SELECT id FROM installation WHERE server = ?";
    let id: String = tx.query_row(query, [server.as_str()], |row| row.get(0))?;
    let installation = id.parse().map_err(|_| rusqlite::Error::InvalidQuery)?;
    Ok(Home { server, installation })
}

/// Rows of addresses, as used up to layout 5, move to the servers that are known to be there.
pub(super) fn adopt(tx: &Transaction<'_>, known: &[(String, Fingerprint)]) -> Result<()> {
    for (address, key) in known {
        // A server whose key is not the first acceptable one there gets its rows when it shows that key.
        let address = address.parse::<Address>();
        let Ok(address) = address.map_err(|error| log::warn!("{error}")) else { continue };
        if met_at(tx, address.as_str())?.is_none() {
            move_in(tx, &address, &Server::of(*key), true, merge::join_in_layout_6)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::super::history::tests::receive_plain;
    use super::super::scope::Scope;
    use super::super::thread::tests::{in_memory, run};
    use super::super::{contacts, outbox};
    use super::*;
    use crate::message::{Kind, Message, Name, Origin, Timestamp};

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn key(name: &str) -> Fingerprint {
        Fingerprint::of(name.as_bytes())
    }

    fn marie() -> Name {
        "marie".parse().unwrap()
    }

    fn enter(store: &mut Connection, at: &str) -> Home {
        run(store, |tx| super::enter(tx, &address(at), true, None))
    }

    /// A server shows a key that its person trusts.
    fn arrive(store: &mut Connection, at: &str, shown: &str) -> Home {
        let arrival = Arrival { shown: key(shown), moves: true };
        run(store, |tx| super::arrive(tx, &address(at), arrival)).0
    }

    fn scope(home: &Home) -> Scope {
        Scope { server: home.server.clone(), peer: marie(), installation: home.installation }
    }

    fn write(store: &mut Connection, home: &Home, text: &str, sent: bool) {
        let body = text.to_owned().into();
        run(store, |tx| outbox::add(tx, &scope(home), Kind::TEXT, body, Timestamp(0), sent));
    }

    fn receive(store: &mut Connection, home: &Home, n: u64) {
        let message = Message::text(9, n, "hi");
        run(store, |tx| receive_plain(tx, &home.server, marie(), message));
    }

    /// What was said: server, installation, number, state.
    fn rows(store: &mut Connection) -> Vec<(String, String, i64, String)> {
        let mut query = store
            .prepare("SELECT server, installation, n, state FROM message ORDER BY id")
            .unwrap();
        let row =
            |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        query.query_map((), row).unwrap().map(Result::unwrap).collect()
    }

    fn numbers(store: &mut Connection) -> Vec<i64> {
        rows(store).into_iter().map(|(_, _, n, _)| n).collect()
    }

    #[test]
    fn without_tls_a_server_is_its_address() {
        let mut store = in_memory();
        let home = run(&mut store, |tx| super::enter(tx, &address("a"), false, Some(key("k"))));
        assert_eq!(home.server, Server::at(&address("a")));
    }

    #[test]
    fn two_addresses_of_one_key_are_one_server() {
        let mut store = in_memory();
        let first = arrive(&mut store, "a", "k");
        write(&mut store, &first, "stored", true);
        assert_eq!(arrive(&mut store, "b", "k"), first);
        assert_eq!((enter(&mut store, "a"), enter(&mut store, "b")), (first.clone(), first));
        assert_ne!(arrive(&mut store, "c", "other").server, Server::of(key("k")));
    }

    #[test]
    fn what_is_written_to_an_address_goes_to_the_server_that_is_found_there() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        write(&mut store, &home, "one", true);
        let unknown = enter(&mut store, "b");
        assert_eq!(unknown.server, Server::at(&address("b")));
        write(&mut store, &unknown, "two", false);
        write(&mut store, &home, "three", false);
        write(&mut store, &unknown, "four", false);
        assert_eq!(numbers(&mut store), [1, 1, 2, 2]);
        assert_eq!(arrive(&mut store, "b", "k"), home);
        assert_eq!(numbers(&mut store), [1, 3, 4, 5], "in the order in which they were written");
        let id = home.installation.to_string();
        assert!(rows(&mut store).iter().all(|(server, installation, ..)| {
            server == home.server.as_str() && *installation == id
        }));
    }

    #[test]
    fn a_key_that_is_accepted_instead_of_another_gets_everything() {
        let mut store = in_memory();
        let home = arrive(&mut store, "a", "k");
        arrive(&mut store, "b", "k");
        write(&mut store, &home, "one", true);
        let moved = arrive(&mut store, "a", "new");
        assert_eq!(moved, Home { server: Server::of(key("new")), ..home });
        assert_eq!(enter(&mut store, "b"), moved, "also at its other address");
        assert_eq!(rows(&mut store)[0].0, moved.server.as_str());
    }

    #[test]
    fn what_is_said_of_a_key_counts_once_it_is_shown() {
        let mut store = in_memory();
        let enter = |store: &mut Connection, told: &str| {
            run(store, |tx| super::enter(tx, &address("b"), true, Some(key(told))))
        };
        let here = arrive(&mut store, "a", "k");
        write(&mut store, &here, "one", false);
        assert_eq!(enter(&mut store, "nobody's").server, Server::at(&address("b")));
        assert_eq!(enter(&mut store, "k"), here, "it can be read");
        // It was not so.
        let other = arrive(&mut store, "b", "other");
        assert_eq!(super::tests::enter(&mut store, "a"), here);
        assert_eq!(rows(&mut store)[0].0, here.server.as_str());
        assert_ne!(other, here);
    }

    #[test]
    fn an_address_that_leads_to_another_server_takes_nothing_along() {
        let mut store = in_memory();
        let (here, there) = (arrive(&mut store, "a", "k"), arrive(&mut store, "b", "other"));
        write(&mut store, &here, "one", false);
        let arrival = Arrival { shown: key("other"), moves: false };
        let (home, is_more) = run(&mut store, |tx| super::arrive(tx, &address("a"), arrival));
        assert_eq!((home, is_more), (there, false));
        assert_eq!(rows(&mut store)[0].0, here.server.as_str());
    }

    #[test]
    fn what_came_twice_stays_once_and_as_far_as_it_is() {
        let mut store = in_memory();
        let (a, b) = (enter(&mut store, "a"), enter(&mut store, "b"));
        receive(&mut store, &a, 1);
        receive(&mut store, &b, 1);
        receive(&mut store, &b, 2);
        store.execute("UPDATE message SET state = 'shown' WHERE id = 2", ()).unwrap();
        arrive(&mut store, "a", "k");
        let home = arrive(&mut store, "b", "k");
        let states: Vec<_> = rows(&mut store).into_iter().map(|row| (row.2, row.3)).collect();
        assert_eq!(states, [(1, "shown".into()), (2, "received".into())]);
        receive(&mut store, &home, 2);
        assert_eq!(rows(&mut store).len(), 2, "the mark is that of both");
    }

    #[test]
    fn two_messages_with_one_number_stay_two() {
        let mut store = in_memory();
        let (a, b) = (enter(&mut store, "a"), enter(&mut store, "b"));
        receive(&mut store, &a, 1);
        let other = Message { origin: Origin::from_bytes([1; 16]), ..Message::text(9, 1, "hi") };
        run(&mut store, |tx| receive_plain(tx, &b.server, marie(), other));
        arrive(&mut store, "a", "k");
        arrive(&mut store, "b", "k");
        assert_eq!(rows(&mut store).len(), 2);
    }

    #[test]
    fn what_was_sent_from_the_installation_that_goes_on_keeps_its_number() {
        let mut store = in_memory();
        let (a, b) = (enter(&mut store, "a"), enter(&mut store, "b"));
        for home in [&a, &b] {
            write(&mut store, home, "sent", true);
            write(&mut store, home, "not sent", false);
        }
        arrive(&mut store, "a", "k");
        let home = arrive(&mut store, "b", "k");
        assert_eq!(home.installation, a.installation);
        let ids: Vec<_> = rows(&mut store).into_iter().map(|row| (row.1, row.2)).collect();
        let id = a.installation.to_string();
        assert_eq!(ids, [1, 3, 4, 5].map(|n| (id.clone(), n)));
    }

    proptest! {
        /// Whatever was written at two addresses and sent from there: all of it is there once; what arrived, or was
        /// sent from the installation that goes on, is called as before; and the rest has its place behind that, in
        /// the order in which it was written.
        #[test]
        fn two_lives_become_one_without_loss(
            written in prop::collection::vec((any::<bool>(), any::<bool>()), 0..20),
            settled in any::<[bool; 2]>(),
        ) {
            let mut store = in_memory();
            let homes = [enter(&mut store, "a"), enter(&mut store, "b")];
            let mut unsent = [false; 2];
            for (at, sent) in written {
                // Numbers are sent in their order.
                let at = usize::from(at);
                unsent[at] |= !sent;
                write(&mut store, &homes[at], "x", !unsent[at]);
            }
            for (home, settled) in homes.iter().zip(settled) {
                let all = "UPDATE message SET state = 'delivered' WHERE installation = ? AND sent = 1";
                let id = home.installation.to_string();
                if settled {
                    store.execute(all, [id]).unwrap();
                }
            }
            let texts = |store: &Connection, query: &str| -> Vec<String> {
                let mut query = store.prepare(query).unwrap();
                query.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect()
            };
            let count = rows(&mut store).len();
            let all = "SELECT id || ' ' || hex(origin) || ' ' || installation || ' ' || n || state FROM message
                       WHERE state = 'delivered' OR sent = 1 ORDER BY id";
            let known = texts(&store, all);
            arrive(&mut store, "a", "k");
            let home = arrive(&mut store, "b", "k");
            prop_assert_eq!(rows(&mut store).len(), count);
            let id = home.installation.to_string();
            let stays = |line: &&String| line.contains("delivered") || line.contains(&id);
            let expected: Vec<String> = known.iter().filter(stays).cloned().collect();
            prop_assert_eq!(texts(&store, all), expected);
            let elsewhere = format!("SELECT state FROM message WHERE installation <> '{id}' AND state <> 'delivered'");
            prop_assert_eq!(texts(&store, &elsewhere), [""; 0]);
            let waiting = "SELECT CAST(n AS TEXT) FROM message WHERE sent = 0 ORDER BY id";
            let numbers: Vec<u64> = texts(&store, waiting).iter().map(|it| it.parse().unwrap()).collect();
            prop_assert!(numbers.is_sorted_by(|one, next| one < next), "{:?}", numbers);
            let last = format!("SELECT CAST(coalesce(max(n), 0) AS TEXT) FROM message WHERE sent = 1 AND installation = '{id}'");
            let last: u64 = texts(&store, &last)[0].parse().unwrap();
            prop_assert!(numbers.first().is_none_or(|first| *first > last));
        }
    }

    #[test]
    fn the_installation_goes_on_of_which_something_is_on_its_way() {
        let mut store = in_memory();
        let (_, b) = (enter(&mut store, "a"), enter(&mut store, "b"));
        write(&mut store, &b, "sent", true);
        arrive(&mut store, "a", "k");
        assert_eq!(arrive(&mut store, "b", "k").installation, b.installation);
    }

    #[test]
    fn of_two_keys_of_somebody_the_first_is_trusted_and_the_other_an_offer() {
        let mut store = in_memory();
        let keys = [(); 2].map(|()| crate::trust::Identity::generate().unwrap().public());
        for (at, key) in ["a", "b"].into_iter().zip(keys) {
            let home = enter(&mut store, at);
            run(&mut store, |tx| contacts::meet(tx, &home.server, &marie(), Some(key)));
        }
        store.execute("UPDATE contact SET since = 2 WHERE server LIKE 'b%'", ()).unwrap();
        store.execute("UPDATE contact SET since = 1 WHERE server LIKE 'a%'", ()).unwrap();
        arrive(&mut store, "b", "k");
        let home = arrive(&mut store, "a", "k");
        let trust =
            |store: &mut Connection| run(store, |tx| contacts::trust(tx, &home.server, &marie()));
        let trusted = run(&mut store, |tx| contacts::trusted(tx, &home.server, &marie()));
        assert_eq!(trusted, Some(keys[0]));
        assert_eq!(
            trust(&mut store),
            crate::client::outcome::Trust::Accepted(keys[1].fingerprint())
        );
    }

    #[test]
    fn files_of_both_are_called_by_numbers_of_their_own() {
        let mut store = in_memory();
        let (a, b) = (enter(&mut store, "a"), enter(&mut store, "b"));
        for home in [&a, &b, &b] {
            let id = run(&mut store, |tx| {
                let body = "{}".into();
                Ok(outbox::add(tx, &scope(home), Kind::FILE, body, Timestamp(0), false)?.id)
            });
            run(&mut store, |tx| {
                super::super::files::told(tx, &home.server, &marie(), id, 5, false)
            });
        }
        arrive(&mut store, "a", "k");
        arrive(&mut store, "b", "k");
        let numbers = "SELECT group_concat(number) FROM (SELECT number FROM file ORDER BY message)";
        let numbers: String = store.query_row(numbers, (), |row| row.get(0)).unwrap();
        assert_eq!(numbers, "1,2,3");
    }
}
