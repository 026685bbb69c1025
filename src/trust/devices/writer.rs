//! Writers: data folders that write and do not stand in their person's list, each with a statement that its key for
//! sealing is that person's. Its form is in [the specification](crate::seal#writers).
//!
//! Owned by whoever writes from such a folder, or reads what came from one. Invariant: there is one text for each, as
//! which it is displayed and which parses to it; and the identity that it names has signed just that.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use thiserror::Error;

use super::lines::{Misplaced, line, moment, parsed};
use super::owner::Owner;
use super::statement::{Statement, StatementError};
use crate::message::{Installation, Timestamp};
use crate::time_text;
use crate::trust::{CurveKey, Identity, IdentityError};

/// The SSHSIG namespace of a writer's statement.
pub const WRITER_NAMESPACE: &str = "tinychat-writer";

/// The longest statement of a writer, in bytes: a text of at most 399, and a signature of some 310.
pub const MAX_WRITER: usize = 1_024;

/// The first line of its text.
const TITLE: &str = "tinychat/2 writer";

/// What a person says of a data folder that only writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writer {
    /// Whose folder it is.
    pub owner: Owner,
    /// Which folder it is.
    pub installation: Installation,
    /// Its key for sealing.
    pub curve: CurveKey,
    /// When that was said, by the clock of the folder. For people.
    pub time: Timestamp,
}

/// Why bytes are not a [`SignedWriter`], or a text is not a [`Writer`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum WriterError {
    #[error("a writer's statement has at most {MAX_WRITER} bytes")]
    Long,
    #[error("a writer's statement begins with the line {TITLE}")]
    Title,
    #[error("a writer's statement has a line with {0} and what belongs to it, in its place")]
    Line(&'static str),
    #[error("a writer's statement is written in one way alone, and has nothing else in it")]
    Spelling,
    #[error(transparent)]
    Statement(#[from] StatementError),
    #[error("a writer's statement is signed by the identity that it names")]
    Signer,
}

impl From<Misplaced> for WriterError {
    fn from(Misplaced(word): Misplaced) -> Self {
        Self::Line(word)
    }
}

impl FromStr for Writer {
    type Err = WriterError;

    fn from_str(text: &str) -> Result<Self, WriterError> {
        let lines = &mut text.lines();
        if lines.next() != Some(TITLE) {
            return Err(WriterError::Title);
        }
        let writer = Self {
            owner: Owner::read(lines)?,
            installation: line(lines, "installation", parsed)?,
            curve: line(lines, "curve25519", parsed)?,
            time: line(lines, "time", moment)?,
        };
        (writer.to_string() == text).then_some(writer).ok_or(WriterError::Spelling)
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{TITLE}")?;
        write!(f, "{}", self.owner)?;
        writeln!(f, "installation {}", self.installation)?;
        writeln!(f, "curve25519 {}", self.curve)?;
        writeln!(f, "time {}", time_text::moment(self.time.printable(), 0))
    }
}

/// What a person has signed of a data folder that only writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWriter {
    writer: Writer,
    statement: Statement,
}

impl SignedWriter {
    /// The writer in a statement.
    pub fn read(bytes: Bytes) -> Result<Self, WriterError> {
        if bytes.len() > MAX_WRITER {
            return Err(WriterError::Long);
        }
        let statement = Statement::read(WRITER_NAMESPACE, bytes)?;
        let writer: Writer = statement.text().parse()?;
        if writer.owner.identity != statement.signer() {
            return Err(WriterError::Signer);
        }
        Ok(Self { writer, statement })
    }

    /// A writer, signed by the identity that it then names. Its time is as exact as the text tells it. May block, where
    /// an agent has to ask its owner.
    pub fn sign(writer: Writer, identity: &Identity) -> Result<Self, IdentityError> {
        let owner = Owner { identity: identity.public(), ..writer.owner };
        let writer = Writer { owner, time: writer.time.in_seconds(), ..writer };
        let statement = Statement::sign(WRITER_NAMESPACE, writer.to_string(), identity)?;
        Ok(Self { writer, statement })
    }

    /// The key for sealing of this folder of this person, if that is what was signed.
    pub fn curve_of(&self, owner: &Owner, installation: Installation) -> Option<CurveKey> {
        let writer = &self.writer;
        let is_of_it = writer.owner == *owner && writer.installation == installation;
        is_of_it.then_some(writer.curve)
    }

    /// What was signed.
    pub fn writer(&self) -> &Writer {
        &self.writer
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
    use crate::trust::{Fingerprint, PublicKey};

    fn writer(name: &str) -> Writer {
        let server = Some(Fingerprint::of(b"server"));
        let identity = PublicKey::from_bytes([3; 32]);
        Writer {
            owner: Owner { server, name: name.parse().unwrap(), identity },
            installation: Installation::from_u64(0x5f3c_0a9c_41c3_b2e7),
            curve: CurveKey::from_bytes([1; 32]),
            time: Timestamp(1_767_225_600_000),
        }
    }

    fn identity() -> Identity {
        Identity::generate().unwrap()
    }

    #[test]
    fn it_is_written_as_the_page_says() {
        let text = "\
            tinychat/2 writer\n\
            server SHA256:s+rNM0M7MbUlI1EDLJs+ei56p3ONXezfDdbGJoCFPAY\n\
            name john\n\
            identity AAAAC3NzaC1lZDI1NTE5AAAAIAMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMD\n\
            installation 5f3c0a9c41c3b2e7\n\
            curve25519 AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE\n\
            time 2026-01-01T00:00:00Z\n";
        assert_eq!(writer("john").to_string(), text);
        assert_eq!(text.parse(), Ok(writer("john")));
    }

    #[test]
    fn it_is_signed_by_whom_it_names() {
        let (john, marie) = (identity(), identity());
        let exact = Writer { time: Timestamp(1_767_225_600_999), ..writer("john") };
        let signed = SignedWriter::sign(exact, &john).unwrap();
        let owner = Owner { identity: john.public(), ..writer("john").owner };
        assert_eq!(signed.writer(), &Writer { owner, ..writer("john") });
        assert_eq!(SignedWriter::read(signed.bytes().clone()), Ok(signed.clone()));
        let text = signed.writer().to_string();
        let by_marie = Statement::sign(WRITER_NAMESPACE, text.clone(), &marie).unwrap();
        assert_eq!(SignedWriter::read(by_marie.bytes().clone()), Err(WriterError::Signer));
        let file = Statement::sign("file", text, &john).unwrap();
        let refused = Err(WriterError::Statement(StatementError::Signature));
        assert_eq!(SignedWriter::read(file.bytes().clone()), refused, "for another purpose");
        let letter = Statement::sign(WRITER_NAMESPACE, "hello\n".into(), &john).unwrap();
        assert_eq!(SignedWriter::read(letter.bytes().clone()), Err(WriterError::Title));
    }

    #[test]
    fn it_tells_the_key_of_no_other_folder() {
        let (john, marie) = (identity(), identity());
        let signed = SignedWriter::sign(writer("john"), &john).unwrap();
        let (owner, installation) = (&signed.writer().owner, signed.writer().installation);
        assert_eq!(signed.curve_of(owner, installation), Some(CurveKey::from_bytes([1; 32])));
        assert_eq!(signed.curve_of(owner, Installation::from_u64(1)), None);
        for other in [
            Owner { server: None, ..owner.clone() },
            Owner { server: Some(Fingerprint::of(b"other")), ..owner.clone() },
            Owner { name: "marie".parse().unwrap(), ..owner.clone() },
            Owner { identity: marie.public(), ..owner.clone() },
        ] {
            assert_eq!(signed.curve_of(&other, installation), None, "{other}");
        }
    }

    #[test]
    fn another_text_is_refused() {
        let text = writer("john").to_string();
        let edit = |from: &str, to: &str| {
            assert!(text.contains(from), "{from}");
            text.replacen(from, to, 1)
        };
        for (bad, error) in [
            (String::new(), WriterError::Title),
            (edit("tinychat/2", "tinychat/3"), WriterError::Title),
            (edit("server SHA256:", "server MD5:"), WriterError::Line("server")),
            (edit("name john\n", ""), WriterError::Line("name")),
            (edit("name john", "name John"), WriterError::Spelling),
            (edit("identity ", "identity SHA256:"), WriterError::Line("identity")),
            (edit("installation 5", "installation x"), WriterError::Line("installation")),
            (edit("curve25519 A", "curve25519 "), WriterError::Line("curve25519")),
            (edit("2026-01-01T00:00:00Z", "yesterday"), WriterError::Line("time")),
            (edit("00:00:00Z", "00:00:00.5Z"), WriterError::Spelling),
            (text.clone() + "label laptop\n", WriterError::Spelling),
        ] {
            assert_eq!(bad.parse::<Writer>(), Err(error), "{bad}");
        }
    }

    #[test]
    fn the_longest_is_read_and_a_longer_one_is_not() {
        let longest = writer(&"𠮷".repeat(32));
        assert_eq!(longest.to_string().len(), 399);
        let signed = SignedWriter::sign(longest, &identity()).unwrap();
        let bytes = signed.bytes();
        let text = str::from_utf8(bytes).unwrap();
        let stretched = |length: usize| {
            let blank = "\n".repeat(length - bytes.len());
            Bytes::from(text.replacen("-----END", &format!("{blank}-----END"), 1))
        };
        let read = SignedWriter::read(stretched(MAX_WRITER)).unwrap();
        assert_eq!((read.writer(), read.bytes().len()), (signed.writer(), MAX_WRITER));
        assert_eq!(SignedWriter::read(stretched(MAX_WRITER + 1)), Err(WriterError::Long));
    }

    proptest! {
        #[test]
        fn a_text_is_read_as_itself_or_not_at_all(at: prop::sample::Index, byte in 9..128_u8) {
            let mut text = writer("john").to_string().into_bytes();
            let at = at.index(text.len());
            text[at] = byte;
            let text = String::from_utf8(text).unwrap();
            if let Ok(read) = text.parse::<Writer>() {
                prop_assert_eq!(read.to_string(), text);
            }
        }

        #[test]
        fn whatever_comes_is_refused(bytes: Vec<u8>, text: String) {
            prop_assert!(text.parse::<Writer>().is_err());
            prop_assert!(SignedWriter::read(Bytes::from(bytes)).is_err());
        }
    }
}
