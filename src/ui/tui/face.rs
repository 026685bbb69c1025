//! Connects the [app](super::app) to the terminal, the clock, the client and the disk.
//!
//! Owned by [`run`](super::run()). Invariants: a drawing that fails is retried and ends nothing; while another program
//! is in the foreground, nothing is read from the terminal or written to it, and the client goes on; however it ends,
//! what is to be remembered is on the disk.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind, MouseEventKind};
use futures::FutureExt;
use futures::future::{pending, select_all};
use rustix::process::{Signal, kill_current_process_group};

use super::app::{App, Effect, Input};
use super::display::canvas::Canvas;
use super::display::terminal::{self, Failures, Terminal};
use super::memory::Memory;
use super::opener::Opener;
use super::picture::{Gallery, Heard, Keys};
use super::theme::Theme;
use super::view;
use crate::client::files::FOLDER;
use crate::client::{Client, Command, Ending, Event, Failure};
use crate::exit::Exit;
use crate::message::Timestamp;
use crate::signals::{self, Interrupt, Interrupts, Notice, Notices};
use crate::task;
use crate::ui::console::modes::is_in_foreground;
use crate::ui::console::screen::Screen;
use crate::ui::phrases::{count, news};
use crate::ui::start::entry::{self, Error, race};
use crate::ui::typing::paths;

/// How long what is to be remembered may be in memory alone.
const REMEMBER: Duration = Duration::from_secs(1);

/// How often what shows the time is drawn anew.
const CLOCK: Duration = Duration::from_secs(30);

/// How long after a drawing that failed the next one is tried.
const RETRY: Duration = Duration::from_millis(250);

/// How often it looks whether it is in front again: not every shell says so.
const GLANCE: Duration = Duration::from_millis(250);

/// How long it waits to be stopped. Where no shell would take over, nothing stops it.
const STOPPING: Duration = Duration::from_millis(250);

/// How much is taken in before the screen is drawn again.
const BATCH: usize = 256;

/// The rows that a turn of the wheel scrolls.
const WHEEL: usize = 3;

/// What tells the face that something has happened.
pub(super) struct Ears {
    pub(super) events: Receiver<Event>,
    pub(super) interrupts: Interrupts,
    pub(super) notices: Notices,
    pub(super) opener: Opener,
    hang_up: Receiver<()>,
    /// None while another program is in front, and once the terminal is gone.
    keys: Option<Keys<EventStream>>,
    /// What the terminal was asked before there were keys, and what came meanwhile.
    heard: Heard,
}

impl Ears {
    pub(super) fn new(
        events: Receiver<Event>,
        interrupts: Interrupts,
        heard: Heard,
    ) -> io::Result<Self> {
        // Who is continued in the background may still wait for a key for a moment.
        signals::fail_in_the_background()?;
        let (notices, hang_up) = (Notices::listen()?, terminal::hang_up()?);
        Ok(Self { events, interrupts, notices, opener: Opener::new(), hang_up, keys: None, heard })
    }

    /// Begins to listen for keys, unless it does.
    fn listen(&mut self) {
        let Self { keys, heard, .. } = self;
        keys.get_or_insert_with(|| Keys::new(EventStream::new(), std::mem::take(heard)));
    }
}

/// See the [module](self).
pub(super) struct Face {
    pub(super) app: App,
    pub(super) terminal: Terminal,
    /// None where no pictures are to be shown.
    pub(super) gallery: Option<Gallery>,
    pub(super) client: Client,
    /// Where all of it is kept.
    pub(super) data: PathBuf,
    pub(super) remembering: Remembering,
    pub(super) state: State,
}

/// What is remembered, and where.
pub(super) struct Remembering {
    pub(super) path: PathBuf,
    pub(super) written: Memory,
    /// Since when something may have changed.
    pub(super) changed: Option<Instant>,
}

/// How it is with the face.
#[derive(Default)]
pub(super) struct State {
    /// What asked for the end; none if it was the person.
    signal: Option<Interrupt>,
    /// How the client ended; none while it runs.
    ending: Option<Ending>,
    /// The client ended without a word.
    lost: bool,
    /// The terminal is gone, and comes back no more.
    gone: bool,
    /// Others may have done something to the terminal.
    disturbed: bool,
    /// When a drawing failed that is still to be made up for. What happens meanwhile does not wait for it.
    undrawn: Option<Instant>,
    /// However much came at once.
    rings: bool,
}

/// What a wait brought.
enum Happened {
    Terminal(Option<io::Result<TerminalEvent>>),
    /// None if the client has ended.
    Client(Option<Event>),
    Signal(io::Result<Interrupt>),
    Notice(Notice),
    HungUp,
    /// An address could not be opened.
    Unopened(String),
    Picture,
    Time,
}

impl Face {
    /// Lives until its person leaves, and leaves the terminal and the disk as they should be. Returns the exit
    /// code.
    pub(super) async fn run(mut self, mut ears: Ears, screen: &Screen) -> Result<Exit, Error> {
        let lived = AssertUnwindSafe(self.live(&mut ears)).catch_unwind().await;
        drop(ears);
        self.end(lived, screen).await
    }

    /// Draws, waits and takes in, until the client has ended.
    async fn live(&mut self, ears: &mut Ears) -> io::Result<()> {
        self.measure(ears).await;
        loop {
            self.come_or_go(ears).await;
            self.draw();
            match self.happens(ears).await {
                Happened::Client(Some(event)) => self.take_events(event, ears).await,
                Happened::Client(None) => self.state.lost = self.state.ending.is_none(),
                Happened::Terminal(Some(Ok(event))) => self.take_terminal(event, ears).await,
                // Reading fails too while another program is in front.
                Happened::Terminal(_) if !is_in_foreground() => ears.keys = None,
                Happened::Terminal(_) | Happened::HungUp => self.lose_terminal(ears).await,
                Happened::Signal(it) => {
                    self.state.signal = Some(it?);
                    self.client.give(Command::Leave).await;
                }
                Happened::Notice(Notice::Continued) => self.state.disturbed = true,
                Happened::Notice(Notice::Resized) => self.measure(ears).await,
                Happened::Unopened(because) => self.take_in(Input::Failed(because), ears).await,
                // It is drawn.
                Happened::Picture => {}
                Happened::Time => self.take_in(Input::Tick, ears).await,
            }
            self.remember_in_time();
            if self.state.ending.is_some() || self.state.lost {
                return Ok(());
            }
        }
    }

    // The terminal.

    /// Leaves the terminal alone while another program is in front, and takes it again behind that.
    async fn come_or_go(&mut self, ears: &mut Ears) {
        if self.state.gone || !is_in_foreground() {
            // To wait for a key would stop the program as soon as one is pressed.
            ears.keys = None;
            self.state.disturbed = true;
            return;
        }
        if std::mem::take(&mut self.state.disturbed) || !self.terminal.is_taken() {
            if self.terminal.take_again().is_err() {
                return self.lose_terminal(ears).await;
            }
            self.draw_anew();
            self.measure(ears).await;
        }
        ears.listen();
    }

    /// Looks how large the terminal is now. Terminals move what they show when they change their size.
    async fn measure(&mut self, ears: &mut Ears) {
        if let Some(gallery) = &mut self.gallery {
            gallery.measure();
        }
        self.terminal.forget();
        let (width, height) = terminal::size().unwrap_or(self.app.size);
        self.take_in(Input::Resized(width, height), ears).await;
    }

    async fn lose_terminal(&mut self, ears: &mut Ears) {
        ears.keys = None;
        self.state.gone = true;
        self.state.signal.get_or_insert(Interrupt::Hangup);
        self.client.give(Command::Leave).await;
    }

    /// Stops, as Ctrl-Z has other programs do. Who continues it is heard.
    async fn stop(&mut self, ears: &mut Ears) {
        ears.keys = None;
        self.remember();
        self.terminal.give_back();
        if kill_current_process_group(Signal::TSTP).is_ok() {
            let continued = async { while ears.notices.next().await == Some(Notice::Resized) {} };
            race(continued, task::sleep(STOPPING)).await;
        }
    }

    /// Whether the terminal is there to be drawn on.
    fn draws(&self) -> bool {
        !self.state.gone && self.terminal.is_taken() && is_in_foreground()
    }

    fn draw(&mut self) {
        let failed = self.state.undrawn.is_some_and(|since| since.elapsed() < RETRY);
        if failed || !self.draws() {
            return;
        }
        let theme = Theme { colours: self.terminal.colours };
        self.look_for_pictures();
        let mut canvas = Canvas::empty(self.app.size);
        view::draw(&mut canvas, &self.app, theme, self.gallery.as_mut());
        let is_drawn = self.terminal.draw(&self.app.title(), canvas);
        self.state.undrawn = (!is_drawn).then(Instant::now);
        if !is_drawn {
            // What was told of them may be lost.
            self.draw_anew();
        } else if std::mem::take(&mut self.state.rings) {
            self.terminal.ring();
        }
    }

    fn draw_anew(&mut self) {
        if let Some(gallery) = &mut self.gallery {
            gallery.forget();
        }
        self.terminal.forget();
    }

    /// Has those made that are in sight, and makes room for them.
    fn look_for_pictures(&mut self) {
        let Self { app, gallery: Some(gallery), data, .. } = self else { return };
        let files = data.join(FOLDER);
        gallery.next_frame();
        let Some(area) = app.picture_area() else { return };
        for id in app.pictures() {
            gallery.want(id, &files.join(id.to_string()), area);
            if let Some((_, rows)) = gallery.size(id, area.0, area.1) {
                app.picture_has(id, rows);
            }
            if let Some(why) = gallery.refusal(id) {
                app.picture_is_refused(id, &why);
            }
        }
    }

    // What happens.

    /// How long nothing changes by itself.
    fn patience(&self, is_listening: bool) -> Option<Duration> {
        let left = |wait: Duration, since: Instant| wait.saturating_sub(since.elapsed());
        let remember = self.remembering.changed.map(|since| left(REMEMBER, since));
        let undrawn = self.state.undrawn.filter(|_| self.draws());
        let retry = undrawn.map(|since| left(RETRY, since));
        let clock = self.app.is_clock_shown().then_some(CLOCK);
        // Who was found in the background at the beginning of this turn may be in front by now. Nobody says so:
        // a shell sends SIGCONT to what was stopped, and not to what runs in the background.
        let waits = !is_listening || !is_in_foreground();
        let glance = (!self.state.gone && waits).then_some(GLANCE);
        [remember, retry, clock, glance].into_iter().flatten().min()
    }

    async fn happens(&self, ears: &mut Ears) -> Happened {
        let Ears { events, interrupts, notices, opener, hang_up, keys, .. } = ears;
        let patience = self.patience(keys.is_some());
        let keys = async {
            match keys {
                Some(keys) => Happened::Terminal(keys.next().await),
                None => pending().await,
            }
        };
        let pictures = async {
            match self.gallery.as_ref().map(Gallery::ready) {
                Some(pictures) if pictures.recv().await.is_ok() => Happened::Picture,
                // There are none, or no more.
                _ => pending().await,
            }
        };
        let time = async {
            match patience {
                Some(patience) => task::sleep(patience).await,
                None => pending().await,
            }
            Happened::Time
        };
        let notices = async {
            match notices.next().await {
                Some(notice) => Happened::Notice(notice),
                None => pending().await,
            }
        };
        let hung_up = async {
            match hang_up.recv().await {
                Ok(()) => Happened::HungUp,
                // It cannot be known.
                Err(_) => pending().await,
            }
        };
        let all = [
            async { Happened::Signal(interrupts.next().await) }.boxed_local(),
            notices.boxed_local(),
            hung_up.boxed_local(),
            keys.boxed_local(),
            async { Happened::Client(events.recv().await.ok()) }.boxed_local(),
            pictures.boxed_local(),
            async { Happened::Unopened(opener.failure().await) }.boxed_local(),
            time.boxed_local(),
        ];
        select_all(all).await.0
    }

    /// Takes in an event and those right behind it, so that the screen is drawn once for all of them.
    async fn take_events(&mut self, first: Event, ears: &mut Ears) {
        let events = ears.events.clone();
        let rest = std::iter::from_fn(|| events.try_recv().ok()).take(BATCH);
        for event in std::iter::once(first).chain(rest) {
            if let Event::Ended(ending) = &event {
                self.state.ending = Some(ending.clone());
            }
            self.app.happen(Input::Event(event), Timestamp::now());
        }
        let effects = self.app.settle();
        self.perform(effects, ears).await;
    }

    async fn take_terminal(&mut self, event: TerminalEvent, ears: &mut Ears) {
        self.remembering.changed.get_or_insert_with(Instant::now);
        #[cfg(test)]
        tests::panic_if_asked(&event);
        let input = match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => Input::Key(key),
            TerminalEvent::Paste(text) => pasted(text).await,
            TerminalEvent::FocusGained => Input::Focus(true),
            TerminalEvent::FocusLost => Input::Focus(false),
            TerminalEvent::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => Input::Scroll { by: WHEEL, down: false },
                MouseEventKind::ScrollDown => Input::Scroll { by: WHEEL, down: true },
                _ => return,
            },
            // The new size is noticed without it, also while the half of a key is waited for.
            TerminalEvent::Key(_) | TerminalEvent::Resize(..) => return,
        };
        self.take_in(input, ears).await;
    }

    async fn take_in(&mut self, input: Input, ears: &mut Ears) {
        let effects = self.app.update(input, Timestamp::now());
        self.perform(effects, ears).await;
    }

    async fn perform(&mut self, effects: Vec<Effect>, ears: &mut Ears) {
        for effect in effects {
            match effect {
                Effect::Give(command) => self.client.give(command).await,
                Effect::Bell => self.state.rings = true,
                Effect::Redraw => self.draw_anew(),
                Effect::Stop => self.stop(ears).await,
                Effect::Open(address) => ears.opener.open(address),
                Effect::Copy(text) => self.terminal.copy(&text),
                Effect::Paths(begun) => {
                    let look = begun.clone();
                    let all = task::blocking(move || paths::completions(&look)).await;
                    // It has nothing to be done.
                    self.app.update(Input::Paths { begun, all }, Timestamp::now());
                }
            }
        }
    }

    // What is remembered.

    fn remember_in_time(&mut self) {
        if self.remembering.changed.is_some_and(|since| since.elapsed() >= REMEMBER) {
            self.remember();
        }
    }

    /// Losing it costs comfort, no message: the next time it is tried again.
    fn remember(&mut self) {
        let Remembering { path, written, changed } = &mut self.remembering;
        *changed = None;
        let memory = self.app.memory();
        if memory != *written && memory.write(path, &self.app.server).is_ok() {
            *written = memory;
        }
    }

    // The end.

    /// Gives the terminal back, and says what there is to say.
    async fn end(
        mut self,
        lived: thread::Result<io::Result<()>>,
        screen: &Screen,
    ) -> Result<Exit, Error> {
        // Behind a panic anything may be half changed. What can be told of it is kept all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| self.remember()));
        let Self { app, data, terminal, client, state, .. } = self;
        let State { signal, ending, lost, .. } = state;
        let failures = terminal.leave();
        client.give(Command::Leave).await;
        client.join().await;
        let lived = lived.unwrap_or_else(|panic| resume_unwind(panic));
        tell_failures(&failures, screen);
        let Ending { failure, unsent } = ending.unwrap_or(Ending { failure: None, unsent: 0 });
        let refused = matches!(failure, Some(Failure::Name(_)));
        if unsent > 0 && !refused {
            screen.note(&news::kept(unsent, false, true));
        }
        if lost {
            screen.problem(entry::LOST_CLIENT);
            return Ok(Exit::Failed);
        }
        if let Some(failure) = failure {
            failure.to_string().lines().for_each(|line| screen.problem(line));
            if unsent > 0 && refused {
                screen.problem(&news::kept_under(unsent, &app.user, &data));
            }
            return Ok(entry::exit_of(&failure, unsent));
        }
        lived?;
        Ok(signal.map_or(Exit::Done, Interrupt::exit))
    }
}

fn tell_failures(Failures { count: times, last }: &Failures, screen: &Screen) {
    if let Some(last) = last {
        let drawings = count(*times, "drawing");
        screen.note(&format!("{drawings} of the screen failed, the last one because of: {last}"));
    }
}

/// What a paste is: a text, or a file that it names.
async fn pasted(text: String) -> Input {
    let named = text.clone();
    // The disk may take its time.
    match task::blocking(move || paths::pasted(&named)).await {
        Some(path) => Input::PastedFile(text, path),
        None => Input::Paste(text),
    }
}

#[cfg(test)]
#[path = "face_tests.rs"]
mod tests;
