//! Statements: a text, and right behind it the SSHSIG over it.
//!
//! Owned by whoever reads one or makes one. Invariant: the signature was verified, over the bytes of the text as they
//! came, before anybody reads the text.

use bytes::Bytes;
use thiserror::Error;

use crate::trust::public_key::signer;
use crate::trust::{Identity, IdentityError, PublicKey};

/// The longest text of a statement, in bytes. A device list with all that may be in one has 4,059.
pub const MAX_TEXT: usize = 4 * 1024;

/// The longest statement, in bytes: its text, and a signature of some 300.
pub const MAX_STATEMENT: usize = MAX_TEXT + 1024;

/// What begins a signature, and what ends it.
const BEGIN: &str = "-----BEGIN SSH SIGNATURE-----\n";
const END: &str = "-----END SSH SIGNATURE-----\n";

/// A text that somebody has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    bytes: Bytes,
    text: String,
    signer: PublicKey,
}

/// Why bytes are not a statement.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum StatementError {
    #[error("a signed text has at most {MAX_TEXT} bytes, and {MAX_STATEMENT} with its signature")]
    Long,
    #[error("a signed text is lines of UTF-8, and right behind them is one armoured SSH signature")]
    Form,
    #[error("the signature is not one of an Ed25519 key over this text and for this purpose")]
    Signature,
}

impl Statement {
    pub(super) fn read(namespace: &str, bytes: Bytes) -> Result<Self, StatementError> {
        if bytes.len() > MAX_STATEMENT {
            return Err(StatementError::Long);
        }
        let (text, signature) = split(&bytes).ok_or(StatementError::Form)?;
        if text.len() > MAX_TEXT {
            return Err(StatementError::Long);
        }
        let signer = signer(namespace, text, signature.as_bytes());
        let signer = signer.ok_or(StatementError::Signature)?;
        Ok(Self { text: text.into(), signer, bytes })
    }

    /// Text is lines that end with LF, at most [`MAX_TEXT`] bytes. May block, where an agent has to ask its owner.
    pub(super) fn sign(
        namespace: &str,
        text: String,
        identity: &Identity,
    ) -> Result<Self, IdentityError> {
        let signature = identity.sign(namespace, &text)?;
        let bytes = Bytes::from(format!("{text}{signature}"));
        Ok(Self { bytes, text, signer: identity.public() })
    }

    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn signer(&self) -> PublicKey {
        self.signer
    }
}

/// Takes the first one of statements that stand right behind one another; all that is there if nothing ends one.
pub(super) fn take_first(bytes: &mut Bytes) -> Bytes {
    let end = bytes.windows(END.len()).position(|it| it == END.as_bytes());
    bytes.split_to(end.map_or(bytes.len(), |at| at + END.len()))
}

/// How many statements stand right behind one another, if all of that is some.
pub(super) fn count(bytes: &[u8]) -> usize {
    bytes.windows(END.len()).filter(|it| *it == END.as_bytes()).count()
}

/// The text and its signature.
fn split(bytes: &[u8]) -> Option<(&str, &str)> {
    let all = str::from_utf8(bytes).ok()?;
    let (text, signature) = all.split_at(all.find(BEGIN)?);
    let is_one = signature.find(END)? + END.len() == signature.len();
    (text.ends_with('\n') && is_one).then_some((text, signature))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMESPACE: &str = "tinychat-test";
    const TEXT: &str = "one line\nand another\n";

    fn signed(text: &str) -> (PublicKey, Vec<u8>) {
        let identity = Identity::generate().unwrap();
        let statement = Statement::sign(NAMESPACE, text.into(), &identity).unwrap();
        (identity.public(), statement.bytes().to_vec())
    }

    fn read(bytes: &[u8]) -> Result<Statement, StatementError> {
        Statement::read(NAMESPACE, Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn it_is_read_as_it_was_signed() {
        let (signer, bytes) = signed(TEXT);
        let statement = read(&bytes).unwrap();
        assert_eq!((statement.text(), statement.signer()), (TEXT, signer));
        assert_eq!(statement.bytes(), &bytes);
        let elsewhere = Statement::read("tinychat", bytes.into());
        assert_eq!(elsewhere, Err(StatementError::Signature), "it is for another purpose");
    }

    #[test]
    fn nothing_stands_between_text_and_signature_nor_behind_it() {
        let (_, bytes) = signed(TEXT);
        let bytes = String::from_utf8(bytes).unwrap();
        let again = &bytes[TEXT.len()..];
        let form = Err(StatementError::Form);
        for bad in [
            "",
            TEXT,
            again,
            &bytes[..bytes.len() - 1],
            &bytes.replace('\n', "\r\n"),
            &format!("{bytes}\n"),
            &format!("{bytes}{again}"),
            &bytes.replacen("another\n", "another", 1),
        ] {
            assert_eq!(read(bad.as_bytes()), form, "{bad}");
        }
        assert_eq!(read(&[&b"\xff\n"[..], again.as_bytes()].concat()), form);
    }

    #[test]
    fn a_text_has_a_bound_and_so_has_all_of_it() {
        let most = "x".repeat(MAX_TEXT - 1) + "\n";
        let (_, mut bytes) = signed(&most);
        assert!(bytes.len() <= MAX_STATEMENT && read(&bytes).is_ok());
        bytes.insert(0, b'x');
        assert_eq!(read(&bytes), Err(StatementError::Long));
        assert_eq!(read(&vec![b'\n'; MAX_STATEMENT + 1]), Err(StatementError::Long));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn one_changed_byte_of_the_text_is_found(at in 0..TEXT.len(), byte: u8) {
            let (_, mut bytes) = signed(TEXT);
            prop_assume!(bytes[at] != byte);
            bytes[at] = byte;
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn whatever_comes_is_read_or_refused(bytes: Vec<u8>, text in "[a-z\n]{0,40}") {
            prop_assert!(read(&bytes).is_err());
            let made_up = format!("{text}{BEGIN}{text}{END}");
            prop_assert!(read(made_up.as_bytes()).is_err());
        }
    }
}
