//! The full screen: conversations on the left, the one that one talks to, its state, and what one is
//! writing.
//!
//! The `app` is pure; the `face` is what it lives on: the terminal, the clock, the client. Owned by whoever
//! runs it. Invariant: the terminal is as it was, however this ends.

mod app;
mod areas;
mod canvas;
pub(super) mod composer;
mod conversation;
mod face;
mod find;
mod jump;
pub(super) mod keys;
mod layout;
mod links;
mod memory;
mod opener;
mod painter;
mod panel;
mod picture;
mod terminal;
mod transfers;
mod view;
mod window;
mod words;
mod wrap;

use futures::future::Either;
use jiff::tz::TimeZone;

use self::app::{App, Input, Start};
use self::face::{Ears, Face, Remembering, State};
use self::memory::Memory;
use self::picture::{Capability, Gallery};
pub use self::picture::{Pictures, PicturesError};
use self::terminal::Terminal;
use super::entry::{self, Error, Options};
use super::first::{self, Begun, Person};
use super::screen::Screen;
use super::settings::Bell;
use crate::exit::Exit;
use crate::message::Timestamp;
use crate::signals::Interrupts;
use crate::task;

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

/// Runs until its person leaves. Returns the exit code.
pub async fn run(options: Options, choices: Choices) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::catch_all()?;
    task::spawn("last resort", leave_if_stuck(Interrupts::catch_all()?));
    let screen = Screen::new();
    let mut person = Person { screen: &screen, lines: None, interrupts: &mut interrupts };
    let user = match &options.user {
        Some(user) => user.clone(),
        None => match person.name().await? {
            Either::Left(user) => user,
            Either::Right(exit) => return Ok(exit),
        },
    };
    let begun = match first::start(options, user, &mut person).await? {
        Either::Left(begun) => begun,
        Either::Right(exit) => return Ok(exit),
    };
    let Begun { options, user, data, client, events, told } = begun;
    let path = data.join(memory::FILE);
    let terminal = Terminal::take(choices.mouse)?;
    // Without a thread to make them there are none.
    let (capability, heard) = Capability::find(choices.pictures, terminal.colours);
    let gallery = capability.and_then(|it| Gallery::start(it).ok());
    let server = options.server.address.to_string();
    let memory = Memory::read(&path, &server);
    let mut app = App::new(Start {
        user,
        server,
        named: options.server.fingerprint.is_some(),
        to: options.to,
        zone: TimeZone::system(),
        size: terminal::size().unwrap_or_default(),
        bell: choices.bell,
        mouse: choices.mouse,
        memory: memory.clone(),
    });
    for event in told {
        app.happen(Input::Event(event), Timestamp::now());
    }
    let remembering = Remembering { path, written: memory, changed: None };
    let state = State::default();
    let face = Face { app, terminal, gallery, client, data, remembering, state };
    face.run(Ears::new(events, interrupts, heard)?, &screen).await
}

/// Whether the terminal says how large it is.
pub fn has_size() -> bool {
    terminal::size().is_some()
}

/// Whoever draws waits as long as the terminal takes nothing, and obeys no signal meanwhile. What matters is
/// on disk.
async fn leave_if_stuck(mut interrupts: Interrupts) {
    if let Ok(signal) = interrupts.next().await {
        task::sleep(entry::LEAVING).await;
        // It may be the terminal that everything waits for.
        let restored = task::blocking(terminal::restore);
        task::within(entry::LEAVING / 4, restored).await;
        std::process::exit(signal.exit().code().into());
    }
}
