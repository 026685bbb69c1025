//! What is in the file of a person's key: its private half, or the public one alone.
//!
//! Owned by [`Identity`](super::Identity), which reads a file once. Invariant: what `ssh-keygen` reads is read, and what is
//! refused is named for what it is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Buf, Bytes};
use ssh_key::PrivateKey;
use ssh_key::private::Ed25519Keypair;
use thiserror::Error;

use super::agent::{AgentError, take_string};
use super::armour;
use super::kinds::{self, Kind};
use super::public_key::{ALGORITHM, PublicKey};

/// What OpenSSH calls a private key, in its armour.
const LABEL: &str = "OPENSSH PRIVATE KEY";

/// What such a key begins with (OpenSSH `PROTOCOL.key` §1).
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// What stands before the 32 bytes of an Ed25519 key in PKCS#8 (RFC 8410 §7).
const PKCS8: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// How many bytes behind a locked key say whether it was changed, where its cipher has that.
const TAG: usize = 16;

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

fn because(cause: Option<&ssh_key::Error>) -> String {
    cause.map_or_else(String::new, |cause| format!(": {cause}"))
}

pub(super) enum Content {
    Private(Box<PrivateKey>, PublicKey),
    Public(PublicKey),
}

pub(super) fn read(path: &Path) -> Result<Content, IdentityError> {
    let content =
        fs::read(path).map_err(|cause| IdentityError::Read { path: path.into(), cause })?;
    if let Some(armour) = armour::rewrapped(&content, LABEL) {
        let key = private(path, &armour)?;
        let public = PublicKey::of(key.public_key());
        let algorithm = key.algorithm();
        let public = public.ok_or_else(|| other(path, algorithm.as_str()))?;
        return Ok(Content::Private(Box::new(key), public));
    }
    if let Some(pair) = pkcs8(&content) {
        let public = PublicKey::from(pair.public);
        return Ok(Content::Private(Box::new(pair.into()), public));
    }
    if let Some(kind) = kinds::of_file(path, &content) {
        return Err(of_kind(path, kind));
    }
    let Some((algorithm, word)) = public_line(&String::from_utf8_lossy(&content)) else {
        return Err(IdentityError::Format { path: path.into(), cause: None });
    };
    if algorithm != ALGORITHM {
        return Err(other(path, &algorithm));
    }
    let public = word.parse().map_err(|_| IdentityError::Format { path: path.into(), cause: None });
    public.map(Content::Public)
}

/// Unlocks a key. If the passphrase fits, whatever its comment is.
pub(super) fn unlock(key: &PrivateKey, passphrase: &str) -> Result<PrivateKey, ssh_key::Error> {
    match key.decrypt(passphrase) {
        Err(cause) if cause != ssh_key::Error::Crypto => {
            let section = decrypt(key, passphrase)?;
            pair(section.into()).map(PrivateKey::from).ok_or(cause)
        }
        unlocked => unlocked,
    }
}

fn private(path: &Path, armour: &str) -> Result<PrivateKey, IdentityError> {
    let cause = match PrivateKey::from_openssh(armour) {
        Ok(key) => return Ok(key),
        Err(cause) => cause,
    };
    let bytes = armour::bytes(armour.as_bytes(), LABEL).map(Bytes::from);
    let Some((algorithm, section)) = bytes.and_then(parts) else {
        return Err(IdentityError::Format { path: path.into(), cause: Some(cause) });
    };
    if let Some(kind) = kinds::of_algorithm(&algorithm) {
        return Err(of_kind(path, kind));
    }
    let key = pair(section).map(PrivateKey::from);
    key.ok_or(IdentityError::Format { path: path.into(), cause: Some(cause) })
}

/// An Ed25519 key as `openssl` writes it, and newer versions of `ssh-keygen` read it.
fn pkcs8(content: &[u8]) -> Option<Ed25519Keypair> {
    let bytes = armour::bytes(content, "PRIVATE KEY")?;
    let seed = bytes.strip_prefix(PKCS8)?;
    Some(Ed25519Keypair::from_seed(seed.try_into().ok()?))
}

/// The algorithm of a key in OpenSSH's format, and what it keeps to itself.
fn parts(mut bytes: Bytes) -> Option<(String, Bytes)> {
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    bytes.advance(MAGIC.len());
    let (_cipher, _derivation, _options) =
        (take_string(&mut bytes)?, take_string(&mut bytes)?, take_string(&mut bytes)?);
    let _count = bytes.try_get_u32().ok()?;
    let mut public = take_string(&mut bytes)?;
    let algorithm = String::from_utf8_lossy(&take_string(&mut public)?).into_owned();
    Some((algorithm, take_string(&mut bytes)?))
}

/// The key in what a file keeps to itself (`PROTOCOL.key` §3). The comment behind it, which `ssh-key` takes in UTF-8 alone,
/// is not looked at.
fn pair(mut section: Bytes) -> Option<Ed25519Keypair> {
    let checks = (section.try_get_u32().ok()?, section.try_get_u32().ok()?);
    let algorithm = take_string(&mut section)?;
    let (_public, pair) = (take_string(&mut section)?, take_string(&mut section)?);
    if checks.0 != checks.1 || algorithm != ALGORITHM {
        return None;
    }
    Ed25519Keypair::from_bytes(pair.as_ref().try_into().ok()?).ok()
}

fn decrypt(key: &PrivateKey, passphrase: &str) -> Result<Vec<u8>, ssh_key::Error> {
    let (secret, iv) = key.kdf().derive_key_and_iv(key.cipher(), passphrase)?;
    let mut section = key.key_data().encrypted().ok_or(ssh_key::Error::Decrypted)?.to_vec();
    let bytes = key.to_bytes()?;
    let tag = bytes.last_chunk::<TAG>().copied().filter(|_| key.cipher().has_tag());
    key.cipher().decrypt(&secret, &iv, &mut section, tag)?;
    Ok(section)
}

/// The first public key in a text of lines, as algorithm and base64: behind options, or behind names of hosts. Of a line that
/// has the algorithm alone the base64 is empty.
fn public_line(text: &str) -> Option<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.map(words).find_map(|words| {
        let at = words.iter().position(|word| is_algorithm(word))?;
        let base64 = words.get(at + 1).cloned().unwrap_or_default();
        Some((words[at].clone(), base64))
    })
}

fn is_algorithm(word: &str) -> bool {
    word == ALGORITHM || kinds::of_algorithm(word).is_some()
}

/// What stands between blanks. Quotation marks hold together what has blanks in it, as in options.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut is_quoted, mut is_escaped) = (vec![String::new()], false, false);
    for character in line.chars() {
        if character == '"' && !is_escaped {
            is_quoted = !is_quoted;
        }
        is_escaped = character == '\\' && !is_escaped;
        match words.last_mut() {
            Some(word) if is_quoted || !character.is_whitespace() => word.push(character),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn of_kind(path: &Path, Kind { is, helps }: Kind) -> IdentityError {
    IdentityError::Kind { path: path.into(), is, helps }
}

/// A key in the right format that does not sign in.
fn other(path: &Path, algorithm: &str) -> IdentityError {
    match kinds::of_algorithm(algorithm) {
        Some(kind) => of_kind(path, kind),
        None => IdentityError::Format { path: path.into(), cause: None },
    }
}
