//! Both outputs of the plain face, and what each is for.
//!
//! Standard output has messages alone; a script depends on it. Standard error has the rest.
//! Invariant: whatever is printed here went through [`text`], wherever it came from.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{Effects, Style};

use super::bars::Bars;
use super::{files, text};
use crate::client::{FileState, Incoming, Transfer};

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
        Self {
            interactive: io::stdin().is_terminal(),
            name: coloured(AutoStream::choice(&io::stdout()), Effects::BOLD),
            note: coloured(AutoStream::choice(&io::stderr()), Effects::DIMMED),
            bars: Bars::default(),
        }
    }

    /// A message, on standard output: each of its lines with the name of who wrote it.
    pub(super) fn message(&self, message: &Incoming) -> io::Result<()> {
        let Incoming { peer, kind, body, file, .. } = message;
        let Some(lines) = files::lines(kind, body, file.as_ref()) else {
            self.note(&format!("{peer} sent something of kind {kind}, which cannot be shown here"));
            return Ok(());
        };
        self.bars.beside(|| {
            let mut out = io::stdout().lock();
            let name = self.name;
            for line in lines {
                writeln!(out, "{name}{peer}:{name:#} {line}")?;
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
        let (style, text) = (self.note, text::clean(text));
        self.eprint(format_args!("{style}-- {text}{style:#}\n"));
    }

    /// A line for a script, on standard error.
    pub(super) fn line(&self, text: &str) {
        self.eprint(format_args!("{}\n", text::clean(text)));
    }

    /// Something went wrong, on standard error.
    pub(super) fn problem(&self, text: &str) {
        self.eprint(format_args!("tinychat: {}\n", text::clean(text)));
    }

    pub(super) fn prompt(&self, question: &str) {
        self.eprint(format_args!("{question}"));
    }

    /// Ends the line in which a person was typing.
    pub(super) fn end_line(&self) {
        if self.interactive {
            self.eprint(format_args!("\n"));
        }
    }

    /// Without the panic of `eprint!` when standard error is closed.
    fn eprint(&self, text: std::fmt::Arguments<'_>) {
        let _ = self.bars.beside(|| io::stderr().lock().write_fmt(text));
    }
}
