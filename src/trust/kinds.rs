//! Files that people mistake for a usable key: what they are, and what helps.
//!
//! Owned by whoever reads keys. Both tables go from the special to the general: the first row that matches counts.

use std::path::Path;

use super::armour::MARK;

/// What something is, and the command that helps.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) is: &'static str,
    pub(super) helps: String,
}

const NEW: &str = "only Ed25519 keys can sign in; ssh-keygen -t ed25519 makes one";

const PUTTY: &str = "puttygen FILE -O private-openssh-new -o FILE.openssh makes one in OpenSSH's format from it (PuTTYgen for Windows: Conversions, Export OpenSSH key, new format)";

const PKCS8: &str =
    "if it is an Ed25519 key, openssl pkey -in FILE -out NEW unlocks it, and NEW signs in";

const PRIVATE: &str =
    "the private one signs in, if it is in OpenSSH's format; ssh-keygen -t ed25519 makes one";

const PUBLIC: &str = "ssh-keygen -i -f FILE > FILE.pub puts it into OpenSSH's format";

const DROPBEAR: &str =
    "dropbearconvert dropbear openssh FILE FILE.openssh makes one in OpenSSH's format from it";

const GPG: &str = "gpg-agent may sign for it if it is an Ed25519 key: gpg --export-ssh-key WHO > FILE.pub makes what to name instead";

/// What a file begins with, what it is then, and what helps. FILE is its path.
const FILES: &[(&str, &str, &str)] = &[
    ("PuTTY-User-Key-File-2: ssh-ed25519", "a key in PuTTY's format", PUTTY),
    ("PuTTY-User-Key-File-3: ssh-ed25519", "a key in PuTTY's format", PUTTY),
    ("PuTTY-User-Key-File-", "a key in PuTTY's format, and not an Ed25519 key", NEW),
    ("-----BEGIN RSA PRIVATE KEY-----", "an RSA key in PEM", NEW),
    ("-----BEGIN DSA PRIVATE KEY-----", "a DSA key in PEM", NEW),
    ("-----BEGIN EC PARAMETERS-----", "an ECDSA key in PEM", NEW),
    ("-----BEGIN EC PRIVATE KEY-----", "an ECDSA key in PEM", NEW),
    ("-----BEGIN PRIVATE KEY-----", "a private key in PKCS#8, and not an Ed25519 key", NEW),
    ("-----BEGIN ENCRYPTED PRIVATE KEY-----", "a locked private key in PKCS#8", PKCS8),
    ("-----BEGIN PUBLIC KEY-----", "a public key in PEM, as openssl writes it", PRIVATE),
    ("-----BEGIN RSA PUBLIC KEY-----", "an RSA public key in PEM", NEW),
    (
        "-----BEGIN CERTIFICATE REQUEST-----",
        "a request for an X.509 certificate, which is for servers",
        NEW,
    ),
    ("-----BEGIN CERTIFICATE-----", "an X.509 certificate, which is for servers", NEW),
    ("-----BEGIN TRUSTED CERTIFICATE-----", "an X.509 certificate, which is for servers", NEW),
    ("-----BEGIN PGP ", "an OpenPGP key", GPG),
    ("-----BEGIN SSH SIGNATURE-----", "a signature, and no key", NEW),
    ("---- BEGIN SSH2 PUBLIC KEY ----", "a public key as RFC 4716 has it", PUBLIC),
    ("---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", "a key in ssh.com's format", NEW),
    ("SSH PRIVATE KEY FILE FORMAT 1.", "a key for SSH 1", NEW),
    ("\0\0\0\u{b}ssh-ed25519", "a key in Dropbear's format", DROPBEAR),
    ("\0\0\0\u{7}ssh-", "a key in Dropbear's format, and not an Ed25519 key", NEW),
    ("\0\0\0\u{13}ecdsa-", "a key in Dropbear's format, and not an Ed25519 key", NEW),
    ("", "empty", "if it had a key, put it back from a copy; else ssh-keygen -t ed25519 makes one"),
];

/// What the name of a key's algorithm begins with, what the key is then, and what helps.
const ALGORITHMS: &[(&str, &str, &str)] = &[
    (
        "ssh-ed25519-cert-",
        "a certificate from OpenSSH, which says nothing here",
        "name the key that it was made for, which stands beside it without -cert",
    ),
    (
        "sk-",
        "a FIDO key, as security keys have it",
        "only Ed25519 keys without such a device can sign in; ssh-keygen -t ed25519 makes one",
    ),
    ("ssh-rsa", "an RSA key", NEW),
    ("ssh-dss", "a DSA key", NEW),
    ("ecdsa-sha2-", "an ECDSA key", NEW),
    ("ssh-ed448", "an Ed448 key", NEW),
    ("ssh-xmss", "an XMSS key", NEW),
];

/// What a file with this content is, if that is known.
pub(super) fn of_file(path: &Path, content: &[u8]) -> Option<Kind> {
    let text = String::from_utf8_lossy(content);
    let text = text.trim_start_matches(|it: char| it.is_whitespace() || it == MARK);
    let fits = |beginning: &str| match beginning {
        "" => text.is_empty(),
        _ => text.starts_with(beginning),
    };
    let (_, is, helps) = FILES.iter().find(|(beginning, ..)| fits(beginning))?;
    Some(Kind { is, helps: helps.replace("FILE", &word(path)) })
}

/// What a key with this algorithm is, if it is known and does not sign in.
pub(super) fn of_algorithm(name: &str) -> Option<Kind> {
    let (_, is, helps) = ALGORITHMS.iter().find(|(beginning, ..)| name.starts_with(beginning))?;
    Some(Kind { is, helps: (*helps).into() })
}

/// A path as a shell takes it for one word.
pub(super) fn word(path: &Path) -> String {
    let path = path.display().to_string();
    let is_plain = |it: char| it.is_alphanumeric() || "/._-+@:,".contains(it);
    if path.chars().all(is_plain) { path } else { format!("'{}'", path.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(content: &[u8]) -> &'static str {
        of_file(Path::new("id"), content).map_or("unknown", |kind| kind.is)
    }

    #[test]
    fn every_row_can_be_reached() {
        for (beginning, named, _) in FILES {
            assert_eq!(is(beginning.as_bytes()), *named, "{beginning:?}");
        }
        for (beginning, named, _) in ALGORITHMS {
            assert_eq!(of_algorithm(beginning).unwrap().is, *named, "{beginning:?}");
        }
    }

    #[test]
    fn blanks_and_marks_before_it_do_not_count() {
        assert_eq!(
            is(b"\xef\xbb\xbf\r\n  -----BEGIN CERTIFICATE-----"),
            is(b"-----BEGIN CERTIFICATE-----")
        );
        assert_eq!(is(b" \n\n"), "empty");
        assert_eq!(is(b"hello"), "unknown");
        assert_eq!(is(b"-----BEGIN OPENSSH PRIVATE KEY-----"), "unknown");
        assert_eq!(of_algorithm("ssh-ed25519"), None);
    }

    #[test]
    fn what_helps_can_be_pasted_into_a_shell() {
        let kind = of_file(Path::new("my keys/it's.ppk"), b"PuTTY-User-Key-File-3: ssh-ed25519");
        assert!(kind.unwrap().helps.starts_with(r"puttygen 'my keys/it'\''s.ppk' -O "));
    }
}
