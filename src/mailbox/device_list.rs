//! Device lists with their prekeys, as a mailbox keeps them: the newest ones of each name.
//!
//! Plain values. Invariant: what is made of a bundle has its owner and its version; what was read from a disk may be
//! damaged, and [says so](KeptList::problem).

use bytes::Bytes;

use crate::message::Name;
use crate::trust::devices::{Bundle, Owner};
use crate::trust::{Fingerprint, PublicKey};

/// Which list it is, among those of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId {
    /// Who has signed it: it counts as long as this key owns the name.
    pub owner: PublicKey,
    /// From 1.
    pub version: u64,
    /// The server for which it was made; none of a server without TLS. It counts as long as that is the server's key.
    pub server: Option<Fingerprint>,
    /// Tells what is kept now from what it takes the place of, also where just a prekey is another one. It is not stored:
    /// what is read from a disk has 0.
    pub edition: u64,
}

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptList {
    /// Which it is.
    pub id: ListId,
    /// The signed list and the prekeys of its devices.
    pub bundle: Bytes,
}

impl KeptList {
    /// What is kept of a bundle.
    pub fn of(bundle: &Bundle) -> Self {
        let list = bundle.list();
        let Owner { server, identity, .. } = *list.owner();
        let id = ListId { owner: identity, version: list.version(), server, edition: 0 };
        Self { id, bundle: bundle.bytes().clone() }
    }

    /// The same in the place of another one.
    pub fn behind(self, other: Option<ListId>) -> Self {
        let edition = other.map_or(0, |it| it.edition + 1);
        Self { id: ListId { edition, ..self.id }, ..self }
    }

    /// What is wrong with it as it was read, if it is to be that of a name.
    pub fn problem(&self, name: &Name) -> Option<String> {
        match Bundle::read(self.bundle.clone()) {
            Err(error) => Some(error.to_string()),
            Ok(bundle) if bundle.list().owner().name != *name => Some("it is another's".into()),
            Ok(bundle) if Self::of(&bundle) != *self => Some("it is another version".into()),
            Ok(_) => None,
        }
    }
}
