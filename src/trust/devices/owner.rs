//! Whose a statement is: the lines that those have in common which a person signs.
//!
//! Owned by a list, or by a writer. Invariant: what it is displayed as is read as it.

use std::fmt;
use std::str::Lines;

use super::lines::{Misplaced, hash_or, line, or_none, parsed};
use crate::message::Name;
use crate::trust::{Fingerprint, PublicKey};

/// Whose it is. Displayed as three lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The fingerprint of the server on which it counts; none of a server without TLS.
    pub server: Option<Fingerprint>,
    /// The name there.
    pub name: Name,
    /// The key that owns the name, and signs what it owns.
    pub identity: PublicKey,
}

impl Owner {
    /// The owner that the next lines name.
    pub(super) fn read(lines: &mut Lines<'_>) -> Result<Self, Misplaced> {
        Ok(Self {
            server: line(lines, "server", |word| hash_or(word, "none"))?,
            name: line(lines, "name", parsed)?,
            identity: line(lines, "identity", parsed)?,
        })
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "server {}", or_none(self.server, "none"))?;
        writeln!(f, "name {}", self.name)?;
        writeln!(f, "identity {}", self.identity)
    }
}
