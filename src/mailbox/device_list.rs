//! Device lists, as a mailbox keeps them: the newest one of each name.
//!
//! Plain values. Invariant: what is made of a signed list has its owner and its version; what was read from a disk may
//! be damaged, and [says so](KeptList::problem).

use bytes::Bytes;

use crate::message::Name;
use crate::trust::devices::{Owner, SignedList};
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
}

/// A list as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptList {
    /// Which it is.
    pub id: ListId,
    /// The list and its signature, as they came.
    pub statement: Bytes,
}

impl KeptList {
    /// What is kept of a list.
    pub fn of(signed: &SignedList) -> Self {
        let list = signed.list();
        let Owner { server, identity, .. } = *list.owner();
        let id = ListId { owner: identity, version: list.version(), server };
        Self { id, statement: signed.bytes().clone() }
    }

    /// What is wrong with it, if it is to be that of a name.
    pub fn problem(&self, name: &Name) -> Option<String> {
        match SignedList::read(self.statement.clone()) {
            Err(error) => Some(error.to_string()),
            Ok(signed) if signed.list().owner().name != *name => Some("it is another's".into()),
            Ok(signed) if Self::of(&signed) != *self => Some("it is another version".into()),
            Ok(_) => None,
        }
    }
}
