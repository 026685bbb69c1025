//! TLS 1.3: the server's certificate and key, and how a client verifies them.
//!
//! Owned by the server, which has one [`Certificates`] for all connections, and by the client, whose [`client_config`]
//! trusts nobody: a server is identified by its key's [`Fingerprint`] as soon as the handshake has proved that it has
//! the key, and before anything is said to it.

use std::fs;
use std::io;
use std::iter;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::{self, CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ConnectionCommon, DigitallySignedStruct, Error, PeerIncompatible, ServerConfig,
    SignatureScheme,
};

use super::Fingerprint;
use super::server_files::{self, CertificateError, CertificateFiles};
use crate::folder::write_private;

/// What a connection speaks, in the words of ALPN (RFC 7301).
pub const ALPN: &[u8] = b"tinychat/2";

/// The label of the channel binding `tls-exporter` (RFC 9266 §2), whose context is empty.
const BINDING_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What a sign-in is bound to, so that it is worth nothing on another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// A Unix socket, or TCP that does not leave the machine.
    Plain,
    /// TLS.
    Tls {
        /// Whose key the server has shown.
        server: Fingerprint,
        /// The channel binding `tls-exporter` (RFC 9266).
        binding: [u8; 32],
    },
}

impl Channel {
    /// That of a connection whose handshake is done, and on which the server has shown this key.
    pub fn of<T>(server: Fingerprint, connection: &ConnectionCommon<T>) -> Result<Self, Error> {
        let binding = connection.export_keying_material([0; 32], BINDING_LABEL, None)?;
        Ok(Self::Tls { server, binding })
    }
}

/// A certificate with its key, ready to be shown.
#[derive(Debug)]
pub struct Credentials {
    /// What to accept connections with.
    pub config: Arc<ServerConfig>,
    /// Of the certificate's key.
    pub fingerprint: Fingerprint,
}

/// A server's certificate, which may be read again while the server runs.
#[derive(Debug)]
pub struct Certificates {
    files: CertificateFiles,
    current: RwLock<Arc<Credentials>>,
}

impl Certificates {
    /// Reads an operator's own.
    pub fn open(files: CertificateFiles) -> Result<Self, CertificateError> {
        let current = RwLock::new(Arc::new(Credentials::load(&files)?));
        Ok(Self { files, current })
    }

    /// Reads what was once made in these files, or makes it.
    pub fn open_or_make(files: CertificateFiles) -> Result<Self, CertificateError> {
        // The key is written first, and kept: it is what clients know.
        if !files.certificate.exists() {
            make(&files)?;
        }
        Self::open(files)
    }

    /// What new connections are accepted with.
    pub fn current(&self) -> Arc<Credentials> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again. If that fails, what was read last stays.
    pub fn reload(&self) -> Result<(), CertificateError> {
        let fresh = Arc::new(Credentials::load(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

impl Credentials {
    fn load(files: &CertificateFiles) -> Result<Self, CertificateError> {
        let (first, rest) = server_files::chain(&files.certificate)?;
        let fingerprint = server_files::fingerprint(&files.certificate, &first)?;
        refuse_exposed(&files.key)?;
        let key = server_files::key(&files.key)?;
        let chain = iter::once(first).chain(rest).collect();
        let config = server_config(chain, key).map_err(|error| CertificateError::Unusable {
            files: files.clone(),
            because: server_files::misfit(error),
        })?;
        Ok(Self { config: Arc::new(config), fingerprint })
    }
}

/// A key that only a group reads may be meant so: that is how certificates are shared among services.
fn refuse_exposed(key: &Path) -> Result<(), CertificateError> {
    match fs::metadata(key) {
        Ok(metadata) if metadata.mode() & 0o007 != 0 => {
            Err(CertificateError::Exposed { path: key.into() })
        }
        // What cannot be looked at cannot be read either, and that is said with its cause.
        _ => Ok(()),
    }
}

/// Makes a certificate that signs itself, and a key for it if there is none. It names nobody and does
/// not end: a client looks at nothing but the key.
fn make(files: &CertificateFiles) -> Result<(), CertificateError> {
    let failed = |cause| CertificateError::Make { key: files.key.clone(), cause };
    let key = match fs::read_to_string(&files.key) {
        Ok(text) => KeyPair::from_pem(&text).map_err(failed)?,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
            write(&files.key, &key.serialize_pem())?;
            key
        }
        Err(cause) => {
            return Err(CertificateError::Read { path: files.key.clone(), cause });
        }
    };
    let certificate = CertificateParams::new(["tinychat".into()])
        .and_then(|params| params.self_signed(&key))
        .map_err(failed)?;
    write(&files.certificate, &certificate.pem())
}

fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    write_private(path, text.as_bytes())
        .map_err(|cause| CertificateError::Write { path: path.into(), cause })
}

/// That of a certificate's key.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> Result<Fingerprint, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    Ok(Fingerprint::of(&parsed.subject_public_key_info()))
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![ALPN.into()];
    // Every connection proves anew who is there; a resumed one would not.
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// How a client connects. It checks that the server has the key of its certificate, and no more:
/// whether that is the right one is for the caller, who has the [`fingerprint`] then.
pub fn client_config() -> Result<ClientConfig, Error> {
    let provider = provider();
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(KeyHolder(provider)))
        .with_no_client_auth();
    config.alpn_protocols = vec![ALPN.into()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

/// A client has no certificate, and remembers that it was asked for one: who does that is no TinyChat server, though
/// some go on without.
#[derive(Clone, Debug, Default)]
pub struct NoCertificate(Arc<AtomicBool>);

impl NoCertificate {
    /// Whether a server has asked for it.
    pub fn was_asked_for(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl ResolvesClientCert for NoCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::Relaxed);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(crypto::ring::default_provider())
}

/// Has a server prove that it holds the key of the certificate which it shows, whoever it is.
#[derive(Debug)]
struct KeyHolder(Arc<CryptoProvider>);

impl ServerCertVerifier for KeyHolder {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
