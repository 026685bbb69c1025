//! The keys of one's contacts: trust on first use, as for servers. Another key is trusted when the person who uses this
//! client says so.
//!
//! Owned by the client's core, in its [store](super). Each server says for itself whose a name is, so every row names
//! the server.

use rusqlite::Transaction;

use super::scope::Server;
use super::sealed::{sealing, sessions};
pub(crate) use super::trusted::trusted;
use super::{devices, history, trusted};
use crate::client::outcome::Trust;
use crate::message::{Name, Timestamp};
use crate::trust::PublicKey;

/// What is offered if nobody has the name any more.
const NOBODY: &str = "-";

/// What the server's answer about a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// It is the trusted key; the first one is trusted from now on.
    Same,
    /// It is another key.
    Other(PublicKey),
    /// Nobody has the name, and no key is trusted.
    Nobody,
}

/// Compares somebody's key, or its absence, with the trusted one; the first one is trusted.
pub(crate) fn meet(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: Option<PublicKey>,
) -> rusqlite::Result<Meeting> {
    let trusted = trusted(tx, server, peer)?;
    if let Some(trusted) = trusted.filter(|trusted| Some(*trusted) != key) {
        let offer = "UPDATE contact SET offered = ? WHERE server = ? AND peer = ?";
        let offered = key.map_or(NOBODY.into(), |key| key.to_string());
        tx.execute(offer, (offered, server.as_str(), peer.as_str()))?;
        return Ok(Meeting::Other(trusted));
    }
    let Some(key) = key else { return Ok(Meeting::Nobody) };
    write(tx, server, peer, key)?;
    Ok(Meeting::Same)
}

/// Trusts the other key that the server showed last, or accepts that nobody has the name, or believes the other device
/// list that it showed, or says why there is nothing to trust.
pub(crate) fn trust(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<Trust> {
    let trust = decide(tx, server, peer)?;
    if matches!(trust, Trust::Released | Trust::Accepted(_) | Trust::List) {
        // What was sealed before was for others.
        sessions::leave(tx, server, peer)?;
        sealing::void(tx, server, Some(peer))?;
    }
    Ok(trust)
}

fn decide(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<Trust> {
    if release(tx, server, peer)? {
        return Ok(Trust::Released);
    }
    if let Some(key) = trust_offered(tx, server, peer)? {
        return Ok(Trust::Accepted(key.fingerprint()));
    }
    if devices::accept(tx, server, peer)? {
        return Ok(Trust::List);
    }
    Ok(match trusted(tx, server, peer)? {
        Some(key) => Trust::Unchanged(key.fingerprint()),
        None if history::is_empty(tx, server, peer)? => Trust::Stranger,
        None => Trust::Unknown,
    })
}

/// Stops trusting a key whose owner has lost the name, if nobody has it.
fn release(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<bool> {
    let release = "DELETE FROM contact WHERE server = ? AND peer = ? AND offered = ?";
    let released = tx.execute(release, [server.as_str(), peer.as_str(), NOBODY])? > 0;
    if released {
        devices::forget(tx, server, peer)?;
    }
    Ok(released)
}

/// Trusts the other key that the server showed last; none if there was none.
fn trust_offered(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> rusqlite::Result<Option<PublicKey>> {
    let offered = trusted::offered(tx, server, peer)?;
    if let Some(key) = offered {
        devices::forget(tx, server, peer)?;
        write(tx, server, peer, key)?;
    }
    Ok(offered)
}

fn write(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: PublicKey,
) -> rusqlite::Result<()> {
    let now = Timestamp::now().0.cast_signed();
    tx.execute(
        "INSERT INTO contact (server, peer, key, since) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET offered = NULL, key = excluded.key,
             since = iif(key = excluded.key, since, excluded.since)",
        (server.as_str(), peer.as_str(), key.to_string(), now),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::trust::Identity;

    #[test]
    fn a_key_is_trusted_by_server_and_name_until_another_one_is() {
        let mut store = in_memory();
        let (here, there): (Server, Server) = ("a".parse().unwrap(), "b".parse().unwrap());
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        let mut meet =
            |server: &Server, key| run(&mut store, |tx| meet(tx, server, &marie, Some(key)));
        assert_eq!(meet(&here, first), Meeting::Same);
        assert_eq!(meet(&here, first), Meeting::Same);
        assert_eq!(meet(&there, second), Meeting::Same);
        assert_eq!(meet(&here, second), Meeting::Other(first));
        assert_eq!(meet(&here, second), Meeting::Other(first), "as long as it is not accepted");
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
        assert_eq!(run(&mut store, |tx| trust_offered(tx, &here, &marie)), Some(second));
        assert_eq!(run(&mut store, |tx| trust_offered(tx, &here, &marie)), None);
        assert_eq!(
            run(&mut store, |tx| super::meet(tx, &here, &marie, Some(second))),
            Meeting::Same
        );
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(second));
    }

    #[test]
    fn why_there_is_nothing_to_trust_is_told() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Stranger);
        let row =
            "INSERT INTO message (server, peer, own, installation, n, time, kind, body, state)
                   VALUES (?, 'marie', 1, 'i', 1, 0, 'text', x'', 'waiting')";
        store.execute(row, [here.as_str()]).unwrap();
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Unknown);
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        run(&mut store, |tx| meet(tx, &here, &marie, Some(first)));
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Unchanged(first.fingerprint()));
        run(&mut store, |tx| meet(tx, &here, &marie, Some(second)));
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Accepted(second.fingerprint()));
        assert_eq!(trust(), Trust::Unchanged(second.fingerprint()));
    }

    #[test]
    fn the_old_key_that_comes_back_takes_the_offer_away() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        for key in [first, second, first] {
            run(&mut store, |tx| meet(tx, &here, &marie, Some(key)));
        }
        assert_eq!(run(&mut store, |tx| trust_offered(tx, &here, &marie)), None);
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
    }

    #[test]
    fn a_name_that_lost_its_key_is_nobodys_only_once_that_is_accepted() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        let meet = |store: &mut _, key| run(store, |tx| meet(tx, &here, &marie, key));
        assert_eq!(meet(&mut store, None), Meeting::Nobody);
        assert_eq!(meet(&mut store, Some(first)), Meeting::Same);
        assert_eq!(meet(&mut store, None), Meeting::Other(first));
        assert_eq!(meet(&mut store, Some(second)), Meeting::Other(first), "whoever claims it");
        assert_eq!(meet(&mut store, None), Meeting::Other(first));
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Released);
        assert_eq!(meet(&mut store, None), Meeting::Nobody);
        assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
    }
}
