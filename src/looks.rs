//! How names look: which ones may not be claimed because of it, and which look alike. Unicode Technical Standard #39.
//!
//! Owned by nobody, and pure: the server asks when a name is claimed, the client when it meets somebody. A [`Name`] may
//! be any of RFC 8265, because whoever had one before this rule keeps it.

use std::net::Ipv4Addr;

use smol_str::SmolStr;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};
use unicode_security::{GeneralSecurityProfile, MixedScript, skeleton};

use crate::message::Name;

/// The most nonspacing marks that one letter may have (UTS #39 §5.4): languages need no more.
const MAX_MARKS: usize = 4;

/// Why nobody may claim a name, whoever has which. Made to be read by whoever wants it.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unclaimable {
    /// Not in the identifier profile: symbols, letters that nobody writes today.
    #[error("a new name has no '{0}'; use letters and digits, and - . _ ' between them")]
    Character(char),
    /// Letters that no script has all of, as Cyrillic and Latin ones.
    #[error("a new name is written in one script; this one mixes several")]
    Scripts,
    /// Marks that would cover what stands around them.
    #[error(
        "a new name begins with a letter or a digit, and has no accent twice on a letter, nor more than {MAX_MARKS}"
    )]
    Marks,
    /// What operators would take for an address.
    #[error("a new name is no IP address")]
    Address,
}

/// Whether a name may be claimed for how it is written.
pub fn claimable(name: &Name) -> Result<(), Unclaimable> {
    let name = name.as_str();
    if let Some(other) = name.chars().find(|it| !it.identifier_allowed()) {
        return Err(Unclaimable::Character(other));
    }
    if name.is_ascii() {
        // One of IPv6 has a colon, and so is no name.
        let is_address = name.parse::<Ipv4Addr>().is_ok();
        return if is_address { Err(Unclaimable::Address) } else { Ok(()) };
    }
    if !name.is_single_script() {
        return Err(Unclaimable::Scripts);
    }
    keeps_to_marks(name).then_some(()).ok_or(Unclaimable::Marks)
}

fn keeps_to_marks(name: &str) -> bool {
    let (mut marks, mut before) = (0, None);
    for char in name.nfd() {
        let is_mark = is_nonspacing(char);
        if is_mark && (before.is_none() || before == Some(char)) {
            return false;
        }
        (marks, before) = (if is_mark { marks + 1 } else { 0 }, Some(char));
        if marks > MAX_MARKS {
            return false;
        }
    }
    true
}

fn is_nonspacing(char: char) -> bool {
    use GeneralCategory::{EnclosingMark, NonspacingMark};
    matches!(char.general_category(), EnclosingMark | NonspacingMark)
}

/// What is left of a name for somebody who looks at it briefly: names that look alike have equal ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Skeleton(SmolStr);

impl Skeleton {
    /// That of a name.
    pub fn of(name: &Name) -> Self {
        Self(skeleton(name.as_str()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn names_as_people_write_them_may_be_claimed() {
        for text in [
            "anna",
            "john.doe",
            "a_b-c",
            "o'neill",
            "007",
            "jürgen",
            "đặng",
            "мария",
            "мария2",
            "李雷",
            "さくらサクラ桜",
            "김철수",
            "ελένη",
            "שרה",
            "محمد",
            "क्षितिज",
            "ไม้",
        ] {
            assert_eq!(claimable(&name(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn names_that_are_made_to_be_mistaken_may_not() {
        let marks = format!("a{}", "\u{301}\u{323}".repeat(15));
        for (text, why) in [
            ("\u{430}nna", Unclaimable::Scripts),
            ("ann\u{3b1}", Unclaimable::Scripts),
            ("$;*|", Unclaimable::Character('$')),
            ("anna+1", Unclaimable::Character('+')),
            ("192.0.2.7", Unclaimable::Address),
            ("ᚠᚢᚦ", Unclaimable::Character('ᚠ')),
            (marks.as_str(), Unclaimable::Marks),
            ("é\u{301}va", Unclaimable::Marks),
            ("\u{301}eva", Unclaimable::Marks),
        ] {
            assert_eq!(claimable(&name(text)), Err(why), "{text}");
        }
    }

    #[test]
    fn names_that_look_alike_have_one_skeleton() {
        let alike = |one: &str, other: &str| Skeleton::of(&name(one)) == Skeleton::of(&name(other));
        assert!(alike("axa", "аха") && alike("anna", "\u{430}nna") && alike("marn", "mam"));
        assert!(!alike("anna", "hanna") && !alike("мария", "maria"));
    }
}
