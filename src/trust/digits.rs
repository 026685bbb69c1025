//! Digits by which two people know that each has the other's key: 30 for each of them, as Signal's safety numbers.
//!
//! Pure. The digits of a person are the iterated hash that Signal uses (version 0 with 5,200 rounds of SHA-512, libsignal's
//! `rust/protocol/src/fingerprint.rs`) over their Ed25519 key, and over the server's key and their name as Signal has a
//! telephone number: a name means nothing without its server. Invariant: both people get the same digits, and other
//! keys, names or servers others.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha512};
use thiserror::Error;

use super::{Fingerprint, PublicKey};
use crate::message::Name;

/// How many digits two people compare.
pub const DIGITS: usize = 60;

/// How many are shown and spoken together.
const GROUP: usize = 5;

/// How many bytes of a hash become a group, and how many groups a person has.
const GROUP_BYTES: usize = 5;
const GROUPS: usize = DIGITS / GROUP / 2;

/// What the hash is called in Signal's list of them.
const VERSION: u16 = 0;

/// How often it is taken, so that whoever looks for a key with nearly the same digits pays for each try.
const ROUNDS: usize = 5_200;

/// Who has a name on a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The name.
    pub name: Name,
    /// Whose it is.
    pub key: PublicKey,
}

/// Two people on a server, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The server's key; none if it shows none.
    pub server: Option<Fingerprint>,
    /// One of them.
    pub one: Owner,
    /// The other.
    pub other: Owner,
}

/// What two people compare: those of both, the lower ones first. Displayed in groups of five.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits(String);

/// A text is not [`Digits`]. Made to be read by the person who typed it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum DigitsError {
    /// There is something else among them.
    #[error("{0:?} is no digit; spaces alone may stand between them")]
    Other(char),
    /// There are more or less of them.
    #[error("two people compare {DIGITS} digits, and these are {0}")]
    Count(usize),
}

impl Pair {
    /// What both of them see; it takes a few milliseconds.
    pub fn digits(&self) -> Digits {
        let mut halves = [&self.one, &self.other].map(|owner| half(self.server, owner));
        halves.sort();
        Digits(halves.concat())
    }
}

/// The digits of one of them.
fn half(server: Option<Fingerprint>, Owner { name, key }: &Owner) -> String {
    let server = server.map_or([0; 32], Fingerprint::to_bytes);
    let owner = [&server[..], name.as_str().as_bytes()].concat();
    in_digits(&iterated(&owner, &key.to_bytes()))
}

fn iterated(owner: &[u8], key: &[u8]) -> [u8; 64] {
    let with_key = |bytes: &[u8]| -> [u8; 64] {
        Sha512::new().chain_update(bytes).chain_update(key).finalize().into()
    };
    let first = with_key(&[&VERSION.to_be_bytes()[..], key, owner].concat());
    (1..ROUNDS).fold(first, |hash, _| with_key(&hash))
}

/// Each five bytes are a big-endian number, of which the last five digits count.
fn in_digits(hash: &[u8; 64]) -> String {
    let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    let groups = hash.chunks_exact(GROUP_BYTES).take(GROUPS);
    groups.map(|bytes| format!("{:0GROUP$}", number(bytes) % 100_000)).collect()
}

impl fmt::Display for Digits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups = self.0.as_bytes().chunks(GROUP).map(String::from_utf8_lossy);
        f.write_str(&groups.collect::<Vec<_>>().join(" "))
    }
}

impl FromStr for Digits {
    type Err = DigitsError;

    fn from_str(text: &str) -> Result<Self, DigitsError> {
        let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        if let Some(other) = digits.chars().find(|c| !c.is_ascii_digit()) {
            return Err(DigitsError::Other(other));
        }
        if digits.len() == DIGITS {
            Ok(Self(digits))
        } else {
            Err(DigitsError::Count(digits.len()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(name: &str, key: u8) -> Owner {
        Owner { name: name.parse().unwrap(), key: PublicKey::from_bytes([key; 32]) }
    }

    fn pair(server: Option<&[u8]>, one: Owner, other: Owner) -> Pair {
        Pair { server: server.map(Fingerprint::of), one, other }
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    #[test]
    fn the_hash_is_the_one_of_signal() {
        // The vector of libsignal's own tests.
        let alice = bytes("0506863bc66d02b40d27b8d49ca7c09e9239236f9d7d25d6fcca5ce13c7064d868");
        let bob = bytes("05f781b6fb32fed9ba1cf2de978d4d5da28dc34046ae814402b5c0dbd96fda907b");
        let halves = [(&b"+14152222222"[..], alice), (b"+14153333333", bob)];
        let halves = halves.map(|(owner, key)| in_digits(&iterated(owner, &key)));
        assert_eq!(halves.concat(), "300354477692869396892869876765458257569162576843440918079131");
    }

    #[test]
    fn the_digits_of_two_people_are_those_of_another_program() {
        // Made with Python's hashlib.
        for (server, digits) in [
            (
                Some(&b"a server"[..]),
                "23605 68352 48801 26900 99906 31480 79870 74210 03256 53851 71839 15716",
            ),
            (None, "04473 48529 69423 68324 77964 89217 48803 51678 60067 84768 71335 01321"),
        ] {
            let pair = pair(server, owner("john", 1), owner("marie", 2));
            assert_eq!(pair.digits().to_string(), digits);
        }
    }

    #[test]
    fn what_was_typed_is_digits_or_told_why_not() {
        let pair = pair(None, owner("john", 1), owner("marie", 2));
        let digits = pair.digits();
        for text in [digits.to_string(), digits.to_string().replace(' ', ""), format!(" {digits}")]
        {
            assert_eq!(text.parse(), Ok(digits.clone()), "{text}");
        }
        for (text, error) in [
            ("", DigitsError::Count(0)),
            ("12345 67890", DigitsError::Count(10)),
            ("12345-67890", DigitsError::Other('-')),
            ("٣٣٣٣٣", DigitsError::Other('٣')),
            (&format!("{digits}1"), DigitsError::Count(61)),
        ] {
            assert_eq!(text.parse::<Digits>(), Err(error), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn both_people_see_the_same_digits_and_nobody_else_does(
            one in 0u8..100, other in 100u8..200, server in any::<Option<u8>>()
        ) {
            let server = server.map(|it| vec![it]);
            let server = server.as_deref();
            let (john, marie) = (owner("john", one), owner("marie", other));
            let digits = pair(server, john.clone(), marie.clone()).digits();
            let text = digits.to_string();
            prop_assert_eq!(text.chars().filter(char::is_ascii_digit).count(), DIGITS);
            prop_assert_eq!(&pair(server, marie.clone(), john.clone()).digits(), &digits);
            for another in [
                pair(server, john.clone(), owner("marie", 255)),
                pair(server, john.clone(), owner("mary", other)),
                pair(Some(&b"elsewhere"[..]), john, marie),
            ] {
                prop_assert_ne!(&another.digits(), &digits);
            }
        }
    }
}
