//! What an address says behind its `?`: an invitation, and people with the fingerprints of their keys.
//!
//! Pure. The parts stand between `&`; each is `invite=` and an invitation, or a name and a fingerprint. In names, whatever
//! is no ASCII letter or digit may be percent-encoded (RFC 3986 §2.1). Invariant: what is displayed is read as the same.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::message::{Name, NameError};
use crate::trust::{Fingerprint, Invite};

/// How many people an address names at most.
pub const MAX_PEOPLE: usize = 32;

/// What stands before an invitation.
const INVITE: &str = "invite";

/// How a fingerprint begins. Somebody may be called as what stands before an invitation, which does not.
const FINGERPRINT: &str = "SHA256:";

/// What stands behind the `?`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) invite: Option<Invite>,
    pub(super) people: BTreeMap<Name, Fingerprint>,
}

/// Why a text is not what may stand there. Made to be read by the person who typed it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum QueryError {
    #[error(
        "{0:?} cannot stand behind the ? of an address: it is invite=INVITATION or NAME=SHA256:FINGERPRINT, with & in between"
    )]
    Part(String),
    #[error("the invitation in the address is none: it has 32 digits, 0 to 9 and a to f")]
    Invite,
    #[error("{0:?} in the address is no name: {1}")]
    Name(String, NameError),
    #[error(
        "what the address says of {0} is no fingerprint: that is SHA256: and 43 letters and digits"
    )]
    Key(Name),
    #[error("{0} stands twice in the address")]
    Twice(String),
    #[error("an address names at most {MAX_PEOPLE} people")]
    TooMany,
}

impl FromStr for Query {
    type Err = QueryError;

    fn from_str(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        text.split('&').try_for_each(|part| query.take(part))?;
        Ok(query)
    }
}

impl Query {
    fn take(&mut self, part: &str) -> Result<(), QueryError> {
        let wrong = || QueryError::Part(part.into());
        let (word, value) = part.split_once('=').ok_or_else(wrong)?;
        if word == INVITE && !value.starts_with(FINGERPRINT) {
            let invite = value.parse().map_err(|_| QueryError::Invite)?;
            let before = self.invite.replace(invite);
            return before.map_or(Ok(()), |_| Err(QueryError::Twice("the invitation".into())));
        }
        let word = decoded(word).ok_or_else(wrong)?;
        let name: Name = word.parse().map_err(|error| QueryError::Name(word.clone(), error))?;
        let key = value.parse().map_err(|_| QueryError::Key(name.clone()))?;
        if self.people.len() == MAX_PEOPLE {
            return Err(QueryError::TooMany);
        }
        let before = self.people.insert(name.clone(), key);
        before.map_or(Ok(()), |_| Err(QueryError::Twice(name.to_string())))
    }
}

/// Nothing at all if there is nothing to say.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let invite = self.invite.iter().map(|invite| format!("{INVITE}={invite}"));
        let people = self.people.iter().map(|(name, key)| format!("{}={key}", encoded(name)));
        let parts: Vec<String> = invite.chain(people).collect();
        let mark = if parts.is_empty() { "" } else { "?" };
        write!(f, "{mark}{}", parts.join("&"))
    }
}

/// A name with nothing in it that means something in an address.
fn encoded(name: &Name) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    name.as_str().bytes().map(encode).collect()
}

fn decoded(word: &str) -> Option<String> {
    let mut bytes = word.bytes();
    let mut decoded = Vec::with_capacity(word.len());
    while let Some(byte) = bytes.next() {
        let byte =
            if byte == b'%' { digit(bytes.next()?)? * 16 + digit(bytes.next()?)? } else { byte };
        decoded.push(byte);
    }
    String::from_utf8(decoded).ok()
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(text: &str) -> Fingerprint {
        Fingerprint::of(text.as_bytes())
    }

    #[test]
    fn people_and_an_invitation_stand_behind_an_address() {
        let (marie, anna, invite) = (key("marie"), key("anna"), Invite::generate());
        let text =
            format!("Marie={marie}&invite={invite}&anna={anna}&invite={anna}&j%C3%B6rg={anna}");
        let query: Query = text.parse().unwrap();
        assert_eq!(query.invite, Some(invite));
        let known = [("anna", anna), ("invite", anna), ("jörg", anna), ("marie", marie)];
        let known: BTreeMap<Name, Fingerprint> =
            known.map(|(name, key)| (name.parse().unwrap(), key)).into();
        assert_eq!(query.people, known);
        assert_eq!(query.to_string()[1..].parse(), Ok(query));
        assert_eq!(Query::default().to_string(), "");
    }

    #[test]
    fn what_is_wrong_with_it_is_said() {
        let key = key("k");
        let many: Vec<String> = (0..=MAX_PEOPLE).map(|n| format!("p{n}={key}")).collect();
        for (text, why) in [
            ("", "\"\" cannot stand behind the ?"),
            ("marie", "\"marie\" cannot stand behind the ?"),
            ("invite=x", "the invitation in the address is none"),
            ("marie=SHA256:x", "what the address says of marie is no fingerprint"),
            ("word=1", "what the address says of word is no fingerprint"),
            (&format!("a:b={key}"), "\"a:b\" in the address is no name: a name has no ':'"),
            (&format!("={key}"), "\"\" in the address is no name"),
            (&format!("a%2={key}"), "cannot stand behind the ?"),
            (&format!("a%+f={key}"), "cannot stand behind the ?"),
            (&format!("anna={key}&Anna={key}"), "anna stands twice in the address"),
            (&many.join("&"), "an address names at most 32 people"),
        ] {
            let error = text.parse::<Query>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn whoever_is_named_is_read_again(names in prop::collection::vec("[a-zé&=?#%+]{1,8}", 1..5)) {
            let names = names.iter().filter_map(|name| name.parse::<Name>().ok());
            let people = names.map(|name| { let key = key(name.as_str()); (name, key) }).collect();
            let query = Query { invite: None, people };
            prop_assume!(!query.people.is_empty());
            let text = query.to_string();
            prop_assert!(text.is_ascii() && !text.contains('#'), "{}", text);
            prop_assert_eq!(text[1..].parse(), Ok(query));
        }
    }
}
