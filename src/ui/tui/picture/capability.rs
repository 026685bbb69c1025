//! Whether this terminal can show pictures, and how.
//!
//! Owned by the face. Invariant: what is known of the terminal comes from the environment and from the size of its window,
//! and from the answer to the one [question](super::question) that only a kitty is asked.

use std::io;
use std::time::Instant;

use super::question::{self, Heard};
use crate::ui::settings::Pictures;

/// How many pixels a cell is taken to have if a person insists on pixels and the terminal does not say:
/// few, so that a picture rather leaves room than covers what is beside it.
const ASSUMED_CELL: (u16, u16) = (8, 16);

/// A cell of blocks is two pixels, one above the other.
pub(super) const BLOCKS_CELL: (u16, u16) = (1, 2);

/// What a picture is written to the terminal as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Kitty,
    Iterm,
    Sixel,
    Blocks,
}

/// What is known of terminals by what they call themselves, or by what runs in them: a variable, how it begins,
/// and what to use then. The first row that fits decides, of these and then of those [below](LEFT). Only
/// what is known to work is here: a protocol that is not understood shows nothing at all, while blocks are
/// always a picture.
const NAMED: &[Row] = &[
    // These draw the screen themselves, and keep the variables of the terminal that they were started in.
    ("TMUX", "", Protocol::Blocks),
    ("STY", "", Protocol::Blocks),
    ("ZELLIJ", "", Protocol::Blocks),
    ("TERM", "tmux", Protocol::Blocks),
    ("TERM", "screen", Protocol::Blocks),
    // This one goes along to other machines.
    ("TERM", "xterm-kitty", Protocol::Kitty),
    ("TERM", "xterm-ghostty", Protocol::Kitty),
    ("TERM", "foot", Protocol::Sixel),
    ("TERM", "mlterm", Protocol::Sixel),
    ("TERM", "wezterm", Protocol::Iterm),
    ("TERM", "iterm2", Protocol::Iterm),
    ("TERM", "rio", Protocol::Iterm),
];

/// What terminals call themselves that have other variables to be known by. Where `TERM` is any other, these
/// were left by the terminal that this one was started from, and mean nothing.
const GENERIC: &[&str] = &["xterm", "xterm-16color", "xterm-256color", "xterm-direct"];

/// What is known of those by their variables.
const LEFT: &[Row] = &[
    // Where one of these was started from one below, or the other way round, blocks can be seen in both.
    ("VTE_VERSION", "", Protocol::Blocks),
    ("KONSOLE_VERSION", "", Protocol::Blocks),
    ("XTERM_VERSION", "", Protocol::Blocks),
    ("ALACRITTY_WINDOW_ID", "", Protocol::Blocks),
    ("TERM_PROGRAM", "ghostty", Protocol::Kitty),
    ("TERM_PROGRAM", "iTerm", Protocol::Iterm),
    ("TERM_PROGRAM", "WezTerm", Protocol::Iterm),
    ("TERM_PROGRAM", "rio", Protocol::Iterm),
    ("TERM_PROGRAM", "Bobcat", Protocol::Iterm),
    // It says what it is: what is said below was left by the terminal that it was started from.
    ("TERM_PROGRAM", "", Protocol::Blocks),
    ("LC_TERMINAL", "iTerm", Protocol::Iterm),
    ("WEZTERM_PANE", "", Protocol::Iterm),
    ("WEZTERM_EXECUTABLE", "", Protocol::Iterm),
    ("KITTY_WINDOW_ID", "", Protocol::Kitty),
];

/// A variable, how it begins, and what to use then.
type Row = (&'static str, &'static str, Protocol);

/// What says which of those that know the protocol of Kitty it is: this one's versions differ.
const KITTY: &[(&str, &str)] = &[("TERM", "xterm-kitty"), ("KITTY_WINDOW_ID", "")];

/// And what says that it is another.
const NOT_KITTY: &[(&str, &str)] = &[("TERM", "xterm-ghostty"), ("TERM_PROGRAM", "ghostty")];

/// How pictures get onto this terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capability {
    pub(super) protocol: Protocol,
    /// The pixels of a cell: columns, rows.
    pub(super) cell: (u16, u16),
    /// What is written is to be wrapped, so that tmux hands it on.
    pub(super) in_tmux: bool,
    /// The terminal has but 256 colours, and would take others for something else.
    pub(super) few_colours: bool,
}

impl Capability {
    /// What this terminal can do, and is to. None if it is to show no pictures, or cannot without colours.
    /// To be called in raw mode and before anything else reads from the terminal: it may ask it for its
    /// version, and gives what it heard.
    pub(crate) fn find(choice: Pictures, colours: bool) -> (Option<Self>, Heard) {
        let variable = |name: &str| {
            let value = std::env::var_os(name).filter(|it| !it.is_empty());
            value.map(|it| it.to_string_lossy().into_owned())
        };
        let found = Self::decide(choice, colours, &variable, cell());
        let is_kitty = found.is_some_and(|it| it.protocol == Protocol::Kitty) && kitty(&variable);
        if choice != Pictures::Auto || !is_kitty {
            return (found, Heard::default());
        }
        // What cannot be asked does not answer.
        let heard = question::ask(io::stdin(), io::stdout(), &Instant::now).unwrap_or_default();
        let has_placeholders = heard.version.as_deref().is_some_and(question::has_placeholders);
        (found.map(|it| if has_placeholders { it } else { it.in_blocks() }), heard)
    }

    fn in_blocks(self) -> Self {
        Self { protocol: Protocol::Blocks, cell: BLOCKS_CELL, ..self }
    }

    fn decide(
        choice: Pictures,
        colours: bool,
        variable: Variables<'_>,
        cell: Option<(u16, u16)>,
    ) -> Option<Self> {
        let protocol = match choice {
            Pictures::Off => return None,
            Pictures::Kitty => Protocol::Kitty,
            Pictures::Iterm => Protocol::Iterm,
            Pictures::Sixel => Protocol::Sixel,
            Pictures::Blocks => Protocol::Blocks,
            // How many cells so many pixels are has to be known.
            Pictures::Auto => cell.map_or(Protocol::Blocks, |_| known(variable)),
        };
        // Kitty is told by a cell's colour which picture is meant.
        if !colours && matches!(protocol, Protocol::Blocks | Protocol::Kitty) {
            return None;
        }
        let is = |name, start| fits(variable, name, start);
        let full = ["truecolor", "24bit"];
        let is_old_mac = is("TERM_PROGRAM", "Apple_Terminal")
            && !variable("COLORTERM").is_some_and(|it| full.contains(&it.as_str()));
        // It takes a colour of 24 bits apart, and its parts for something else.
        let in_screen = is("STY", "") || is("TERM", "screen") && !is("TMUX", "");
        Some(Self {
            protocol,
            cell: match protocol {
                Protocol::Blocks => BLOCKS_CELL,
                _ => cell.unwrap_or(ASSUMED_CELL),
            },
            in_tmux: is("TMUX", "") || is("TERM", "tmux"),
            few_colours: in_screen || is_old_mac,
        })
    }

    /// So many columns and rows in pixels.
    pub(super) fn pixels(&self, (columns, rows): (u16, u16)) -> (u32, u32) {
        let (width, height) = self.cell;
        (u32::from(columns) * u32::from(width), u32::from(rows) * u32::from(height))
    }

    /// The same after the window has changed: its letters may be larger now.
    pub(super) fn measured(self) -> Self {
        let cell = cell().filter(|_| self.protocol != Protocol::Blocks).unwrap_or(self.cell);
        Self { cell, ..self }
    }
}

/// What the environment says of a terminal.
type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

fn fits(variable: Variables<'_>, name: &str, start: &str) -> bool {
    variable(name).is_some_and(|it| it.starts_with(start))
}

fn known(variable: Variables<'_>) -> Protocol {
    let is_generic = variable("TERM").is_some_and(|it| GENERIC.contains(&it.as_str()));
    let left = if is_generic { LEFT } else { &[] };
    let mut rows = NAMED.iter().chain(left);
    let row = rows.find(|(name, start, _)| fits(variable, name, start));
    row.map_or(Protocol::Blocks, |(.., protocol)| *protocol)
}

/// Whether what is known to have the protocol of Kitty is kitty itself.
fn kitty(variable: Variables<'_>) -> bool {
    let any = |rows: &[(&str, &str)]| rows.iter().any(|(name, start)| fits(variable, name, start));
    any(KITTY) && !any(NOT_KITTY)
}

/// The pixels of a cell, if the terminal keeps the system informed of them.
fn cell() -> Option<(u16, u16)> {
    let window = crossterm::terminal::window_size().ok()?;
    let width = window.width.checked_div(window.columns)?;
    let height = window.height.checked_div(window.rows)?;
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(set: &[(&str, &str)], name: &str) -> Option<String> {
        let found = set.iter().find(|(it, _)| *it == name);
        found.map(|(_, value)| (*value).to_owned())
    }

    fn decide(choice: Pictures, colours: bool, set: &[(&str, &str)]) -> Option<Capability> {
        let variable = |name: &str| among(set, name);
        Capability::decide(choice, colours, &variable, Some((9, 20)))
    }

    #[test]
    fn a_terminal_is_known_by_its_environment() {
        for (set, protocol) in [
            (&[][..], Protocol::Blocks),
            (&[("TERM", "xterm-256color")], Protocol::Blocks),
            (&[("TERM", "xterm-kitty")], Protocol::Kitty),
            (&[("TERM", "foot-extra")], Protocol::Sixel),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], Protocol::Kitty),
            (&[("TERM", "xterm-256color"), ("LC_TERMINAL", "iTerm2")], Protocol::Iterm),
            (&[("TERM_PROGRAM", "WezTerm"), ("TERM", "xterm-256color")], Protocol::Iterm),
            // Started from within another.
            (
                &[("TERM", "xterm-256color"), ("TERM_PROGRAM", "vscode"), ("KITTY_WINDOW_ID", "1")],
                Protocol::Blocks,
            ),
            (
                &[("TERM", "xterm-256color"), ("VTE_VERSION", "7600"), ("KITTY_WINDOW_ID", "1")],
                Protocol::Blocks,
            ),
            (&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/tmux,1,0")], Protocol::Blocks),
            (&[("TERM", "xterm-kitty"), ("ZELLIJ", "0")], Protocol::Blocks),
        ] {
            let found = decide(Pictures::Auto, true, set).unwrap();
            assert_eq!(found.protocol, protocol, "{set:?}");
        }
    }

    #[test]
    fn what_another_terminal_left_means_nothing_where_a_terminal_has_a_name_of_its_own() {
        let left = [
            &[("KITTY_WINDOW_ID", "1"), ("KITTY_PID", "7")][..],
            &[("TERM_PROGRAM", "WezTerm"), ("WEZTERM_PANE", "0"), ("WEZTERM_EXECUTABLE", "/x")],
            &[("TERM_PROGRAM", "iTerm.app"), ("LC_TERMINAL", "iTerm2")],
            &[("TERM_PROGRAM", "ghostty"), ("GHOSTTY_BIN_DIR", "/x")],
        ];
        for (term, protocol) in [
            ("rxvt-unicode-256color", Protocol::Blocks),
            ("st-256color", Protocol::Blocks),
            ("linux", Protocol::Blocks),
            ("eterm-color", Protocol::Blocks),
            ("screen-256color", Protocol::Blocks),
            ("alacritty", Protocol::Blocks),
            ("vt220", Protocol::Blocks),
            ("konsole-256color", Protocol::Blocks),
            ("", Protocol::Blocks),
            ("foot", Protocol::Sixel),
            ("mlterm-256color", Protocol::Sixel),
            ("wezterm", Protocol::Iterm),
            ("xterm-kitty", Protocol::Kitty),
        ] {
            for left in left {
                let set = [&[("TERM", term)][..], left].concat();
                let found = decide(Pictures::Auto, true, &set).unwrap();
                assert_eq!(found.protocol, protocol, "{set:?}");
            }
        }
        // Nor where it says by a variable what it is.
        for own in ["VTE_VERSION", "KONSOLE_VERSION", "XTERM_VERSION", "ALACRITTY_WINDOW_ID"] {
            for left in left {
                let set = [&[("TERM", "xterm-256color"), (own, "1")][..], left].concat();
                let found = decide(Pictures::Auto, true, &set).unwrap();
                assert_eq!(found.protocol, Protocol::Blocks, "{set:?}");
            }
        }
    }

    #[test]
    fn kitty_is_told_from_others_with_its_protocol() {
        for (set, is_kitty) in [
            (&[("TERM", "xterm-kitty")][..], true),
            (&[("TERM", "xterm-256color"), ("KITTY_WINDOW_ID", "1")], true),
            (&[("TERM", "xterm-ghostty"), ("KITTY_WINDOW_ID", "1")], false),
            (&[("TERM", "xterm-256color"), ("TERM_PROGRAM", "ghostty")], false),
        ] {
            assert_eq!(decide(Pictures::Auto, true, set).unwrap().protocol, Protocol::Kitty);
            assert_eq!(kitty(&|name: &str| among(set, name)), is_kitty, "{set:?}");
        }
    }

    #[test]
    fn a_choice_goes_before_what_is_known_and_needs_what_it_needs() {
        let kitty = &[("TERM", "xterm-kitty"), ("TMUX", "x")][..];
        assert_eq!(decide(Pictures::Off, true, kitty), None);
        let sixel = decide(Pictures::Sixel, true, kitty).unwrap();
        assert_eq!((sixel.protocol, sixel.cell, sixel.in_tmux), (Protocol::Sixel, (9, 20), true));
        assert_eq!(decide(Pictures::Blocks, true, kitty).unwrap().cell, BLOCKS_CELL);
        // Without colours.
        assert_eq!(decide(Pictures::Kitty, false, &[]), None);
        assert_eq!(decide(Pictures::Auto, false, &[]), None);
        assert!(decide(Pictures::Sixel, false, &[]).is_some());
        // Where nobody says how large a cell is.
        let variable = |_: &str| Some("xterm-kitty".to_owned());
        let decide = |choice| Capability::decide(choice, true, &variable, None).unwrap();
        assert_eq!(decide(Pictures::Auto).protocol, Protocol::Blocks);
        assert_eq!(decide(Pictures::Kitty).cell, ASSUMED_CELL);
    }

    #[test]
    fn screen_has_few_colours_and_tmux_has_all() {
        for (set, few) in [
            (&[("TERM", "screen.xterm-256color"), ("STY", "7.pts-0")][..], true),
            (&[("TERM", "xterm-256color"), ("STY", "7.pts-0")], true),
            (&[("TERM", "screen-256color"), ("COLORTERM", "truecolor")], true),
            (&[("TERM", "screen-256color"), ("TMUX", "/tmp/tmux,1,0")], false),
            (&[("TERM", "tmux-256color")], false),
            (&[("TERM", "xterm-256color")], false),
        ] {
            assert_eq!(decide(Pictures::Auto, true, set).unwrap().few_colours, few, "{set:?}");
        }
    }

    #[test]
    fn the_terminal_of_older_macs_has_few_colours() {
        let old = &[("TERM_PROGRAM", "Apple_Terminal")][..];
        assert!(decide(Pictures::Auto, true, old).unwrap().few_colours);
        let new = &[("TERM_PROGRAM", "Apple_Terminal"), ("COLORTERM", "truecolor")];
        assert!(!decide(Pictures::Auto, true, new).unwrap().few_colours);
    }
}
