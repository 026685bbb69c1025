//! Colours and marks: what is said by a colour is said by a mark or by weight, too. Pure.

use ratatui::style::{Color, Modifier, Style};

use crate::client::State;

/// Which colours there are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    pub(super) colours: bool,
}

impl Theme {
    /// What is said by a colour is said by a mark or by weight, too. Of the terminal's own colours these two
    /// can be read on black and on white.
    pub(super) fn colour(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Whoever speaks, unless it is oneself.
    pub(super) fn peer(self) -> Style {
        self.bold().patch(self.colour(Color::Magenta))
    }

    /// What one must not overlook.
    pub(super) fn alarm(self) -> Style {
        self.bold().patch(self.colour(Color::Red))
    }

    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(super) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }
}

/// An own message's state, in one cell.
pub(super) fn mark(state: State, theme: Theme) -> (&'static str, Style) {
    match state {
        State::Waiting => (".", theme.bold()),
        State::Stored => ("-", theme.dim()),
        State::Delivered => ("+", Style::new()),
        State::Read => ("=", Style::new()),
        State::Expired => ("!", theme.alarm()),
        State::Received | State::Shown => (" ", Style::new()),
    }
}
