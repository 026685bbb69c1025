//! What a person may choose for the full screen. Pure.

use std::str::FromStr;

use thiserror::Error;

/// What a person has chosen for the full screen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Choices {
    /// When the bell rings.
    pub bell: Bell,
    /// How pictures are shown.
    pub pictures: Pictures,
    /// Whether the wheel scrolls, and the terminal selects with Shift only.
    pub mouse: bool,
}

/// When the terminal's bell rings, for conversations that are not in front and not muted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bell {
    /// Never.
    Off,
    /// When somebody whom one talks to writes.
    #[default]
    Direct,
    /// Also when somebody new does.
    All,
}

/// How pictures are to be shown: what a person may set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pictures {
    /// As well as the terminal is known to be able to.
    #[default]
    Auto,
    /// With the graphics protocol of Kitty.
    Kitty,
    /// With the one of iTerm2.
    Iterm,
    /// As Sixels.
    Sixel,
    /// Out of coloured half blocks.
    Blocks,
    /// Not at all.
    Off,
}

/// A word that is no choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is auto, kitty, iterm, sixel, blocks or off")]
pub struct PicturesError;

impl Pictures {
    /// How each is written.
    pub const NAMES: [&str; 6] = ["auto", "kitty", "iterm", "sixel", "blocks", "off"];
}

impl FromStr for Pictures {
    type Err = PicturesError;

    fn from_str(word: &str) -> Result<Self, PicturesError> {
        match word {
            "auto" => Ok(Self::Auto),
            "kitty" => Ok(Self::Kitty),
            "iterm" => Ok(Self::Iterm),
            "sixel" => Ok(Self::Sixel),
            "blocks" => Ok(Self::Blocks),
            "off" => Ok(Self::Off),
            _ => Err(PicturesError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_choice_and_another_is_told_which_there_are() {
        for (word, choice) in [
            ("auto", Pictures::Auto),
            ("kitty", Pictures::Kitty),
            ("iterm", Pictures::Iterm),
            ("sixel", Pictures::Sixel),
            ("blocks", Pictures::Blocks),
            ("off", Pictures::Off),
        ] {
            assert_eq!(word.parse(), Ok(choice));
            assert!(PicturesError.to_string().contains(word));
        }
        assert_eq!("Kitty".parse::<Pictures>(), Err(PicturesError));
    }
}
