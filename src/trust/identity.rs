//! A person's Ed25519 key in OpenSSH's format, and the SSHSIG signatures made with it (OpenSSH
//! `PROTOCOL.sshsig`), such that `ssh-keygen -Y` can make and check them.
//!
//! Owned by the client (the private half) and by the server's book of names (the public one). The
//! private key never leaves [`Identity`], or the agent that has it.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ssh_key::private::Ed25519Keypair;
use ssh_key::public::Ed25519PublicKey;
use ssh_key::rand_core::OsRng;
use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};
use thiserror::Error;

use super::agent::{Agent, AgentError};
use super::key_file::{self, Content};
use super::{Fingerprint, armour};
use crate::folder::write_private;

/// The word that OpenSSH puts before an Ed25519 public key.
pub(super) const ALGORITHM: &str = "ssh-ed25519";

/// What OpenSSH calls a signature, in its armour.
const SIGNATURE: &str = "SSH SIGNATURE";

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

/// Where a key is, and what it takes to use it.
#[derive(Clone, Copy, Debug)]
pub struct KeyFile<'a> {
    /// A private key in OpenSSH's format; or a public one, whose private half an agent has.
    pub path: &'a Path,
    /// The socket of an agent that may have the key (`SSH_AUTH_SOCK`).
    pub agent: Option<&'a Path>,
    /// What may unlock it.
    pub passphrase: Option<&'a str>,
}

/// Why there is no identity. Made to be read by the person whose key it is.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum IdentityError {
    #[error("cannot read the key {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("cannot write the key {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
    #[error(
        "the private key {0} can be read by others; make it yours alone with: chmod 600 {0}",
        path.display()
    )]
    Exposed { path: PathBuf },
    #[error("{} is not a key in OpenSSH's format{}", path.display(), because(cause.as_ref()))]
    Format { path: PathBuf, cause: Option<ssh_key::Error> },
    #[error("{} is {is}: {helps}", path.display())]
    Kind { path: PathBuf, is: &'static str, helps: String },
    #[error(
        "the key {0} is locked by a passphrase and there is no terminal to ask for it at; hand it to your agent first, with: ssh-add {0}",
        path.display()
    )]
    Locked { path: PathBuf },
    #[error("this passphrase does not unlock the key {}", path.display())]
    Passphrase { path: PathBuf },
    #[error("this passphrase fits the key {}, but what it unlocks is damaged: {cause}", path.display())]
    Damaged { path: PathBuf, cause: ssh_key::Error },
    #[error("{} is a public key, and no agent has the private one; name that, or hand it to your agent with ssh-add", path.display())]
    Public { path: PathBuf },
    #[error("cannot make a signature: {0}")]
    Sign(ssh_key::Error),
    #[error("{0}")]
    Agent(#[from] AgentError),
}

impl Identity {
    /// A new key that is on no disk.
    pub fn generate() -> Result<Self, IdentityError> {
        let key = Ed25519Keypair::random(&mut OsRng);
        let public = PublicKey(key.public);
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
        let public = PublicKey(pair.public);
        let key = PrivateKey::from(pair);
        let text = key.to_openssh(LineEnding::LF).map_err(IdentityError::Sign)?;
        write_private(path, text.as_bytes())
            .map_err(|cause| IdentityError::Write { path: path.into(), cause })?;
        Ok(Self { signer: Signer::Key(Box::new(key)), public })
    }
}

fn because(cause: Option<&ssh_key::Error>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
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

/// A person's public key. Displayed as the base64 word of an OpenSSH public key line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey(Ed25519PublicKey);

impl PublicKey {
    /// Whether `armour` is an SSHSIG by this key over `text`.
    pub fn has_signed(&self, namespace: &str, text: &str, armour: &[u8]) -> bool {
        let Some(armour) = armour::rewrapped(armour, SIGNATURE) else { return false };
        SshSig::from_pem(armour)
            .and_then(|signature| self.openssh().verify(namespace, text.as_bytes(), &signature))
            .is_ok()
    }

    /// The same of a key that may be of another kind.
    pub(super) fn of(key: &ssh_key::PublicKey) -> Option<Self> {
        key.key_data().ed25519().copied().map(Self)
    }

    /// What `ssh-keygen -l` shows of it.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.wire_form())
    }

    /// As in RFC 8709 §4: the algorithm and the key, each behind its length.
    fn wire_form(&self) -> Vec<u8> {
        let parts = [ALGORITHM.as_bytes(), &self.0.0];
        parts.map(|part| [&(part.len() as u32).to_be_bytes(), part].concat()).concat()
    }

    fn openssh(&self) -> ssh_key::PublicKey {
        ssh_key::PublicKey::from(self.0)
    }
}

impl From<Ed25519PublicKey> for PublicKey {
    fn from(key: Ed25519PublicKey) -> Self {
        Self(key)
    }
}

/// A text is not the base64 word of an Ed25519 public key.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a key is the base64 word of an Ed25519 public key in OpenSSH's format")]
pub struct PublicKeyError;

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(word: &str) -> Result<Self, PublicKeyError> {
        // A comment or another line behind the key would be let through by the parser.
        if word.contains(char::is_whitespace) {
            return Err(PublicKeyError);
        }
        let key = ssh_key::PublicKey::from_openssh(&format!("{ALGORITHM} {word}"));
        key.ok().as_ref().and_then(Self::of).ok_or(PublicKeyError)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.openssh().to_openssh().map_err(|_| fmt::Error)?;
        f.write_str(line.split(' ').nth(1).unwrap_or_default())
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

    #[test]
    fn a_fingerprint_is_what_openssh_shows() {
        let key = Identity::generate().unwrap().public();
        let shown = key.openssh().fingerprint(HashAlg::Sha256).to_string();
        assert_eq!(key.fingerprint().to_string(), shown);
    }

    #[test]
    fn a_public_key_survives_the_wire_and_nothing_else_does() {
        let key = Identity::generate().unwrap().public();
        let word = key.to_string();
        assert_eq!(word.parse(), Ok(key));
        for bad in ["", "AAAA", &format!("{word} comment"), &word[..40]] {
            assert_eq!(bad.parse::<PublicKey>(), Err(PublicKeyError), "{bad}");
        }
    }
}
