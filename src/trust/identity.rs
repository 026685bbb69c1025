//! A person's Ed25519 key in OpenSSH's format, and the SSHSIG signatures made with it (OpenSSH
//! `PROTOCOL.sshsig`), such that `ssh-keygen -Y` can make and check them.
//!
//! Owned by the client. Invariant: the private key never leaves [`Identity`], or the agent that has it.

use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ssh_key::private::Ed25519Keypair;
use ssh_key::rand_core::OsRng;
use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};

use super::agent::{Agent, AgentError};
use super::key_file::{self, Content, IdentityError, KeyFile};
use super::public_key::PublicKey;
use crate::folder::write_private;

/// A person's private key, or the agent that has it.
pub struct Identity {
    signer: Signer,
    public: PublicKey,
}

enum Signer {
    Key(Box<PrivateKey>),
    Agent {
        agent: Agent,
        /// The key is also in a file, locked.
        has_file: bool,
    },
}

impl Identity {
    /// A new key that is on no disk.
    pub fn generate() -> Result<Self, IdentityError> {
        let key = Ed25519Keypair::random(&mut OsRng);
        let public = PublicKey::from(key.public);
        Ok(Self { signer: Signer::Key(Box::new(key.into())), public })
    }

    /// The key in a file, made there (mode 0600) if there is none.
    pub fn open_or_create(file: KeyFile<'_>) -> Result<Self, IdentityError> {
        match file.path.try_exists() {
            Ok(false) => Self::create(file.path),
            _ => Self::open(file),
        }
    }

    /// The key in a file. If it is locked, an agent that has it is asked first.
    pub fn open(file: KeyFile<'_>) -> Result<Self, IdentityError> {
        let path = file.path.to_path_buf();
        let (key, public) = match key_file::read(&path)? {
            Content::Private(key, public) => (key, public),
            Content::Public(public) => {
                return held(file.agent, public, false).map_err(|error| match error {
                    Some(error) if !error.is_lack() => error.into(),
                    _ => IdentityError::Public { path },
                });
            }
        };
        refuse_exposed(&path)?;
        if !key.is_encrypted() {
            return Ok(Self { signer: Signer::Key(key), public });
        }
        match (held(file.agent, public, true), file.passphrase) {
            (Ok(identity), _) => Ok(identity),
            (Err(_), None) => Err(IdentityError::Locked { path }),
            (Err(_), Some(passphrase)) => match key_file::unlock(&key, passphrase) {
                Ok(key) => Ok(Self { signer: Signer::Key(Box::new(key)), public }),
                Err(ssh_key::Error::Crypto) => Err(IdentityError::Passphrase { path }),
                Err(cause) => Err(IdentityError::Damaged { path, cause }),
            },
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// Whether an agent signs, though a passphrase would do, too.
    pub fn can_be_unlocked(&self) -> bool {
        matches!(self.signer, Signer::Agent { has_file: true, .. })
    }

    /// Whether it can sign, as far as can be seen without doing it. May block for a moment.
    pub fn look(&self) -> Result<(), AgentError> {
        match &self.signer {
            Signer::Key(_) => Ok(()),
            Signer::Agent { agent, .. } => agent.show(&self.public.wire_form()),
        }
    }

    /// An armoured SSHSIG over `text`. May block, where an agent has to ask its owner.
    pub fn sign(&self, namespace: &str, text: &str) -> Result<String, IdentityError> {
        let signature = match &self.signer {
            Signer::Key(key) => key
                .sign(namespace, HashAlg::Sha512, text.as_bytes())
                .map_err(IdentityError::Sign)?,
            Signer::Agent { agent, .. } => self.sign_by(agent, namespace, text)?,
        };
        signature.to_pem(LineEnding::LF).map_err(IdentityError::Sign)
    }

    /// What the agent signs is what the key itself would: `PROTOCOL.sshsig` §3.
    fn sign_by(&self, agent: &Agent, namespace: &str, text: &str) -> Result<SshSig, IdentityError> {
        let data = SshSig::signed_data(namespace, HashAlg::Sha512, text.as_bytes())
            .map_err(IdentityError::Sign)?;
        let signature = agent.sign(&self.public.wire_form(), &data)?;
        let key = self.public.openssh();
        let signature = SshSig::new(key.key_data().clone(), namespace, HashAlg::Sha512, signature);
        let signature = signature.map_err(IdentityError::Sign)?;
        key.verify(namespace, text.as_bytes(), &signature).map_err(|_| agent.unfit())?;
        Ok(signature)
    }

    fn create(path: &Path) -> Result<Self, IdentityError> {
        let pair = Ed25519Keypair::random(&mut OsRng);
        let public = PublicKey::from(pair.public);
        let key = PrivateKey::from(pair);
        let text = key.to_openssh(LineEnding::LF).map_err(IdentityError::Sign)?;
        write_private(path, text.as_bytes())
            .map_err(|cause| IdentityError::Write { path: path.into(), cause })?;
        Ok(Self { signer: Signer::Key(Box::new(key)), public })
    }
}

fn refuse_exposed(path: &Path) -> Result<(), IdentityError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.mode() & 0o077 != 0 => {
            Err(IdentityError::Exposed { path: path.into() })
        }
        Ok(_) => Ok(()),
        Err(cause) => Err(IdentityError::Read { path: path.into(), cause }),
    }
}

/// The identity of a key that an agent has; or why it has not, if there is an agent.
fn held(
    agent: Option<&Path>,
    public: PublicKey,
    has_file: bool,
) -> Result<Identity, Option<AgentError>> {
    let agent = Agent::at(agent.ok_or(None)?);
    agent.show(&public.wire_form())?;
    Ok(Identity { signer: Signer::Agent { agent, has_file }, public })
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A key that nobody helps with.
    fn file(path: &Path) -> KeyFile<'_> {
        KeyFile { path, agent: None, passphrase: None }
    }

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        let made = Identity::open_or_create(file(&path)).unwrap();
        let again = Identity::open_or_create(file(&path)).unwrap();
        assert_eq!(made.public(), again.public());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        Identity::open_or_create(file(&path)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::open_or_create(file(&path)).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_broken_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        Identity::open_or_create(file(&path)).unwrap();
        fs::write(&path, "garbage").unwrap();
        assert!(matches!(Identity::open_or_create(file(&path)), Err(IdentityError::Format { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"garbage");
    }

    #[test]
    fn a_signature_fits_its_key_its_text_and_its_namespace_only() {
        let (john, marie) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let signature = john.sign("tinychat", "text").unwrap();
        let signed = |key: &Identity, namespace, text| {
            key.public().has_signed(namespace, text, signature.as_bytes())
        };
        assert!(signed(&john, "tinychat", "text"));
        assert!(!signed(&marie, "tinychat", "text"));
        assert!(!signed(&john, "file", "text"));
        assert!(!signed(&john, "tinychat", "other text"));
        assert!(!john.public().has_signed("tinychat", "text", b"garbage"));
    }
}
