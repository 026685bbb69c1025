//! The full screen from its beginning to its end.
//!
//! Owned by whoever runs it. Invariant: the terminal is as it was, however this ends.

use futures::future::Either;
use jiff::tz::TimeZone;

use super::app::{App, Input, Start};
use super::display::terminal::{self, Terminal};
use super::face::{Ears, Face, Remembering, State};
use super::memory::{self, Memory};
use super::picture::{Capability, Gallery};
use crate::exit::Exit;
use crate::message::Timestamp;
use crate::signals::Interrupts;
use crate::task;
use crate::ui::console::screen::Screen;
use crate::ui::settings::Choices;
use crate::ui::start::entry::{self, Error, Options};
use crate::ui::start::first::{self, Begun};
use crate::ui::start::person::Person;

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
