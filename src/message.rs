//! The nouns: names, sessions, message ids and messages.
//!
//! Owned by nobody: every other module speaks in these types. Each is parsed once, where bytes
//! from outside come in; a value of one of these types is valid and later code trusts it.

mod name;

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
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
    /// A message of which only the number is known: it may expire, and never be delivered.
    pub fn withheld(id: MessageId, time: Timestamp) -> Self {
        Self { id, time, kind: Kind::WITHHELD, body: Bytes::new() }
    }

    /// Whether only the number is known.
    pub fn is_withheld(&self) -> bool {
        self.kind == Kind::WITHHELD
    }
}

/// Messages of one session that were accepted together. What travels through a session's channel,
/// so that locks, wake-ups and system calls are paid once for all of them.
///
/// Positions count the accepted messages of a session from 1; those of a batch are consecutive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    first: u64,
    bytes: u64,
    since: Uptime,
    messages: Arc<Vec<Message>>,
}

impl Batch {
    /// A batch whose first message has the position `first`.
    pub fn new(first: u64, messages: Vec<Message>) -> Self {
        let bytes = messages.iter().map(|message| message.body.len() as u64).sum();
        Self { first, bytes, since: Uptime::default(), messages: Arc::new(messages) }
    }

    /// The same, taken when the server had run for so long.
    #[must_use]
    pub fn waiting_since(self, since: Uptime) -> Self {
        Self { since, ..self }
    }

    /// How long the server had run when it took these messages. Only what is to be kept says so.
    pub fn since(&self) -> Uptime {
        self.since
    }

    /// What all bodies have together.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The same with a buffer of its own for the bodies, instead of slices of larger ones.
    #[must_use]
    pub fn compact(mut self) -> Self {
        let mut bodies = BytesMut::new();
        self.messages.iter().for_each(|message| bodies.extend_from_slice(&message.body));
        let mut bodies = bodies.freeze();
        for message in Arc::make_mut(&mut self.messages) {
            message.body = bodies.split_to(message.body.len());
        }
        self
    }

    /// The position of the first message.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The position of the last message; one less than [`first`](Self::first) in an empty batch.
    pub fn last(&self) -> u64 {
        self.first + self.messages.len() as u64 - 1
    }

    /// The messages above `position`, in order.
    pub fn after(&self, position: u64) -> &[Message] {
        let known = (position + 1).saturating_sub(self.first);
        let from = usize::try_from(known).unwrap_or(usize::MAX).min(self.messages.len());
        &self.messages[from..]
    }

    /// The position of the last message that is withheld.
    pub fn last_withheld(&self) -> Option<u64> {
        let all = (self.first..).zip(self.messages.iter());
        all.filter(|(_, message)| message.is_withheld()).map(|(position, _)| position).last()
    }

    /// All messages, in order.
    pub fn messages(&self) -> &[Message] {
        &self.messages
    }
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

    #[test]
    fn a_batch_gives_what_lies_above_a_position() {
        let message = |n| Message {
            id: MessageId { installation: Installation::from_u64(1), n },
            time: Timestamp(0),
            kind: Kind::TEXT,
            body: Bytes::new(),
        };
        let batch = Batch::new(5, vec![message(1), message(2), message(3)]);
        assert_eq!((batch.first(), batch.last()), (5, 7));
        for (position, left) in [(0, 3), (4, 3), (5, 2), (7, 0), (u64::MAX - 1, 0)] {
            assert_eq!(batch.after(position).len(), left);
        }
    }

    proptest! {
        #[test]
        fn an_installation_survives_the_wire(number: u64) {
            let installation = Installation::from_u64(number);
            prop_assert_eq!(installation.to_string().parse(), Ok(installation));
        }
    }
}
