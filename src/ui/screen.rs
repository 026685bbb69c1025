//! Both outputs of the plain face, and what each is for.
//!
//! Standard output has messages alone; a script depends on it. Standard error has the rest.
//! Invariant: what is said is one line, whatever words of others are in it; [`output`] cleans it.

use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use anstyle::{Effects, Style};

use super::bars::Bars;
use super::{files, news};
use crate::client::{FileState, Incoming, Transfer};
use crate::output;

/// Both outputs.
pub(super) struct Screen {
    /// A person sits there: questions, and news that a script has no use for.
    pub(super) interactive: bool,
    name: Style,
    note: Style,
    bars: Bars,
}

impl Screen {
    pub(super) fn new() -> Self {
        let coloured = |choice: ColorChoice, effects: Effects| match choice {
            ColorChoice::Never => Style::new(),
            _ => Style::new().effects(effects),
        };
        let (out, err) = output::colours();
        Self {
            interactive: io::stdin().is_terminal(),
            name: coloured(out, Effects::BOLD),
            note: coloured(err, Effects::DIMMED),
            bars: Bars::default(),
        }
    }

    /// A message, on standard output: each of its lines with the name of who wrote it.
    pub(super) fn message(&self, message: &Incoming) -> io::Result<()> {
        let Incoming { peer, kind, body, file, .. } = message;
        let Some(lines) = files::lines(kind, body, file.as_ref()) else {
            self.note(&format!("{peer} sent {}", news::unshowable(kind)));
            return Ok(());
        };
        let head = format!("{peer}:");
        self.bars.beside(|| {
            let mut out = output::out();
            for line in lines {
                out.line(self.name, &head, &format!(" {line}"))?;
            }
            out.flush()
        })
    }

    /// How far a file is, or what became of it.
    pub(super) fn transfer(&self, transfer: &Transfer) {
        self.bars.take(transfer);
        if !matches!(transfer.state, FileState::Coming | FileState::Offered) {
            self.note(&files::outcome(transfer));
        }
    }

    /// News, on standard error.
    pub(super) fn note(&self, text: &str) {
        self.say(self.note, &format!("-- {text}"));
    }

    /// A line for a script, on standard error.
    pub(super) fn line(&self, text: &str) {
        self.say(Style::new(), text);
    }

    /// Something went wrong, on standard error.
    pub(super) fn problem(&self, text: &str) {
        self.say(Style::new(), &format!("tinychat: {text}"));
    }

    pub(super) fn prompt(&self, question: &str) {
        let _ = self.bars.beside(|| write!(output::err(), "{question}"));
    }

    /// Ends the line in which a person was typing.
    pub(super) fn end_line(&self) {
        if self.interactive {
            self.say(Style::new(), "");
        }
    }

    /// Nobody hears it if standard error is closed.
    fn say(&self, style: Style, line: &str) {
        let _ = self.bars.beside(|| output::err().line(style, line, ""));
    }
}
