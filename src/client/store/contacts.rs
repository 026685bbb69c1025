//! The keys of one's contacts: trust on first use, as for servers. Another key is trusted when the person who uses this
//! client says so; instead of one that they have verified, only with its digits.
//!
//! Owned by the client's core, in its [store](super). Each server says for itself whose a name is, so every row names
//! the server. Invariant: a trusted key of somebody who was verified is the verified one.

use rusqlite::Transaction;

use super::scope::Server;
use super::sealed::{sealing, sessions};
use super::trusted::{NOBODY, Offer, offer};
pub(crate) use super::trusted::{trusted, verified};
use super::{devices, history};
use crate::client::outcome::{Trust, Verification};
use crate::message::{Name, Timestamp};
use crate::trust::digits::Owner;
use crate::trust::{Digits, Fingerprint, Pair, PublicKey};

/// What the server's answer about a name means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meeting {
    /// It is the trusted key; the first one is trusted from now on.
    Same,
    /// It is another key than this one.
    Other(Known),
    /// Nobody has the name, and no key is trusted.
    Nobody {
        /// Whoever is to have it has to show a key that is known already.
        is_awaited: bool,
    },
}

/// What is known of somebody's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) key: Fingerprint,
    pub(crate) is_verified: bool,
}

/// Compares somebody's key, or its absence, with the trusted one; the first one is trusted.
pub(crate) fn meet(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: Option<PublicKey>,
) -> rusqlite::Result<Meeting> {
    let shown = key.map(|key| key.fingerprint());
    let known = known(tx, server, peer)?;
    let has_trusted = trusted(tx, server, peer)?.is_some();
    if let Some(known) = known.filter(|known| Some(known.key) != shown) {
        let offer = "UPDATE contact SET offered = ? WHERE server = ? AND peer = ?";
        let offered = key.map_or(NOBODY.into(), |key| key.to_string());
        tx.execute(offer, (offered, server.as_str(), peer.as_str()))?;
        let is_awaited = key.is_none() && !has_trusted;
        return Ok(if is_awaited { Meeting::Nobody { is_awaited } } else { Meeting::Other(known) });
    }
    let Some(key) = key else { return Ok(Meeting::Nobody { is_awaited: false }) };
    write(tx, server, peer, key)?;
    Ok(Meeting::Same)
}

fn known(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<Option<Known>> {
    if let Some(key) = verified(tx, server, peer)? {
        return Ok(Some(Known { key, is_verified: true }));
    }
    let trusted = trusted(tx, server, peer)?;
    Ok(trusted.map(|key| Known { key: key.fingerprint(), is_verified: false }))
}

/// Trusts the other key that the server showed last, or accepts that nobody has the name, or believes the other device
/// list that it showed, or says why there is nothing to trust. What was verified stays.
pub(crate) fn trust(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<Trust> {
    let is_verified = verified(tx, server, peer)?.is_some();
    match offer(tx, server, peer)? {
        Some(Offer::Key(_)) if is_verified => return Ok(Trust::Verified),
        Some(Offer::Nobody) if is_verified => return Ok(Trust::VerifiedGone),
        Some(Offer::Key(key)) => {
            accept(tx, server, peer, key)?;
            return Ok(Trust::Accepted(key.fingerprint()));
        }
        Some(Offer::Nobody) => return release(tx, server, peer),
        None => {}
    }
    if devices::accept(tx, server, peer)? {
        leave(tx, server, peer)?;
        return Ok(Trust::List);
    }
    Ok(match trusted(tx, server, peer)? {
        Some(key) => Trust::Unchanged(key.fingerprint()),
        None if history::is_empty(tx, server, peer)? => Trust::Stranger,
        None => Trust::Unknown,
    })
}

/// Stops trusting a key, verified or not, whose owner has lost the name, if nobody has it.
pub(crate) fn release(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
) -> rusqlite::Result<Trust> {
    if offer(tx, server, peer)? != Some(Offer::Nobody) {
        return Ok(Trust::Somebody);
    }
    for table in ["contact", "verified"] {
        let forget = format!("DELETE FROM {table} WHERE server = ? AND peer = ?");
        tx.execute(&forget, [server.as_str(), peer.as_str()])?;
    }
    devices::forget(tx, server, peer)?;
    leave(tx, server, peer)?;
    Ok(Trust::Released)
}

/// Notes that somebody's key is verified, if these are the digits of both people: the other one that the server showed
/// last, which is trusted then, or else the trusted one.
pub(crate) fn verify(
    tx: &Transaction<'_>,
    me: &Owner,
    server: &Server,
    peer: &Name,
    digits: &Digits,
) -> rusqlite::Result<Verification> {
    let is_meant = |key| {
        let other = Owner { name: peer.clone(), key };
        Pair { server: server.key(), one: me.clone(), other }.digits() == *digits
    };
    let (trusted, offer) = (trusted(tx, server, peer)?, offer(tx, server, peer)?);
    Ok(match (trusted, offer) {
        (_, Some(Offer::Key(key))) if is_meant(key) => {
            accept(tx, server, peer, key)?;
            note_verified(tx, server, peer, key.fingerprint())?;
            Verification::Accepted(key.fingerprint())
        }
        (Some(key), Some(Offer::Key(_))) if is_meant(key) => Verification::Former,
        (Some(key), _) if is_meant(key) => {
            note_verified(tx, server, peer, key.fingerprint())?;
            Verification::Verified(key.fingerprint())
        }
        (None, None | Some(Offer::Nobody)) => Verification::Unknown,
        _ => Verification::Different,
    })
}

/// Notes which key somebody has, as the person who uses this client knows from elsewhere: it counts as verified, and
/// another one that was trusted does not any more. Returns whether it is so: not if they verified another one.
pub(crate) fn pin(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: Fingerprint,
) -> rusqlite::Result<bool> {
    if let Some(verified) = verified(tx, server, peer)? {
        return Ok(verified == key);
    }
    note_verified(tx, server, peer, key)?;
    let trusted = trusted(tx, server, peer)?.map(|trusted| trusted.fingerprint());
    if trusted.is_none() {
        // Until it is seen, there is none.
        write_word(tx, server, peer, "")?;
    } else if trusted != Some(key) {
        let distrust = "UPDATE contact SET offered = key, key = '' WHERE server = ? AND peer = ?";
        tx.execute(distrust, [server.as_str(), peer.as_str()])?;
        devices::forget(tx, server, peer)?;
        leave(tx, server, peer)?;
    }
    Ok(true)
}

fn note_verified(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: Fingerprint,
) -> rusqlite::Result<()> {
    let note = "INSERT OR REPLACE INTO verified VALUES (?, ?, ?)";
    tx.execute(note, [server.as_str(), peer.as_str(), &key.to_string()]).map(drop)
}

/// Trusts another key from now on.
fn accept(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: PublicKey,
) -> rusqlite::Result<()> {
    devices::forget(tx, server, peer)?;
    write(tx, server, peer, key)?;
    leave(tx, server, peer)
}

/// What was sealed before was for others.
fn leave(tx: &Transaction<'_>, server: &Server, peer: &Name) -> rusqlite::Result<()> {
    sessions::leave(tx, server, peer)?;
    sealing::void(tx, server, Some(peer))
}

fn write(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: PublicKey,
) -> rusqlite::Result<()> {
    write_word(tx, server, peer, &key.to_string())
}

fn write_word(
    tx: &Transaction<'_>,
    server: &Server,
    peer: &Name,
    key: &str,
) -> rusqlite::Result<()> {
    let now = Timestamp::now().0.cast_signed();
    tx.execute(
        "INSERT INTO contact (server, peer, key, since) VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET offered = NULL, key = excluded.key,
             since = iif(key = excluded.key, since, excluded.since)",
        (server.as_str(), peer.as_str(), key, now),
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::servers::{self, Arrival};
    use super::super::thread::tests::{in_memory, run};
    use super::*;
    use crate::trust::Identity;

    const NOBODY_KNOWN: Meeting = Meeting::Nobody { is_awaited: false };

    fn other(known: PublicKey) -> Meeting {
        Meeting::Other(Known { key: known.fingerprint(), is_verified: false })
    }

    fn john() -> Owner {
        Owner { name: "john".parse().unwrap(), key: PublicKey::from_bytes([1; 32]) }
    }

    /// What john and marie see, if this is her key.
    fn digits(key: PublicKey) -> Digits {
        let other = Owner { name: "marie".parse().unwrap(), key };
        Pair { server: None, one: john(), other }.digits()
    }

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
        assert_eq!(meet(&here, second), other(first));
        assert_eq!(meet(&here, second), other(first), "as long as it is not accepted");
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
        let accepted = second.fingerprint();
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Accepted(accepted));
        assert_eq!(trust(), Trust::Unchanged(accepted));
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
        let trust = run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust, Trust::Unchanged(first.fingerprint()));
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
    }

    #[test]
    fn a_name_that_lost_its_key_is_nobodys_only_once_that_is_accepted() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [(); 2].map(|()| Identity::generate().unwrap().public());
        let meet = |store: &mut _, key| run(store, |tx| meet(tx, &here, &marie, key));
        assert_eq!(meet(&mut store, None), NOBODY_KNOWN);
        assert_eq!(meet(&mut store, Some(first)), Meeting::Same);
        assert_eq!(meet(&mut store, None), other(first));
        assert_eq!(meet(&mut store, Some(second)), other(first), "whoever claims it");
        assert_eq!(meet(&mut store, None), other(first));
        let mut trust = || run(&mut store, |tx| super::trust(tx, &here, &marie));
        assert_eq!(trust(), Trust::Released);
        assert_eq!(meet(&mut store, None), NOBODY_KNOWN);
        assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
    }

    #[test]
    fn a_verified_key_gives_way_to_the_digits_of_another_one_alone() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let keys = [2, 3, 4].map(|byte| PublicKey::from_bytes([byte; 32]));
        let [first, second, third] = keys;
        let [one, two, three] = keys.map(|key| key.fingerprint());
        let meet = |store: &mut _, key| run(store, |tx| super::meet(tx, &here, &marie, key));
        let trust = |store: &mut _| run(store, |tx| super::trust(tx, &here, &marie));
        let verify = |store: &mut _, key| {
            run(store, |tx| super::verify(tx, &john(), &here, &marie, &digits(key)))
        };
        assert_eq!(verify(&mut store, first), Verification::Unknown);
        meet(&mut store, Some(first));
        assert_eq!(verify(&mut store, second), Verification::Different);
        assert_eq!(run(&mut store, |tx| verified(tx, &here, &marie)), None);
        assert_eq!(verify(&mut store, first), Verification::Verified(one));
        let changed = Meeting::Other(Known { key: one, is_verified: true });
        assert_eq!(meet(&mut store, Some(second)), changed);
        assert_eq!(trust(&mut store), Trust::Verified);
        assert_eq!(verify(&mut store, third), Verification::Different);
        assert_eq!(verify(&mut store, first), Verification::Former);
        assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
        assert_eq!(verify(&mut store, second), Verification::Accepted(two));
        assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
        let changed = Meeting::Other(Known { key: two, is_verified: true });
        assert_eq!(meet(&mut store, Some(third)), changed);
        assert_ne!(two, three);
        assert_eq!(trust(&mut store), Trust::Verified);
    }

    #[test]
    fn that_nobody_has_a_verified_name_is_accepted_in_so_many_words() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [2, 3].map(|byte| PublicKey::from_bytes([byte; 32]));
        let meet = |store: &mut _, key| run(store, |tx| super::meet(tx, &here, &marie, key));
        let release = |store: &mut _| run(store, |tx| super::release(tx, &here, &marie));
        meet(&mut store, Some(first));
        let verify = |tx: &Transaction<'_>| verify(tx, &john(), &here, &marie, &digits(first));
        run(&mut store, verify);
        assert_eq!(release(&mut store), Trust::Somebody);
        meet(&mut store, None);
        assert_eq!(run(&mut store, |tx| trust(tx, &here, &marie)), Trust::VerifiedGone);
        assert_eq!(release(&mut store), Trust::Released);
        assert_eq!(run(&mut store, |tx| verified(tx, &here, &marie)), None);
        assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
    }

    #[test]
    fn whoever_is_known_from_an_address_has_that_key_or_none() {
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [2, 3].map(|byte| PublicKey::from_bytes([byte; 32]));
        let pinned = first.fingerprint();
        let meet = |store: &mut _, key| run(store, |tx| super::meet(tx, &here, &marie, key));
        let pin = |store: &mut _, key| run(store, |tx| super::pin(tx, &here, &marie, key));
        let trust = |store: &mut _| run(store, |tx| super::trust(tx, &here, &marie));
        let verify = |store: &mut _, key| {
            run(store, |tx| super::verify(tx, &john(), &here, &marie, &digits(key)))
        };
        let changed = Meeting::Other(Known { key: pinned, is_verified: true });
        // It may be that another one was there before.
        for before in [None, Some(second), Some(first)] {
            let mut store = in_memory();
            if before.is_some() {
                meet(&mut store, before);
            }
            assert!(pin(&mut store, pinned) && pin(&mut store, pinned));
            assert!(!pin(&mut store, second.fingerprint()), "the first one holds");
            if before.is_none() {
                assert_eq!(meet(&mut store, None), Meeting::Nobody { is_awaited: true });
                assert_eq!(verify(&mut store, first), Verification::Unknown);
            }
            assert_eq!(meet(&mut store, Some(second)), changed);
            assert_eq!(trust(&mut store), Trust::Verified);
            assert_eq!(meet(&mut store, Some(first)), Meeting::Same);
            assert_eq!(run(&mut store, |tx| trusted(tx, &here, &marie)), Some(first));
            assert_eq!(meet(&mut store, Some(second)), changed);
            assert_eq!(verify(&mut store, second), Verification::Accepted(second.fingerprint()));
            assert!(!pin(&mut store, pinned), "what was compared holds");
            assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
        }
    }

    #[test]
    fn that_nobody_has_an_awaited_name_can_be_accepted() {
        let mut store = in_memory();
        let here: Server = "a".parse().unwrap();
        let marie: Name = "marie".parse().unwrap();
        let [first, second] = [2, 3].map(|byte| PublicKey::from_bytes([byte; 32]));
        let meet = |store: &mut _, key| run(store, |tx| super::meet(tx, &here, &marie, key));
        assert!(run(&mut store, |tx| pin(tx, &here, &marie, first.fingerprint())));
        assert_eq!(meet(&mut store, None), Meeting::Nobody { is_awaited: true });
        assert_eq!(run(&mut store, |tx| trust(tx, &here, &marie)), Trust::VerifiedGone);
        assert_eq!(run(&mut store, |tx| release(tx, &here, &marie)), Trust::Released);
        assert_eq!(meet(&mut store, Some(second)), Meeting::Same);
    }

    #[test]
    fn of_two_keys_of_somebody_the_verified_one_stays() {
        for is_verified in ["a", "b"] {
            let mut store = in_memory();
            let marie: Name = "marie".parse().unwrap();
            let [first, second] = [2, 3].map(|byte| PublicKey::from_bytes([byte; 32]));
            for (at, key) in [("a", first), ("b", second)] {
                let at: Server = at.parse().unwrap();
                run(&mut store, |tx| meet(tx, &at, &marie, Some(key)));
            }
            let at: Server = is_verified.parse().unwrap();
            let key = if is_verified == "a" { first } else { second };
            run(&mut store, |tx| verify(tx, &john(), &at, &marie, &digits(key)));
            let arrive = |store: &mut _, at: &str| {
                let arrival = Arrival { shown: Fingerprint::of(b"k"), moves: true };
                let address = at.parse().unwrap();
                run(store, |tx| servers::arrive(tx, &address, arrival)).0.server
            };
            arrive(&mut store, "a");
            let home = arrive(&mut store, "b");
            assert_eq!(run(&mut store, |tx| trusted(tx, &home, &marie)), Some(key));
            let known = run(&mut store, |tx| verified(tx, &home, &marie));
            assert_eq!(known, Some(key.fingerprint()));
            assert_eq!(run(&mut store, |tx| trust(tx, &home, &marie)), Trust::Verified);
        }
    }
}
