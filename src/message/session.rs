//! Which conversation, and which direction of it.
//!
//! Owned by nobody. Invariant: sender and receiver are two people.

use std::fmt;

use thiserror::Error;

use super::Name;

/// One direction of one conversation. Displayed as `"<sender>:<receiver>"`, which is unambiguous
/// because no name has a `:`.
///
/// Ordered by receiver first, so that everything that waits for one person lies side by side.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey {
    receiver: Name,
    sender: Name,
}

/// Sender and receiver of a session are two people.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("nobody can talk to themselves here")]
pub struct TalkToSelf;

impl SessionKey {
    /// The session in which `sender` writes to `receiver`.
    pub fn new(sender: Name, receiver: Name) -> Result<Self, TalkToSelf> {
        if sender == receiver {
            return Err(TalkToSelf);
        }
        Ok(Self { receiver, sender })
    }

    /// Who writes.
    pub fn sender(&self) -> &Name {
        &self.sender
    }

    /// Who reads.
    pub fn receiver(&self) -> &Name {
        &self.receiver
    }

    /// The other direction of the same conversation.
    pub fn reverse(&self) -> Self {
        Self { receiver: self.sender.clone(), sender: self.receiver.clone() }
    }
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.sender, self.receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_and_its_reverse() {
        let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
        assert_eq!(key.to_string(), "john:marie");
        assert_eq!(key.reverse().to_string(), "marie:john");
        assert_eq!(key.reverse().reverse(), key);
        let john: Name = "john".parse().unwrap();
        assert_eq!(SessionKey::new(john.clone(), john), Err(TalkToSelf));
    }
}
