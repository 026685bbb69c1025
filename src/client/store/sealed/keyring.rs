//! Keys that messages are sealed and opened with, read once: a cache of what is on the disk.
//!
//! Owned by the client's core, which lends it to the store's thread. Invariant: what it gives is what stands in the
//! database of the transaction, compared byte for byte; so nothing in it is ever out of date, and the signatures of a
//! list and its prekeys are verified once.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Transaction;

use super::super::accounts::{self, Keys};
use super::super::devices;
use super::super::scope::Server;
use super::super::trusted::trusted;
use crate::message::{Installation, Name, Timestamp};
use crate::seal::Known;
use crate::trust::devices::{Bundle, Prekey, SignedWriter};
use crate::trust::{CurveKey, PublicKey};

type Result<T> = rusqlite::Result<T>;

/// The most people who are remembered. One more, and all are forgotten.
const MOST: usize = 1_024;

/// Who uses this folder, as sealed messages name them.
pub(crate) struct Me {
    pub(crate) name: Name,
    /// The key that owns the name.
    pub(crate) identity: PublicKey,
    /// What its person says of this folder, if it stands in no list.
    pub(crate) writer: Option<SignedWriter>,
}

/// Somebody, as one has to know them to seal for them or to open what they have sealed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// Which list is believed, if one is.
    pub(crate) list: Option<Known>,
    /// The key that is trusted.
    pub(crate) identity: Option<PublicKey>,
    /// The devices of the list that have a prekey, in its order.
    pub(crate) devices: Vec<Device>,
    /// The devices of the list that have none.
    pub(crate) lacking: Vec<Installation>,
    /// Those that are none any more.
    pub(crate) gone: Vec<Installation>,
}

/// A device that can be sealed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    pub(crate) installation: Installation,
    /// Its key for life.
    pub(crate) curve: CurveKey,
    /// The key that others begin with.
    pub(crate) fallback: CurveKey,
}

/// The cache.
#[derive(Default)]
pub(crate) struct Keyring {
    own: Option<Own>,
    people: HashMap<(Server, Name), Remembered>,
}

/// This folder's account, and the text that it was read from.
struct Own {
    pickle: String,
    keys: Arc<Keys>,
}

/// A person, and the statements that they were read from.
struct Remembered {
    statement: Bytes,
    person: Arc<Person>,
}

impl Keyring {
    /// This folder's account on a server, which is made if there is none.
    pub(crate) fn account(
        &mut self,
        tx: &Transaction<'_>,
        server: &Server,
        installation: Installation,
        now: Timestamp,
    ) -> Result<Arc<Keys>> {
        let pickle = accounts::pickle(tx, server, installation)?;
        if let Some(own) = self.own.as_ref().filter(|own| pickle.as_ref() == Some(&own.pickle)) {
            return Ok(own.keys.clone());
        }
        let keys = Arc::new(accounts::of(tx, server, installation, now)?);
        // One that was made right now is remembered once it is found on the disk.
        self.own = pickle.map(|pickle| Own { pickle, keys: keys.clone() });
        Ok(keys)
    }

    /// What is known of somebody on a server; they may be oneself.
    pub(crate) fn person(
        &mut self,
        tx: &Transaction<'_>,
        me: &Me,
        server: &Server,
        name: &Name,
    ) -> Result<Arc<Person>> {
        let statement = devices::known(tx, server, name)?.statement;
        let is_own = *name == me.name;
        let identity = if is_own { Some(me.identity) } else { trusted(tx, server, name)? };
        let key = (server.clone(), name.clone());
        let is_the_same =
            |it: &&Remembered| it.statement == statement && it.person.identity == identity;
        if let Some(it) = self.people.get(&key).filter(is_the_same) {
            return Ok(it.person.clone());
        }
        let person = Arc::new(Person::read(statement.clone(), identity));
        if self.people.len() >= MOST {
            self.people.clear();
        }
        self.people.insert(key, Remembered { statement, person: person.clone() });
        Ok(person)
    }
}

impl Person {
    /// A list counts that was signed by the key that is trusted.
    fn read(statement: Bytes, identity: Option<PublicKey>) -> Self {
        let bundle = Bundle::read(statement).ok();
        let bundle = bundle.filter(|it| Some(it.list().owner().identity) == identity);
        bundle.map_or_else(|| Self { identity, ..Self::default() }, |bundle| Self::of(&bundle))
    }

    fn of(bundle: &Bundle) -> Self {
        let list = bundle.list();
        let prekeys = list.devices().iter().filter_map(|device| bundle.prekey(device));
        Self {
            list: Some(Known { version: list.version(), hash: bundle.signed().hash() }),
            identity: Some(list.owner().identity),
            devices: prekeys.map(|it| Device::of(it.prekey())).collect(),
            lacking: bundle.lacking().map(|it| it.installation).collect(),
            gone: list.gone().iter().map(|it| it.installation).collect(),
        }
    }

    /// The device with this installation, if it can be sealed for.
    pub(super) fn device(&self, installation: Installation) -> Option<&Device> {
        self.devices.iter().find(|it| it.installation == installation)
    }
}

impl Device {
    fn of(prekey: &Prekey) -> Self {
        let Prekey { installation, curve, fallback, .. } = *prekey;
        Self { installation, curve, fallback }
    }
}
