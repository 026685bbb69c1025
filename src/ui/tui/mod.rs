//! The full screen: conversations on the left, the one that one talks to, its state, and what one is
//! writing.
//!
//! The `app` is pure; here is what it lives on: the terminal, the clock, the client. Owned by whoever
//! runs it. Invariant: the terminal is as it was, however this ends.

mod app;
pub(super) mod composer;
mod conversation;
mod find;
mod jump;
pub(super) mod keys;
mod memory;
mod picture;
mod terminal;
mod transfers;
mod view;
mod window;
mod wrap;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use crossterm::event::{Event as TerminalEvent, EventStream, KeyEventKind};
use futures::StreamExt;
use futures::future::{Either, select};
use jiff::tz::TimeZone;

use self::app::{App, Effect, Input, Start};
use self::memory::Memory;
use self::picture::{Capability, Gallery};
pub use self::picture::{Pictures, PicturesError};
use self::terminal::Terminal;
use self::view::Theme;
use super::count;
use super::entry::{self, Error, Options, ask};
use super::files;
use super::input;
use super::screen::Screen;
use super::settings::Bell;
use crate::client::{self, Client, Command, Ending, Event};
use crate::message::Timestamp;
use crate::signals::{Interrupt, Interrupts};
use crate::task;

/// How long what is to be remembered may be in memory alone.
const REMEMBER: Duration = Duration::from_secs(1);

/// How often what shows the time is drawn anew.
const CLOCK: Duration = Duration::from_secs(30);

/// How much is taken in before the screen is drawn again.
const BATCH: usize = 256;

/// Runs until its person leaves. Returns the exit code.
pub async fn run(options: Options, bell: Bell, pictures: Pictures) -> Result<u8, Error> {
    let mut interrupts = Interrupts::catch()?;
    task::spawn("last resort", entry::leave_if_stuck(Interrupts::catch()?));
    let screen = Screen::new();
    let user = match &options.user {
        Some(user) => user.clone(),
        None => {
            let line = || input::read_line(io::stdin());
            match ask(&screen, "Your name: ", line, &mut interrupts).await? {
                Either::Left(user) => user,
                Either::Right(exit_code) => return Ok(exit_code),
            }
        }
    };
    let config = entry::config(&options, &user)?;
    let path = config.data.join(memory::FILE);
    let files = config.data.join(client::files::FOLDER);
    let (client, events) = match entry::start(config, &screen, None, &mut interrupts).await? {
        Either::Left(started) => started,
        Either::Right(exit_code) => return Ok(exit_code),
    };
    let terminal = Terminal::take()?;
    // Without a thread to make them there are none.
    let capability = Capability::find(pictures, terminal.colours);
    let gallery = capability.and_then(|it| Gallery::start(it).ok());
    let server = options.server.address.to_string();
    let memory = Memory::read(&path, &server);
    let app = App::new(Start {
        user,
        server,
        named: options.server.fingerprint.is_some(),
        to: options.to,
        zone: TimeZone::system(),
        size: terminal::size().unwrap_or_default(),
        bell,
        memory: memory.clone(),
    });
    let mut face = Face {
        app,
        terminal,
        gallery,
        client,
        files,
        path,
        remembered: memory,
        changed: None,
        ending: None,
        rings: false,
    };
    let ended = face.live(events, &mut interrupts).await;
    let exit_code = face.end(ended, &screen).await?;
    Ok(exit_code)
}

/// Whether the terminal says how large it is.
pub fn has_size() -> bool {
    terminal::size().is_some()
}

struct Face {
    app: App,
    terminal: Terminal,
    /// None where no pictures are to be shown.
    gallery: Option<Gallery>,
    client: Client,
    /// Where files lie that came.
    files: PathBuf,
    /// Where it remembers, and what is there.
    path: PathBuf,
    remembered: Memory,
    /// Since when something may have changed that is to be remembered.
    changed: Option<Instant>,
    ending: Option<Ending>,
    /// However much came at once.
    rings: bool,
}

/// What a wait brought.
enum Happened {
    Terminal(Option<io::Result<TerminalEvent>>),
    Client(Event),
    Signal(io::Result<Interrupt>),
    Picture,
    Time,
}

impl Face {
    /// Draws, waits and takes in, until the client has ended. Gives the signal that ended it, if one did.
    async fn live(
        &mut self,
        events: Receiver<Event>,
        interrupts: &mut Interrupts,
    ) -> io::Result<Option<Interrupt>> {
        let mut keys = EventStream::new();
        let mut signal = None;
        self.take_in(Input::Tick).await?;
        loop {
            let theme = Theme { colours: self.terminal.colours };
            self.look_for_pictures();
            let Self { app, terminal, gallery, .. } = self;
            let gallery = gallery.as_mut();
            terminal.draw(&app.title(), |frame| view::draw(frame, app, theme, gallery))?;
            if std::mem::take(&mut self.rings) {
                self.terminal.ring()?;
            }
            let pictures = self.gallery.as_ref().map(Gallery::ready);
            match happens(&mut keys, &events, interrupts, pictures, self.patience()).await {
                Happened::Client(event) => self.take_events(event, &events).await?,
                Happened::Terminal(Some(Ok(event))) => self.take_terminal(event).await?,
                // The terminal is gone.
                Happened::Terminal(_) => self.client.give(Command::Leave).await,
                Happened::Signal(it) => {
                    signal = Some(it?);
                    self.client.give(Command::Leave).await;
                }
                // It is drawn.
                Happened::Picture => {}
                Happened::Time => self.take_in(Input::Tick).await?,
            }
            self.remember_in_time();
            if self.ending.is_some() {
                return Ok(signal);
            }
        }
    }

    /// Has those made that are in sight, and makes room for them.
    fn look_for_pictures(&mut self) {
        let Self { app, gallery: Some(gallery), files, .. } = self else { return };
        gallery.next_frame();
        let Some(area) = app.picture_area() else { return };
        for id in app.pictures() {
            gallery.want(id, &files.join(id.to_string()), area);
            if let Some((_, rows)) = gallery.size(id, area.0, area.1) {
                app.picture_has(id, rows);
            }
        }
    }

    /// How long nothing changes by itself.
    fn patience(&self) -> Option<Duration> {
        let remember = self.changed.map(|since| REMEMBER.saturating_sub(since.elapsed()));
        let clock = self.app.is_clock_shown().then_some(CLOCK);
        remember.into_iter().chain(clock).min()
    }

    /// Takes in an event and those right behind it, so that the screen is drawn once for all of them.
    async fn take_events(&mut self, first: Event, events: &Receiver<Event>) -> io::Result<()> {
        let rest = std::iter::from_fn(|| events.try_recv().ok()).take(BATCH);
        for event in std::iter::once(first).chain(rest) {
            if let Event::Ended(ending) = &event {
                self.ending = Some(ending.clone());
            }
            self.app.happen(Input::Event(event), Timestamp::now());
        }
        let effects = self.app.settle();
        self.perform(effects).await
    }

    async fn take_terminal(&mut self, event: TerminalEvent) -> io::Result<()> {
        self.changed.get_or_insert_with(Instant::now);
        match event {
            TerminalEvent::Key(key) if key.kind != KeyEventKind::Release => {
                self.take_in(Input::Key(key)).await
            }
            TerminalEvent::Paste(text) => self.take_paste(text).await,
            TerminalEvent::Resize(width, height) => {
                if let Some(gallery) = &mut self.gallery {
                    gallery.measure();
                }
                self.take_in(Input::Resized(width, height)).await
            }
            TerminalEvent::FocusGained => self.take_in(Input::Focus(true)).await,
            TerminalEvent::FocusLost => self.take_in(Input::Focus(false)).await,
            _ => Ok(()),
        }
    }

    async fn take_paste(&mut self, text: String) -> io::Result<()> {
        let named = text.clone();
        // The disk may take its time.
        match task::blocking(move || files::pasted(&named)).await {
            Some(path) => self.take_in(Input::PastedFile(text, path)).await,
            None => self.take_in(Input::Paste(text)).await,
        }
    }

    async fn take_in(&mut self, input: Input) -> io::Result<()> {
        let effects = self.app.update(input, Timestamp::now());
        self.perform(effects).await
    }

    async fn perform(&mut self, effects: Vec<Effect>) -> io::Result<()> {
        for effect in effects {
            match effect {
                Effect::Give(command) => self.client.give(command).await,
                Effect::Bell => self.rings = true,
                Effect::Redraw => {
                    if let Some(gallery) = &mut self.gallery {
                        gallery.forget();
                    }
                    self.terminal.forget()?;
                }
                Effect::Paths(begun) => {
                    let look = begun.clone();
                    let all = task::blocking(move || files::completions(&look)).await;
                    // It has nothing to be done.
                    self.app.update(Input::Paths { begun, all }, Timestamp::now());
                }
            }
        }
        Ok(())
    }

    fn remember_in_time(&mut self) {
        if self.changed.is_some_and(|since| since.elapsed() >= REMEMBER) {
            self.remember();
        }
    }

    /// Losing it costs comfort, no message: the next time it is tried again.
    fn remember(&mut self) {
        self.changed = None;
        let memory = self.app.memory();
        if memory != self.remembered && memory.write(&self.path, &self.app.server).is_ok() {
            self.remembered = memory;
        }
    }

    /// Gives the terminal back, and says what there is to say.
    async fn end(
        mut self,
        ended: io::Result<Option<Interrupt>>,
        screen: &Screen,
    ) -> Result<u8, Error> {
        self.remember();
        let Self { terminal, client, ending, .. } = self;
        drop(terminal);
        client.give(Command::Leave).await;
        client.join().await;
        let Ending { failure, unsent } = ending.unwrap_or(Ending { failure: None, unsent: 0 });
        if unsent > 0 {
            let messages = count(unsent, "message");
            screen.note(&format!("{messages} not sent yet; kept, and sent next time"));
        }
        if let Some(failure) = failure {
            failure.to_string().lines().for_each(|line| screen.problem(line));
            return Ok(entry::FAILED);
        }
        Ok(ended?.map_or(0, Interrupt::exit_code))
    }
}

async fn happens(
    keys: &mut EventStream,
    events: &Receiver<Event>,
    interrupts: &mut Interrupts,
    pictures: Option<Receiver<()>>,
    patience: Option<Duration>,
) -> Happened {
    let terminal = async { Happened::Terminal(keys.next().await) };
    let client = async {
        match events.recv().await {
            Ok(event) => Happened::Client(event),
            // It has said that it ended before.
            Err(_) => futures::future::pending().await,
        }
    };
    let signal = async { Happened::Signal(interrupts.next().await) };
    let picture = async {
        match pictures {
            Some(pictures) if pictures.recv().await.is_ok() => Happened::Picture,
            // There are none, or no more.
            _ => futures::future::pending().await,
        }
    };
    let time = async {
        match patience {
            Some(patience) => task::sleep(patience).await,
            None => futures::future::pending().await,
        }
        Happened::Time
    };
    let outside = select(Box::pin(terminal), Box::pin(client));
    let time = async { select(Box::pin(picture), Box::pin(time)).await.factor_first().0 };
    let inside = select(Box::pin(signal), Box::pin(time));
    match select(Box::pin(outside), Box::pin(inside)).await {
        Either::Left((either, _)) => either.factor_first().0,
        Either::Right((either, _)) => either.factor_first().0,
    }
}
