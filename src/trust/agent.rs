//! A person's SSH agent, which may have the key and makes signatures with it (RFC draft
//! `draft-ietf-sshm-ssh-agent`).
//!
//! Owned by the identity whose key the agent has. Each question has a connection of its own: an agent may be
//! started again meanwhile. Everything here blocks.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ssh_agent_client_rs::{Client, Error, Identity};
use ssh_key::{PublicKey, Signature};

/// How long an agent may take to say which keys it has.
const PROMPTLY: Duration = Duration::from_secs(5);

/// How long it may take to sign: it may ask a person, or wait for a finger on a token.
const PATIENTLY: Duration = Duration::from_secs(60);

/// Where an agent listens.
pub(super) struct Agent(PathBuf);

impl Agent {
    pub(super) fn at(path: &Path) -> Self {
        Self(path.into())
    }

    /// Whether it has the key. One that does not answer has none.
    pub(super) fn has(&self, key: &PublicKey) -> bool {
        let is_it = |identity: &Identity<'_>| match identity {
            Identity::PublicKey(it) => it.key_data() == key.key_data(),
            Identity::Certificate(_) => false,
        };
        let keys = self.connect(PROMPTLY).and_then(|mut agent| agent.list_all_identities());
        keys.is_ok_and(|keys| keys.iter().any(is_it))
    }

    /// A signature over `data`.
    pub(super) fn sign(&self, key: &PublicKey, data: &[u8]) -> Result<Signature, Error> {
        self.connect(PATIENTLY)?.sign(key, data)
    }

    fn connect(&self, patience: Duration) -> Result<Client, Error> {
        let stream = UnixStream::connect(&self.0)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Client::with_read_write(Box::new(stream)))
    }
}
