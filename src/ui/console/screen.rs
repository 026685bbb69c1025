//! Both outputs of the plain face, and what each is for.
//!
//! Standard output has messages alone; a script depends on it. Standard error has the rest. Where a line is being
//! edited it stands below all that is printed. Invariant: what is said is one line, whatever words of others are in it;
//! [`output`] cleans it.

use std::cell::RefCell;
use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;
use anstyle::{Effects, Style};

use super::bars::Bars;
use super::row::{CLEAR, Row, View};
use crate::client::{FileState, Incoming, Passage, Transfer};
use crate::output;
use crate::text;
use crate::ui::phrases::{files, news, times};

/// Both outputs.
pub(crate) struct Screen {
    /// A person sits there: questions, and news that a script has no use for.
    pub(crate) interactive: bool,
    /// Where messages are printed, too: what was in the clear has a mark, and what was written long before it came has
    /// that behind it.
    pub(crate) marks: bool,
    name: Style,
    note: Style,
    bars: Bars,
    /// The line that is being edited.
    row: RefCell<Option<Row>>,
}

impl Screen {
    pub(crate) fn new() -> Self {
        let coloured = |choice: ColorChoice, effects: Effects| match choice {
            ColorChoice::Never => Style::new(),
            _ => Style::new().effects(effects),
        };
        let (out, err) = output::colours();
        Self {
            interactive: io::stdin().is_terminal(),
            marks: io::stdin().is_terminal() && output::is_terminal(),
            name: coloured(out, Effects::BOLD),
            note: coloured(err, Effects::DIMMED),
            bars: Bars::default(),
            row: RefCell::new(None),
        }
    }

    /// A message, on standard output: each of its lines with the name of who wrote it.
    pub(crate) fn message(&self, message: &Incoming) -> io::Result<()> {
        let Incoming { peer, time, kind, body, passage, file, written, .. } = message;
        let Some(mut lines) = files::lines(kind, body, file.as_ref()) else {
            self.note(&format!("{peer} sent {}", news::unshowable(kind)));
            return Ok(());
        };
        let written = written.filter(|_| self.marks);
        if let (Some(written), Some(first)) = (written, lines.first_mut()) {
            *first += &format!(" ({})", times::written(written, *time));
        }
        let is_marked = self.marks && *passage == Passage::Clear;
        let mark = if is_marked { format!("{} ", news::CLEAR) } else { String::new() };
        let head = format!("{mark}{peer}:");
        let mut printed = Vec::new();
        for line in lines {
            output::Lines::new(&mut printed).line(self.name, &head, &format!(" {line}"))?;
        }
        // What is printed in part is shown once more.
        self.beside(|| output::print_whole(&printed))
    }

    /// How far a file is, or what became of it.
    pub(crate) fn transfer(&self, transfer: &Transfer) {
        self.above_row(|| self.bars.take(transfer));
        if !matches!(transfer.state, FileState::Coming | FileState::Offered) {
            self.note(&files::outcome(transfer));
        }
    }

    /// News, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.say(self.note, &format!("-- {text}"));
    }

    /// A line for a script, on standard error.
    pub(crate) fn line(&self, text: &str) {
        self.say(Style::new(), text);
    }

    /// Something went wrong, on standard error.
    pub(crate) fn problem(&self, text: &str) {
        self.say(Style::new(), &format!("tinychat: {text}"));
    }

    pub(crate) fn prompt(&self, question: &str) {
        let _ = self.bars.beside(|| write!(output::err(), "{question}"));
    }

    /// Ends the line in which a person was typing.
    pub(crate) fn end_line(&self) {
        if self.interactive {
            self.say(Style::new(), "");
        }
    }

    /// Nobody hears it if standard error is closed.
    fn say(&self, style: Style, line: &str) {
        let _ = self.beside(|| output::err().line(style, line, ""));
    }

    /// Prints something beside bars and above the line that is being edited.
    fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        self.above_row(|| self.bars.beside(print))
    }

    fn above_row<T>(&self, print: impl FnOnce() -> T) -> T {
        self.with_row(|row, _| row.erase());
        let printed = print();
        self.with_row(Row::draw);
        printed
    }

    // The line that is being edited.

    /// Takes the terminal for it, if there is one. Returns whether there is.
    pub(crate) fn open_row(&self) -> io::Result<bool> {
        let row = Row::open()?;
        let is_open = row.is_some();
        *self.row.borrow_mut() = row;
        Ok(is_open)
    }

    /// Gives the terminal back; what was being written stays in sight. Returns whether there was a line to be edited.
    pub(crate) fn close_row(&self, line: &str) -> bool {
        if self.row.borrow().is_some() && !line.is_empty() {
            self.leave_line(line);
        }
        self.row.borrow_mut().take().is_some()
    }

    /// How many columns there are for it.
    pub(crate) fn row_width(&self) -> u16 {
        self.with_row(|row, _| row.width()).unwrap_or_default()
    }

    pub(crate) fn show_row(&self, view: View) {
        self.with_row(|row, below| row.set(view, below));
    }

    /// Draws it anew, where the terminal has changed.
    pub(crate) fn redraw_row(&self) {
        self.above_row(|| ());
    }

    /// Puts a whole line to what was printed.
    pub(crate) fn leave_line(&self, line: &str) {
        self.show_row(View::default());
        if let Some(print) = self.with_row(|row, _| row.printer()) {
            self.beside(|| print(&format!("{}\n", text::clean(line))));
        }
    }

    /// Clears the terminal.
    pub(crate) fn clear(&self) {
        if let Some(print) = self.with_row(|row, _| row.printer()) {
            self.beside(|| print(CLEAR));
        }
    }

    /// Stops the program, if somebody can go on with it.
    pub(crate) fn stop(&self) {
        self.with_row(|row, _| row.stop());
    }

    /// Behind a stop.
    pub(crate) fn go_on(&self) {
        self.with_row(|row, below| {
            row.go_on();
            row.draw(below);
        });
    }

    /// The same, if the terminal was not taken yet.
    pub(crate) fn go_on_if_away(&self) {
        if self.with_row(|row, _| row.is_away()) == Some(true) {
            self.go_on();
        }
    }

    fn with_row<T>(&self, act: impl FnOnce(&mut Row, bool) -> T) -> Option<T> {
        self.row.borrow_mut().as_mut().map(|row| act(row, self.bars.are_there()))
    }
}
