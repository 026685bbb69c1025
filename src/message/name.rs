//! Names: who somebody is on a server.
//!
//! Owned by [`message`](super), and parsed wherever bytes come in. Invariant: a [`Name`] parses to itself. Which names
//! may be *claimed* is a narrower question, which the server asks once ([`looks`](crate::looks)).

use std::cell::RefCell;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;

use precis_core::profile::PrecisFastInvocation;
use precis_profiles::UsernameCaseMapped;
use smol_str::SmolStr;
use thiserror::Error;

/// The most characters that a name may have.
pub const MAX_NAME_CHARS: usize = 32;

/// Who somebody is on a server: RFC 8265 `UsernameCaseMapped`, 1 to 32 characters, without `:` and
/// `/`, and not beginning with `-` or `.`.
///
/// Parsing maps case and width, so `"Marie"` and `"marie"` give equal names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(SmolStr);

impl Name {
    /// The name in its one canonical spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a [`Name`]. Made to be read by the person who typed it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name has at least one character")]
    Empty,
    /// More than [`MAX_NAME_CHARS`].
    #[error("a name has at most {MAX_NAME_CHARS} characters")]
    TooLong,
    /// A `:` or a `/`, also when written in another width.
    #[error("a name has no ':' and no '/'")]
    Reserved,
    /// A `-` or a `.` in front would look like a flag or a hidden file.
    #[error("a name does not begin with '-' or '.'")]
    Start,
    /// Refused by RFC 8265: spaces, control characters, symbols, mixed directions.
    #[error("a name has letters, digits and simple punctuation only, and no spaces")]
    Characters,
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.is_ascii() {
            return of_ascii(text);
        }
        // Enforcing costs time for every character: look at the length first.
        if text.chars().nth(MAX_NAME_CHARS).is_some() {
            return Err(NameError::TooLong);
        }
        RECENT.with_borrow_mut(|recent| {
            let slot = &mut recent[slot_of(text)];
            if let Some(name) = slot.as_ref().filter(|it| it.as_str() == text) {
                return Ok(name.clone());
            }
            let name = by_the_tables(text)?;
            *slot = Some(name.clone());
            Ok(name)
        })
    }
}

/// How many names that are not ASCII each thread remembers: whoever is written to is named in every frame.
const RECENTLY: usize = 64;

thread_local! {
    static RECENT: RefCell<[Option<Name>; RECENTLY]> = const { RefCell::new([const { None }; RECENTLY]) };
}

fn slot_of(text: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    (hasher.finish() % RECENTLY as u64) as usize
}

/// Parses what is neither empty nor too long by what Unicode says of each character.
fn by_the_tables(text: &str) -> Result<Name, NameError> {
    let name = UsernameCaseMapped::enforce(text).map_err(|_| NameError::Characters)?;
    // Composing may make a character that no name may have, which is only found by looking again (RFC
    // 8264 §7): others could not parse what they are told. What is mapped to itself stays so.
    if name != text && UsernameCaseMapped::enforce(&*name).ok().as_ref() != Some(&name) {
        return Err(NameError::Characters);
    }
    // Mapping may lengthen a text and may make a ':' out of another character.
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(NameError::TooLong);
    }
    keep_to_form(&name)?;
    Ok(Name(SmolStr::new(name)))
}

/// The common case, decided without the tables, which cost microseconds: of ASCII `UsernameCaseMapped` takes
/// what can be seen, and maps letters to lower case alone.
fn of_ascii(text: &str) -> Result<Name, NameError> {
    if text.len() > MAX_NAME_CHARS {
        return Err(NameError::TooLong);
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(NameError::Characters);
    }
    keep_to_form(text)?;
    if !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Ok(Name(SmolStr::new(text)));
    }
    Ok(Name(text.chars().map(|it| it.to_ascii_lowercase()).collect()))
}

/// What the protocol and people's shells and folders need of a name.
fn keep_to_form(name: &str) -> Result<(), NameError> {
    if name.contains([':', '/']) {
        return Err(NameError::Reserved);
    }
    if name.starts_with(['-', '.']) {
        return Err(NameError::Start);
    }
    Ok(())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn case_and_width_do_not_make_another_name() {
        for spelling in ["Marie", "MARIE", "ｍａｒｉｅ"] {
            assert_eq!(spelling.parse::<Name>().unwrap().as_str(), "marie");
        }
    }

    #[test]
    fn a_bad_name_says_what_is_wrong() {
        let long = "x".repeat(33);
        let umlauts = "Ä".repeat(33);
        for (text, error) in [
            ("", NameError::Empty),
            (long.as_str(), NameError::TooLong),
            (umlauts.as_str(), NameError::TooLong),
            ("jo:hn", NameError::Reserved),
            ("jo：hn", NameError::Reserved),
            ("../etc", NameError::Reserved),
            ("-v", NameError::Start),
            (".profile", NameError::Start),
            ("jo hn", NameError::Characters),
            ("jo\u{1b}hn", NameError::Characters),
            ("jo\u{202e}hn", NameError::Characters),
        ] {
            assert_eq!(text.parse::<Name>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn names_of_many_scripts_are_welcome() {
        for text in ["jürgen", "мария", "john.doe", "a_b-c", "李雷", "x"] {
            assert_eq!(text.parse::<Name>().unwrap().as_str(), text);
        }
    }

    /// Found by throwing bytes at the codec: `=` and a stroke are allowed, `≠` is not.
    #[test]
    fn what_composes_to_something_that_is_no_name_is_none() {
        assert_eq!("a=\u{338}".parse::<Name>(), Err(NameError::Characters));
        assert!("a\u{308}".parse::<Name>().is_ok());
    }

    proptest! {
        #[test]
        fn a_parsed_name_parses_to_itself(text in ".{0,40}") {
            if let Ok(name) = text.parse::<Name>() {
                let again: Name = name.as_str().parse().unwrap();
                prop_assert_eq!(again, name);
            }
        }

        #[test]
        fn a_name_of_marks_parses_to_itself(text in "[=<>a-cA-Cα-ω\u{300}-\u{345}\u{6d0}-\u{6e8}]{1,9}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert_eq!(name.as_str().parse(), Ok(name));
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_tables(text in "[\\x00-\\x7f]{1,8}|[!-~]{1,34}") {
            let enforced = UsernameCaseMapped::enforce(text.as_str()).ok();
            match text.parse::<Name>() {
                Ok(name) => prop_assert_eq!(Some(name.as_str()), enforced.as_deref()),
                Err(NameError::Characters) => prop_assert_eq!(enforced, None),
                Err(_) => {}
            }
        }
    }
}
