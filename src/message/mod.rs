//! The nouns: names, sessions, message ids and messages.
//!
//! Owned by nobody: every other module speaks in these types. Each is parsed once, where bytes
//! from outside come in; a value of one of these types is valid and later code trusts it.

mod batch;
mod name;

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use batch::Batch;
use bytes::Bytes;
use smol_str::SmolStr;
use thiserror::Error;

pub use name::{MAX_NAME_CHARS, Name, NameError};

/// The most characters that the kind of a message may have.
pub const MAX_KIND_CHARS: usize = 16;

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

/// One person's client data folder: a random number, made once. 16 lower-case hexadecimal digits
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Installation(u64);

impl Installation {
    /// The installation with this number.
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub const fn to_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A text is not 16 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an installation is 16 lower-case hexadecimal digits")]
pub struct InstallationError;

impl FromStr for Installation {
    type Err = InstallationError;

    fn from_str(text: &str) -> Result<Self, InstallationError> {
        let number = lower_hex(text).filter(|_| text.len() == 16).ok_or(InstallationError)?;
        u64::try_from(number).map(Self).map_err(|_| InstallationError)
    }
}

/// A file that a server keeps for somebody: a random number, made once. 32 lower-case hexadecimal digits
/// on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobId(u128);

impl BlobId {
    /// The id with this number.
    pub const fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text is not 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("the id of a file is 32 lower-case hexadecimal digits")]
pub struct BlobIdError;

impl FromStr for BlobId {
    type Err = BlobIdError;

    fn from_str(text: &str) -> Result<Self, BlobIdError> {
        lower_hex(text).filter(|_| text.len() == 32).map(Self).ok_or(BlobIdError)
    }
}

/// Lower-case hexadecimal digits, at most 32.
pub(crate) fn lower_hex(text: &str) -> Option<u128> {
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    let fits = text.len() <= 32 && text.bytes().all(is_digit);
    fits.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

/// What a message is called for its whole life, across every resend: made by the sending client,
/// never reused. `n` counts from 1 within one session and one installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// The sender's data folder.
    pub installation: Installation,
    /// The number within session and installation, from 1.
    pub n: u64,
}

/// When a server took a message, by its wall clock: milliseconds since the Unix epoch. For showing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The wall clock's time. A clock before 1970 counts as 1970.
    pub fn now() -> Self {
        Self::of(SystemTime::now())
    }

    /// A time. One before 1970 counts as 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// So long before; 1970 at the earliest.
    pub fn before(self, ago: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)))
    }

    /// So long behind.
    pub fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }

    /// The same as a time that can be printed, with four digits for the year. One that was damaged on
    /// disk must not stop whoever reads it.
    pub fn printable(self) -> SystemTime {
        const END_OF_9999: u64 = 253_402_300_799_999;
        UNIX_EPOCH + Duration::from_millis(self.0.min(END_OF_9999))
    }
}

/// How long a server has run in all, over all its starts, in milliseconds. Stamped on what waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uptime(pub u64);

impl Uptime {
    /// How long ago an earlier one was. What is later, for a crash took back some time, was just now.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Uptime {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// What a body is: `text`, or a word that clients agree upon. Opaque to the server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind(SmolStr);

impl Kind {
    /// UTF-8 text for a person to read.
    pub const TEXT: Self = Self(SmolStr::new_static("text"));

    /// Of what its receiver did not want: neither kind nor body were kept. No text is parsed to it.
    const WITHHELD: Self = Self(SmolStr::new_static(""));

    /// What there is to know of a file that waits elsewhere.
    pub const FILE: Self = Self(SmolStr::new_static("file"));

    /// The word.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text is not a [`Kind`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("a kind has 1 to {MAX_KIND_CHARS} lower-case ASCII letters, digits or '-'")]
pub struct KindError;

impl FromStr for Kind {
    type Err = KindError;

    fn from_str(text: &str) -> Result<Self, KindError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if text == Self::TEXT.as_str() {
            return Ok(Self::TEXT);
        }
        if !(1..=MAX_KIND_CHARS).contains(&text.len()) || !text.bytes().all(allowed) {
            return Err(KindError);
        }
        Ok(Self(SmolStr::new(text)))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One message as a server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who made it, and which one it is.
    pub id: MessageId,
    /// When the server took it.
    pub time: Timestamp,
    /// What the body is.
    pub kind: Kind,
    /// What was written.
    pub body: Bytes,
}

impl Message {
    /// A message of which only the number is kept, and how long its body was: it may expire, and never be
    /// delivered.
    pub fn withheld(id: MessageId, time: Timestamp, length: usize) -> Self {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        let body = Bytes::copy_from_slice(&length.to_be_bytes());
        Self { id, time, kind: Kind::WITHHELD, body }
    }

    /// A message as it was kept: without a kind if it is withheld.
    pub(crate) fn kept(id: MessageId, time: Timestamp, kind: Option<Kind>, body: Bytes) -> Self {
        Self { id, time, kind: kind.unwrap_or(Kind::WITHHELD), body }
    }

    /// Whether only the number is kept.
    pub fn is_withheld(&self) -> bool {
        self.kind == Kind::WITHHELD
    }

    /// Has only the number be kept.
    pub fn withhold(&mut self) {
        if !self.is_withheld() {
            *self = Self::withheld(self.id, self.time, self.body.len());
        }
    }

    /// How long the body is that was sent, whether it is kept or not.
    pub fn length(&self) -> usize {
        if self.is_withheld() { withheld_length(&self.body) } else { self.body.len() }
    }

    /// How much of the body is kept, in bytes.
    pub fn weight(&self) -> usize {
        if self.is_withheld() { 0 } else { self.body.len() }
    }
}

/// How long the body was of a message that is withheld, from what stands in its place. 0 if an earlier version has
/// withheld it.
pub(crate) fn withheld_length(body: &[u8]) -> usize {
    <[u8; 4]>::try_from(body).map_or(0, |length| u32::from_be_bytes(length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_session_and_its_reverse() {
        let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
        assert_eq!(key.to_string(), "john:marie");
        assert_eq!(key.reverse().to_string(), "marie:john");
        assert_eq!(key.reverse().reverse(), key);
        let john: Name = "john".parse().unwrap();
        assert_eq!(SessionKey::new(john.clone(), john), Err(TalkToSelf));
    }

    proptest! {
        #[test]
        fn an_installation_survives_the_wire(number: u64) {
            let installation = Installation::from_u64(number);
            prop_assert_eq!(installation.to_string().parse(), Ok(installation));
        }
    }
}
