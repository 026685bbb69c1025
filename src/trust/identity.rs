//! A person's Ed25519 key in OpenSSH's format, and the SSHSIG signatures made with it (OpenSSH
//! `PROTOCOL.sshsig`), such that `ssh-keygen -Y` can make and check them.
//!
//! Owned by the client (the private half) and by the server's book of names (the public one). The
//! private key never leaves [`Identity`].

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ssh_key::private::Ed25519Keypair;
use ssh_key::public::Ed25519PublicKey;
use ssh_key::rand_core::OsRng;
use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};
use thiserror::Error;

use super::Fingerprint;

/// The word that OpenSSH puts before an Ed25519 public key.
const ALGORITHM: &str = "ssh-ed25519";

/// A person's private key.
pub struct Identity {
    key: PrivateKey,
    public: PublicKey,
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
    #[error("{} is not a private key in OpenSSH's format: {cause}", path.display())]
    Format { path: PathBuf, cause: ssh_key::Error },
    #[error("the key {} is locked by a passphrase, which cannot be asked for yet", path.display())]
    Locked { path: PathBuf },
    #[error("the key {} is of another kind: only Ed25519 keys can sign in", path.display())]
    NotEd25519 { path: PathBuf },
    #[error("cannot make a signature: {0}")]
    Sign(ssh_key::Error),
}

impl Identity {
    /// A new key that is on no disk.
    pub fn generate() -> Result<Self, IdentityError> {
        let key = Ed25519Keypair::random(&mut OsRng);
        let public = PublicKey(key.public);
        Ok(Self { key: key.into(), public })
    }

    /// The key in the file `path`, made there (mode 0600) if there is none.
    pub fn load_or_create(path: &Path) -> Result<Self, IdentityError> {
        match fs::read(path) {
            Ok(bytes) => Self::load(path, &bytes),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Self::create(path),
            Err(cause) => Err(IdentityError::Read { path: path.into(), cause }),
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// An armoured SSHSIG over `text`.
    pub fn sign(&self, namespace: &str, text: &str) -> Result<String, IdentityError> {
        self.key
            .sign(namespace, HashAlg::Sha512, text.as_bytes())
            .and_then(|signature| signature.to_pem(LineEnding::LF))
            .map_err(IdentityError::Sign)
    }

    fn load(path: &Path, bytes: &[u8]) -> Result<Self, IdentityError> {
        let path = path.to_path_buf();
        match fs::metadata(&path) {
            Ok(metadata) if metadata.mode() & 0o077 != 0 => {
                return Err(IdentityError::Exposed { path });
            }
            Ok(_) => {}
            Err(cause) => return Err(IdentityError::Read { path, cause }),
        }
        let key = match PrivateKey::from_openssh(bytes) {
            Ok(key) => key,
            Err(cause) => return Err(IdentityError::Format { path, cause }),
        };
        if key.is_encrypted() {
            return Err(IdentityError::Locked { path });
        }
        match key.public_key().key_data().ed25519() {
            Some(public) => Ok(Self { public: PublicKey(*public), key }),
            None => Err(IdentityError::NotEd25519 { path }),
        }
    }

    fn create(path: &Path) -> Result<Self, IdentityError> {
        let identity = Self::generate()?;
        let text = identity.key.to_openssh(LineEnding::LF).map_err(IdentityError::Sign)?;
        write_whole(path, text.as_bytes())
            .map_err(|cause| IdentityError::Write { path: path.into(), cause })?;
        Ok(identity)
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.public())
    }
}

/// Writes a private file that is either whole or not there, whenever the power goes.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.to_path_buf();
    fresh.set_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

/// A person's public key. Displayed as the base64 word of an OpenSSH public key line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(Ed25519PublicKey);

impl PublicKey {
    /// Whether `armour` is an SSHSIG by this key over `text`.
    pub fn has_signed(&self, namespace: &str, text: &str, armour: &[u8]) -> bool {
        SshSig::from_pem(armour)
            .and_then(|signature| self.openssh().verify(namespace, text.as_bytes(), &signature))
            .is_ok()
    }

    /// What `ssh-keygen -l` shows of it.
    pub fn fingerprint(&self) -> Fingerprint {
        // The wire form of RFC 8709 §4: the algorithm and the key, each behind its length.
        let parts = [ALGORITHM.as_bytes(), &self.0.0];
        let wire = parts.map(|part| [&(part.len() as u32).to_be_bytes(), part].concat()).concat();
        Fingerprint::of(&wire)
    }

    fn openssh(&self) -> ssh_key::PublicKey {
        ssh_key::PublicKey::from(self.0)
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
        let key = key.map_err(|_| PublicKeyError)?;
        key.key_data().ed25519().copied().map(Self).ok_or(PublicKeyError)
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

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        let made = Identity::load_or_create(&path).unwrap();
        let again = Identity::load_or_create(&path).unwrap();
        assert_eq!(made.public(), again.public());
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        Identity::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Identity::load_or_create(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_broken_key_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id_ed25519");
        Identity::load_or_create(&path).unwrap();
        fs::write(&path, "garbage").unwrap();
        assert!(matches!(Identity::load_or_create(&path), Err(IdentityError::Format { .. })));
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
