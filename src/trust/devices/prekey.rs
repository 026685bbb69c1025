//! Prekeys: what others need to begin a sealed conversation with a device, signed by its key.
//!
//! Owned by whoever keeps one. Invariant: there is one text for each, which it is displayed as and which parses to it;
//! and the key that has signed it signed just that.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use super::key::DeviceKey;
use super::lines::{Misplaced, hash_or, line, moment, or_none, parsed};
use super::list::MAX_VERSION;
use super::statement::{Statement, StatementError};
use crate::message::{Installation, Name, Timestamp};
use crate::time_text;
use crate::trust::{CurveKey, Fingerprint, IdentityError, PublicKey};

/// The SSHSIG namespace of a prekey.
pub const PREKEY_NAMESPACE: &str = "tinychat-prekey";

/// The first line of its text.
const TITLE: &str = "tinychat/2 prekey";

/// What a device says of itself, so that others can seal for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prekey {
    /// The server on which it counts; none of a server without TLS.
    pub server: Option<Fingerprint>,
    /// Whose device it is.
    pub name: Name,
    /// Of the key that owns the name.
    pub identity: Fingerprint,
    /// Which device it is.
    pub installation: Installation,
    /// Its key for life.
    pub curve: CurveKey,
    /// The key that others begin with.
    pub fallback: CurveKey,
    /// It counts up with each other key to begin with, from 1 to [`MAX_VERSION`].
    pub number: u64,
    /// When it was made, by the clock of the device. For people.
    pub time: Timestamp,
}

/// Why a text is not a [`Prekey`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum PrekeyError {
    #[error("a prekey begins with the line {TITLE}")]
    Title,
    #[error("a prekey has a line with {0} and what belongs to it, in its place")]
    Line(&'static str),
    #[error("a prekey's number is from 1 to {MAX_VERSION}")]
    Number,
    #[error("a prekey is written in one way alone, and has nothing else in it")]
    Spelling,
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl From<Misplaced> for PrekeyError {
    fn from(Misplaced(word): Misplaced) -> Self {
        Self::Line(word)
    }
}

impl FromStr for Prekey {
    type Err = PrekeyError;

    fn from_str(text: &str) -> Result<Self, PrekeyError> {
        let lines = &mut text.lines();
        if lines.next() != Some(TITLE) {
            return Err(PrekeyError::Title);
        }
        let prekey = Self {
            server: line(lines, "server", |word| hash_or(word, "none"))?,
            name: line(lines, "name", parsed)?,
            identity: line(lines, "identity", parsed)?,
            installation: line(lines, "installation", parsed)?,
            curve: line(lines, "curve25519", parsed)?,
            fallback: line(lines, "fallback", parsed)?,
            number: line(lines, "number", parsed)?,
            time: line(lines, "time", moment)?,
        };
        if !(1..=MAX_VERSION).contains(&prekey.number) {
            return Err(PrekeyError::Number);
        }
        (prekey.to_string() == text).then_some(prekey).ok_or(PrekeyError::Spelling)
    }
}

impl fmt::Display for Prekey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        writeln!(f, "server {}", or_none(self.server, "none"))?;
        writeln!(f, "name {}", self.name)?;
        writeln!(f, "identity {}", self.identity)?;
        writeln!(f, "installation {}", self.installation)?;
        writeln!(f, "curve25519 {}", self.curve)?;
        writeln!(f, "fallback {}", self.fallback)?;
        writeln!(f, "number {}", self.number)?;
        writeln!(f, "time {}", time_text::moment(self.time.printable(), 0))
    }
}

/// A prekey with the signature of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPrekey {
    prekey: Prekey,
    statement: Statement,
}

impl SignedPrekey {
    /// The prekey in a statement, whoever has signed it.
    pub fn read(bytes: Bytes) -> Result<Self, PrekeyError> {
        let statement = Statement::read(PREKEY_NAMESPACE, bytes)?;
        Ok(Self { prekey: statement.text().parse()?, statement })
    }

    /// A prekey, signed by the device that it is of. Its time is as exact as the text tells it.
    pub fn sign(prekey: Prekey, key: &DeviceKey) -> Result<Self, IdentityError> {
        let time = prekey.time.in_seconds();
        let prekey = Prekey { time, ..prekey };
        let statement = key.sign(PREKEY_NAMESPACE, prekey.to_string())?;
        Ok(Self { prekey, statement })
    }

    /// What was signed.
    pub fn prekey(&self) -> &Prekey {
        &self.prekey
    }

    /// Whose signature it is.
    pub fn signer(&self) -> PublicKey {
        self.statement.signer()
    }

    /// The statement, as it is told and stored.
    pub fn bytes(&self) -> &Bytes {
        self.statement.bytes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::folder::Folder;

    fn prekey(number: u64) -> Prekey {
        Prekey {
            server: Some(Fingerprint::of(b"server")),
            name: "john".parse().unwrap(),
            identity: Fingerprint::of(b"identity"),
            installation: Installation::from_u64(0x5f3c_0a9c_41c3_b2e7),
            curve: CurveKey::from_bytes([1; 32]),
            fallback: CurveKey::from_bytes([2; 32]),
            number,
            time: Timestamp(1_767_225_600_000),
        }
    }

    fn device() -> DeviceKey {
        let place = tempfile::tempdir().unwrap();
        DeviceKey::open_or_create(&Folder::open(place.path()).unwrap()).unwrap()
    }

    #[test]
    fn it_is_written_as_the_page_says() {
        let text = "\
            tinychat/2 prekey\n\
            server SHA256:s+rNM0M7MbUlI1EDLJs+ei56p3ONXezfDdbGJoCFPAY\n\
            name john\n\
            identity SHA256:aJ9qYnOEx9yy3MFIflQCI+d7353NDYvooybtplsM6aQ\n\
            installation 5f3c0a9c41c3b2e7\n\
            curve25519 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n\
            fallback AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n\
            number 1\n\
            time 2026-01-01T00:00:00Z\n";
        assert_eq!(prekey(1).to_string(), text);
        assert_eq!(text.parse(), Ok(prekey(1)));
    }

    #[test]
    fn it_says_whose_signature_it_has() {
        let device = device();
        let exact = Prekey { time: Timestamp(1_767_225_600_999), ..prekey(7) };
        let signed = SignedPrekey::sign(exact, &device).unwrap();
        assert_eq!((signed.prekey(), signed.signer()), (&prekey(7), device.public()));
        assert_eq!(SignedPrekey::read(signed.bytes().clone()), Ok(signed));
    }

    #[test]
    fn it_counts_from_one_to_what_databases_can_count_to() {
        for (number, read) in [(0, false), (1, true), (MAX_VERSION, true), (MAX_VERSION + 1, false)]
        {
            let parsed = prekey(number).to_string().parse::<Prekey>();
            assert_eq!(parsed.is_ok(), read, "{number}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_itself_or_not_at_all(at: prop::sample::Index, byte in 9..128_u8) {
            let mut text = prekey(1).to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            if let Ok(read) = text.parse::<Prekey>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn whatever_comes_is_refused(bytes: Vec<u8>, text: String) {
            prop_assert!(text.parse::<Prekey>().is_err());
            prop_assert!(SignedPrekey::read(Bytes::from(bytes)).is_err());
        }
    }
}
