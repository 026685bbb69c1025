//! The input of the plain face: lines edited at a terminal, or read from anything else.
//!
//! Owned by the [face](super::face). Invariant: waiting for a line is cancel-safe: nothing is lost.

use std::collections::{BTreeSet, VecDeque};
use std::future::{Future, pending};
use std::io;
use std::pin::Pin;

use async_channel::Receiver;
use crossterm::event::{Event, EventStream, KeyEventKind};
use futures::StreamExt;
use futures::future::Either;

use super::editor::{Editor, Pressed};
use crate::message::Name;
use crate::signals::Continuations;
use crate::task;
use crate::ui::console::row::Row;
use crate::ui::console::screen::Screen;
use crate::ui::start::entry::race;
use crate::ui::typing::input::{self, Line};
use crate::ui::typing::paths;
use crate::wire::MAX_TEXT;

/// How many ways to go on with a word are told.
const WAYS: usize = 30;

/// Whether lines are edited: then nobody reads the terminal before [`Keyboard::edit`].
pub(super) fn can_edit() -> bool {
    Row::is_possible()
}

/// See the [module](self).
pub(super) enum Keyboard {
    /// Lines that a thread reads.
    Lines(Receiver<Line>),
    /// Lines that are edited.
    Keys(Box<Keys>),
    /// Nothing more is read.
    Ended,
}

impl Keyboard {
    /// Takes the terminal.
    pub(super) fn edit(screen: &Screen) -> io::Result<Self> {
        match screen.open_row()? {
            true => Ok(Self::Keys(Box::new(Keys::begin()?))),
            false => input::read().map(Self::Lines),
        }
    }

    /// The next line; none at the end of them. The names are those that can be completed.
    pub(super) async fn next(&mut self, screen: &Screen, names: &BTreeSet<Name>) -> Option<Line> {
        match self {
            Self::Lines(lines) => lines.recv().await.ok(),
            Self::Keys(keys) => keys.next(screen, names).await,
            Self::Ended => pending().await,
        }
    }

    /// Gives the terminal back, with what is being written in sight. Returns whether that ended a line.
    pub(super) fn close(&mut self, screen: &Screen) -> bool {
        match std::mem::replace(self, Self::Ended) {
            Self::Keys(keys) => screen.close_row(keys.editor.line()),
            _ => false,
        }
    }
}

/// Keys of a terminal, and what they make.
pub(super) struct Keys {
    events: EventStream,
    continuations: Continuations,
    editor: Editor,
    /// Lines that are written, and the end of them.
    ready: VecDeque<Option<Line>>,
    /// The beginning of a path, and how it may go on.
    paths: Option<(String, Paths)>,
}

type Paths = Pin<Box<dyn Future<Output = Vec<String>>>>;

/// What a wait brought.
enum Happened {
    Event(Option<io::Result<Event>>),
    Continued,
    Paths(Vec<String>),
}

impl Keys {
    fn begin() -> io::Result<Self> {
        Ok(Self {
            events: EventStream::new(),
            continuations: Continuations::catch()?,
            editor: Editor::default(),
            ready: VecDeque::new(),
            paths: None,
        })
    }

    async fn next(&mut self, screen: &Screen, names: &BTreeSet<Name>) -> Option<Line> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return line;
            }
            match self.happens().await {
                Happened::Event(Some(Ok(event))) => self.take(event, screen, names),
                Happened::Event(error) => self.fail(error.and_then(Result::err)),
                Happened::Continued => screen.go_on(),
                Happened::Paths(ways) => {
                    if let Some((begun, _)) = self.paths.take() {
                        tell(screen, &self.editor.complete_path(&begun, ways));
                    }
                }
            }
            screen.show_row(self.editor.view(screen.row_width()));
        }
    }

    async fn happens(&mut self) -> Happened {
        let Self { events, continuations, paths, .. } = self;
        let paths = async {
            match paths {
                Some((_, paths)) => paths.await,
                None => pending().await,
            }
        };
        let continued = async {
            if !continuations.next().await {
                pending::<()>().await;
            }
        };
        match race(events.next(), race(continued, paths)).await {
            Either::Left(event) => Happened::Event(event),
            Either::Right(Either::Left(())) => Happened::Continued,
            Either::Right(Either::Right(ways)) => Happened::Paths(ways),
        }
    }

    fn take(&mut self, event: Event, screen: &Screen, names: &BTreeSet<Name>) {
        screen.go_on_if_away();
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => {
                let pressed = self.editor.press(&key);
                self.obey(pressed, screen, names);
            }
            Event::Paste(text) => {
                for pressed in self.editor.paste(&text) {
                    self.obey(pressed, screen, names);
                }
            }
            Event::Resize(..) => screen.redraw_row(),
            _ => {}
        }
    }

    fn obey(&mut self, pressed: Pressed, screen: &Screen, names: &BTreeSet<Name>) {
        match pressed {
            Pressed::Done => {}
            Pressed::Line(line) => {
                screen.leave_line(&line);
                self.ready.push_back(Some(Line::edited(line)));
            }
            Pressed::EndOfInput => self.ready.push_back(None),
            Pressed::Full => {
                screen
                    .problem(&format!("a message has at most {MAX_TEXT} bytes; this is too much"));
            }
            Pressed::Stop => screen.stop(),
            Pressed::Clear => screen.clear(),
            Pressed::Complete => match self.editor.begun_path().map(String::from) {
                Some(begun) => self.look_for_paths(begun),
                None => tell(screen, &self.editor.complete(names.iter().map(Name::as_str))),
            },
        }
    }

    /// The disk may take its time.
    fn look_for_paths(&mut self, begun: String) {
        let look = begun.clone();
        let paths = task::blocking(move || paths::completions(&look));
        self.paths = Some((begun, Box::pin(paths)));
    }

    fn fail(&mut self, error: Option<io::Error>) {
        let failed = error.map(|error| Line::Failed(format!("cannot read the input: {error}")));
        self.ready.extend(failed.map(Some));
        self.ready.push_back(None);
    }
}

/// How a word may go on, if there are several ways.
fn tell(screen: &Screen, ways: &[String]) {
    if !ways.is_empty() {
        let more = if ways.len() > WAYS { " …" } else { "" };
        let shown = &ways[..ways.len().min(WAYS)];
        screen.note(&format!("{}{more}", shown.join("  ")));
    }
}
