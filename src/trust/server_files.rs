//! What is in the files of a server's certificate and its key, and what they are where they will not do.
//!
//! Owned by the server's [`Certificates`](super::tls::Certificates), which reads them at start and again when it is told to.
//! Tables go from the special to the general: the first row that fits is the one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::{Error, InconsistentKeys};

use super::{Fingerprint, kinds};

/// Where a server's certificate is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, and behind it those that signed it, in PEM.
    pub certificate: PathBuf,
    /// Its private key in PEM.
    pub key: PathBuf,
}

/// Why there is no certificate. Made to be read by the server's operator.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum CertificateError {
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("{} is {is}: {helps}", path.display())]
    Kind { path: PathBuf, is: &'static str, helps: String },
    #[error("{} is damaged: {how}", path.display())]
    Damaged { path: PathBuf, how: &'static str },
    #[error("{} is not a certificate that can be used: {cause}", path.display())]
    Strange { path: PathBuf, cause: Error },
    #[error(
        "the private key {0} can be read by everybody on this machine; change that with: chmod o= {0}",
        path.display()
    )]
    Exposed { path: PathBuf },
    #[error(
        "cannot use {} with {}: {because}", files.certificate.display(), files.key.display()
    )]
    Unusable { files: CertificateFiles, because: String },
    #[error("cannot make a certificate with the key {}: {cause}", key.display())]
    Make { key: PathBuf, cause: rcgen::Error },
    #[error("cannot write {}: {cause}", path.display())]
    Write { path: PathBuf, cause: io::Error },
}

/// What begins a text in UTF-8 and in UTF-16 where an editor marks it.
const UTF8: &[u8] = b"\xef\xbb\xbf";
const UTF16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// The kinds of keys that go.
const KINDS: &str = "RSA with 2048 to 4096 bits, ECDSA on P-256 or P-384, and Ed25519 go, as openssl genpkey -algorithm ed25519 makes one";

const ASK: &str = "what its signer answers is the certificate";
const SWAPPED: &str = "--cert names the certificate, and --key its private key";
const UNLOCK: &str =
    "nobody can type a passphrase when a server starts; openssl pkey -in FILE -out NEW unlocks it";
const PEM: &str = "openssl x509 -inform der -in FILE -out NEW writes a certificate in PEM, openssl pkcs12 -in FILE -out NEW -nodes what is in a .pfx";
const KEY_PEM: &str = "openssl pkey -in FILE -out NEW writes it in PEM, openssl pkcs12 -in FILE -out NEW -nodes what is in a .pfx";

/// What stands in a file without a certificate, what it is then, and what helps.
const NO_CERTIFICATES: &[(&str, &str, &str)] = &[
    (
        "-----BEGIN TRUSTED CERTIFICATE-----",
        "a certificate as openssl alone writes it",
        "openssl x509 -in FILE -out NEW writes it as others read it",
    ),
    ("CERTIFICATE REQUEST-----", "a request for a certificate", ASK),
    (
        "-----BEGIN PKCS7-----",
        "a bundle in PKCS#7",
        "openssl pkcs7 -print_certs -in FILE -out NEW takes certificates out of it",
    ),
    ("PRIVATE KEY-----", "a private key, and no certificate", SWAPPED),
    ("PUBLIC KEY-----", "a public key, and no certificate", SWAPPED),
    ("ssh-", "a key of OpenSSH's, and no X.509 certificate", SWAPPED),
    ("ecdsa-", "a key of OpenSSH's, and no X.509 certificate", SWAPPED),
];

/// What older programs put into a private key that is locked (RFC 1421).
const LOCKED: &str = "Proc-Type: 4,ENCRYPTED";

/// The same of one without a private key that can be read.
const NO_KEYS: &[(&str, &str, &str)] = &[
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "locked by a passphrase", UNLOCK),
    ("-----BEGIN OPENSSH PRIVATE KEY-----", "a key of OpenSSH's, and none in PEM", KINDS),
    ("-----BEGIN DSA PRIVATE KEY-----", "a DSA key", KINDS),
    ("PuTTY-User-Key-File-", "a key of PuTTY's, and none in PEM", KINDS),
    ("PUBLIC KEY-----", "a public key, and no private one", SWAPPED),
    ("-----BEGIN CERTIFICATE-----", "a certificate, and no private key", SWAPPED),
];

/// How kinds of keys that do not go are told in a certificate (the object identifiers of RFC 5480, 3279, 4055, and 8410).
const KEYS: &[(&[u8], &str)] = &[
    (b"\x06\x05\x2b\x81\x04\x00\x23", "for an ECDSA key on P-521"),
    (b"\x06\x05\x2b\x81\x04\x00\x0a", "for an ECDSA key on secp256k1"),
    (b"\x06\x07\x2a\x86\x48\xce\x38\x04\x01", "for a DSA key"),
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", "for a key of RSASSA-PSS alone"),
    (b"\x06\x03\x2b\x65\x71", "for an Ed448 key"),
];

/// A certificate, and those that signed it.
type Chain = (CertificateDer<'static>, Vec<CertificateDer<'static>>);

/// The certificate, and behind it those that signed it.
pub(super) fn chain(path: &Path) -> Result<Chain, CertificateError> {
    let text = read(path)?;
    let mut chain = CertificateDer::pem_slice_iter(&text);
    let Some(first) = chain.next() else {
        return Err(unknown(path, &text, NO_CERTIFICATES, PEM));
    };
    let first = first.and_then(|first| Ok((first, chain.collect::<Result<_, _>>()?)));
    first.map_err(|error| damaged(path, &error))
}

/// The private key.
pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        pem::Error::NoItemsFound => unknown(path, &text, NO_KEYS, KEY_PEM),
        // Lines that say so stand before its base64.
        _ if contains(&text, LOCKED) => of_kind(path, "locked by a passphrase", UNLOCK),
        error => damaged(path, &error),
    })
}

/// The fingerprint of a certificate's key, if that is of a kind that goes.
pub(super) fn fingerprint(
    path: &Path,
    certificate: &CertificateDer<'_>,
) -> Result<Fingerprint, CertificateError> {
    let kind = |is, helps: &str| of_kind(path, is, helps);
    let parsed = ParsedCertificate::try_from(certificate).map_err(|error| {
        match format!("{error:?}").contains("UnsupportedCertVersion") {
            true => kind("an X.509 certificate of version 1", V3),
            false => CertificateError::Strange { path: path.into(), cause: error },
        }
    })?;
    let key = parsed.subject_public_key_info();
    let strange = KEYS.iter().find(|(id, _)| key.windows(id.len()).any(|it| it == *id));
    match strange {
        Some((_, is)) => Err(kind(is, KINDS)),
        None => Ok(Fingerprint::of(&key)),
    }
}

const V3: &str = "version 3 goes, as openssl req -x509 writes it";

/// Why a certificate and a key that were read do not go together.
pub(super) fn misfit(error: Error) -> String {
    match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            "the private key is not that of the certificate".into()
        }
        Error::General(_) => format!("the private key is of a kind that does not go: {KINDS}"),
        error => error.to_string(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let text =
        fs::read(path).map_err(|cause| CertificateError::Read { path: path.into(), cause })?;
    if UTF16.iter().any(|mark| text.starts_with(mark)) {
        let helps = "iconv -f UTF-16 -t UTF-8 FILE > NEW writes it as others read it";
        return Err(of_kind(path, "text in UTF-16", helps));
    }
    Ok(text.strip_prefix(UTF8).map(Into::into).unwrap_or(text))
}

/// What a file is that has nothing of what was looked for.
fn unknown(
    path: &Path,
    text: &[u8],
    rows: &'static [(&str, &str, &str)],
    helps: &str,
) -> CertificateError {
    /// What DER begins with: a sequence.
    const SEQUENCE: u8 = 0x30;
    let is_der = text.first() == Some(&SEQUENCE) && text.contains(&0);
    match rows.iter().find(|(part, ..)| contains(text, part)) {
        Some((_, is, helps)) => of_kind(path, is, helps),
        None if is_der => of_kind(path, "not in PEM, but in DER or PKCS#12", helps),
        None if text.is_empty() => of_kind(path, "empty", SWAPPED),
        None => of_kind(path, "not in PEM", SWAPPED),
    }
}

fn contains(text: &[u8], part: &str) -> bool {
    memchr::memmem::find(text, part.as_bytes()).is_some()
}

fn of_kind(path: &Path, is: &'static str, helps: &str) -> CertificateError {
    let helps = helps.replace("FILE", &kinds::word(path));
    CertificateError::Kind { path: path.into(), is, helps }
}

fn damaged(path: &Path, error: &pem::Error) -> CertificateError {
    let how = match error {
        pem::Error::MissingSectionEnd { .. } => "its end is missing",
        pem::Error::IllegalSectionStart { .. } => "a line that begins with ----- does not end so",
        _ => "what stands between its lines with ----- is no base64",
    };
    CertificateError::Damaged { path: path.into(), how }
}
