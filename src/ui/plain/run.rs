//! The plain face from its beginning to its end.
//!
//! Owned by the binary.

use std::io;

use async_channel::Receiver;
use futures::future::Either;

use super::face::Face;
use super::keyboard::{self, Keyboard};
use crate::exit::Exit;
use crate::message::Name;
use crate::signals::Interrupts;
use crate::task;
use crate::ui::console::screen::Screen;
use crate::ui::start::entry::{self, Error, Options, ask};
use crate::ui::start::first::{self, Begun};
use crate::ui::start::person::Person;
use crate::ui::typing::input::{self, Line};

/// Runs until the conversation is over. Returns the exit code.
pub async fn run(options: Options) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::catch()?;
    task::spawn("last resort", entry::leave_if_stuck(Interrupts::catch()?));
    let screen = Screen::new();
    // Where lines are edited, nobody else reads the terminal by then.
    let lines = if keyboard::can_edit() { None } else { Some(input::read()?) };
    let lines = lines.as_ref();
    let asked = match ask_missing(&options, &screen, lines, &mut interrupts).await? {
        Either::Left(asked) => asked,
        Either::Right(exit) => return Ok(exit),
    };
    let (user, to) = asked;
    let mut person = Person { screen: &screen, lines, interrupts: &mut interrupts };
    let begun = match first::start(options, user, &mut person).await? {
        Either::Left(begun) => begun,
        Either::Right(exit) => return Ok(exit),
    };
    let Begun { options, user, data, client, events, told } = begun;
    let keyboard = match lines {
        Some(lines) => Keyboard::Lines(lines.clone()),
        None => Keyboard::edit(&screen)?,
    };
    let mut face = Face::new(client, screen, options, (user, data));
    for event in told {
        face.show(event).await;
    }
    if let Some(peer) = to {
        face.talk(peer).await;
    }
    let ending = face.live(keyboard, &events, &mut interrupts).await;
    face.client.end().await;
    Ok(face.end(ending, &events))
}

/// Asks for what the flags did not say, if somebody sits there. Otherwise gives an exit code.
async fn ask_missing(
    options: &Options,
    screen: &Screen,
    lines: Option<&Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Either<(Name, Option<Name>), Exit>, Error> {
    if !screen.interactive {
        let user = options.user.clone().ok_or(Error::NoUser)?;
        return Ok(Either::Left((user, options.to.clone())));
    }
    let lines = || lines.map_or_else(|| input::read_line(io::stdin()), |lines| Ok(lines.clone()));
    let user = match &options.user {
        Some(user) => user.clone(),
        None => match ask(screen, "Your name: ", lines, interrupts).await? {
            Either::Left(user) => user,
            Either::Right(exit) => return Ok(Either::Right(exit)),
        },
    };
    if options.to.is_some() {
        return Ok(Either::Left((user, options.to.clone())));
    }
    loop {
        match ask(screen, "Talk to: ", lines, interrupts).await? {
            Either::Left(peer) if peer == user => {
                screen.problem("nobody can talk to themselves here");
            }
            Either::Left(peer) => return Ok(Either::Left((user, Some(peer)))),
            Either::Right(exit) => return Ok(Either::Right(exit)),
        }
    }
}
