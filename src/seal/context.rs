//! From which device to which a message is, and as which one: what its envelope is bound to.
//!
//! Owned by whoever seals or opens. Invariant: a reader makes it of what it knows and of what a writer's person has
//! signed, and of nothing that is inside.

use sha2::{Digest, Sha256};

use crate::message::{Installation, Name};
use crate::trust::{CurveKey, Fingerprint, PublicKey};

/// What it is made for.
const PURPOSE: &[u8] = b"tinychat/2 envelope 1";

/// A device at one end of a conversation.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Whose it is.
    pub name: &'a Name,
    /// The key that owns the name.
    pub identity: PublicKey,
    /// Which data folder.
    pub installation: Installation,
    /// Its key for sealing.
    pub curve: CurveKey,
}

/// What an envelope is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The server that carries it; none without TLS.
    pub server: Option<Fingerprint>,
    /// Who has sealed it.
    pub from: End<'a>,
    /// Who can open it.
    pub to: End<'a>,
    /// Its number in the session between both names.
    pub n: u64,
}

impl Context<'_> {
    /// SHA-256 over all of it.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        add(&mut hash, PURPOSE);
        let server = self.server.map(|it| it.to_bytes());
        add(&mut hash, server.as_ref().map_or(&[], |it| &it[..]));
        [&self.from, &self.to].into_iter().for_each(|end| end.add_to(&mut hash));
        add(&mut hash, &self.n.to_be_bytes());
        hash.finalize().into()
    }
}

impl End<'_> {
    fn add_to(&self, hash: &mut Sha256) {
        add(hash, self.name.as_str().as_bytes());
        add(hash, &self.identity.to_bytes());
        add(hash, &self.installation.to_u64().to_be_bytes());
        add(hash, &self.curve.to_bytes());
    }
}

/// Adds a field behind its length, so that no two contexts are the same bytes.
fn add(hash: &mut Sha256, field: &[u8]) {
    let length = u16::try_from(field.len()).expect("the longest field is a name");
    hash.update(length.to_be_bytes());
    hash.update(field);
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::trust::Identity;

    #[test]
    fn whatever_differs_is_another_context() {
        let [alice, bob]: [Name; 2] = ["alice", "bob"].map(|name| name.parse().unwrap());
        let keys = [1, 2].map(|byte| CurveKey::from_bytes([byte; 32]));
        let [one, two] = [1, 2].map(Installation::from_u64);
        let identity = || Identity::generate().unwrap().public();
        let (of_alice, of_bob) = (identity(), identity());
        let from = End { name: &alice, identity: of_alice, installation: one, curve: keys[0] };
        let to = End { name: &bob, identity: of_bob, installation: two, curve: keys[1] };
        let plain = Context { server: None, from, to, n: 1 };
        let at = |server: &[u8]| Context { server: Some(Fingerprint::of(server)), ..plain };
        let all = [
            plain,
            at(b"one"),
            at(b"another"),
            Context { n: 2, ..plain },
            Context { from: to, to: from, ..plain },
            Context { from: End { name: &bob, ..from }, ..plain },
            Context { from: End { identity: of_bob, ..from }, ..plain },
            Context { from: End { installation: two, ..from }, ..plain },
            Context { from: End { curve: keys[1], ..from }, ..plain },
            Context { to: End { name: &alice, ..to }, ..plain },
            Context { to: End { identity: of_alice, ..to }, ..plain },
            Context { to: End { installation: one, ..to }, ..plain },
            Context { to: End { curve: keys[0], ..to }, ..plain },
        ];
        let hashes: HashSet<_> = all.iter().map(Context::hash).collect();
        assert_eq!(hashes.len(), all.len());
    }
}
