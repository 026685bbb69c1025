//! The plain face: lines in, lines out. Prompts when a person sits there, a Unix filter when not.
//!
//! Standard output has messages alone (`marie: hello`); everything else is on standard error. What is
//! printed, and how, is the `screen`'s; here is what lines and events mean.

mod editor;
mod end;
mod keyboard;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use async_channel::{Receiver, RecvError};
use futures::future::Either;

use super::announcements::Announcements;
use super::command::{self, Input};
use super::entry::{self, Error, Options, ask, race};
use super::first::{self, Begun, Person};
use super::input::{self, Line};
use super::news;
use super::receipts::Receipts;
use super::screen::Screen;

use self::keyboard::Keyboard;
use crate::client::{Absence, Client, Command, Ending, Event, Query};
use crate::exit::Exit;
use crate::message::Name;
use crate::signals::{Interrupt, Interrupts};
use crate::task;
use crate::wire::MAX_BODY;

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

struct Face {
    client: Client,
    screen: Screen,
    options: Options,
    user: Name,
    /// Where all of that is kept.
    data: PathBuf,
    /// Whom lines go to.
    current: Option<Name>,
    open: BTreeSet<Name>,
    /// Whose names can be completed.
    known: BTreeSet<Name>,
    /// Who, not being the current one, was announced since one turned to the current one.
    announced: BTreeSet<Name>,
    connected: Connected,
    /// Why it was lost last.
    because: Absence,
    /// Since when it is as it is.
    since: SystemTime,
    receipts: Receipts,
    announcements: Announcements,
    /// By peer, the message whose refusal was told last.
    refused: BTreeMap<Name, u64>,
    /// The numbers of files that were asked for; none is the last.
    asked_files: BTreeSet<Option<u64>>,
    /// A line could not be obeyed, or a message not be printed.
    failed: bool,
    /// Nothing more can be printed. What comes until the client has ended is shown next time.
    leaving: bool,
    /// The input is at its end, or was said to be.
    all_read: bool,
    signal: Option<Interrupt>,
}

/// What was said last about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    NotYet,
    Yes,
    Lost,
}

/// How many names can be completed. More are not remembered.
const KNOWN: usize = 10_000;

/// How much of what was found is printed.
const FOUND: usize = 20;

impl Face {
    fn new(
        client: Client,
        screen: Screen,
        options: Options,
        (user, data): (Name, PathBuf),
    ) -> Self {
        let announcements = Announcements::new(screen.interactive || options.commands);
        Self {
            client,
            screen,
            options,
            user,
            data,
            current: None,
            open: BTreeSet::new(),
            known: BTreeSet::new(),
            announced: BTreeSet::new(),
            connected: Connected::NotYet,
            because: Absence::Server(String::new()),
            since: SystemTime::now(),
            receipts: Receipts::default(),
            announcements,
            refused: BTreeMap::new(),
            asked_files: BTreeSet::new(),
            failed: false,
            leaving: false,
            all_read: false,
            signal: None,
        }
    }

    /// Passes lines to the client and events to the screen, until the client has ended. None if it did so without a
    /// word.
    async fn live(
        &mut self,
        mut keyboard: Keyboard,
        events: &Receiver<Event>,
        interrupts: &mut Interrupts,
    ) -> Option<Ending> {
        loop {
            let line = keyboard.next(&self.screen, &self.known);
            let due = self.receipts.due().into_iter().chain(self.announcements.due()).min();
            let event = next_event(events, due);
            // A signal comes before all that waits to be shown.
            match race(interrupts.next(), race(event, line)).await {
                Either::Left(signal) => {
                    if !keyboard.close(&self.screen) {
                        self.screen.end_line();
                    }
                    self.interrupt(signal).await;
                }
                Either::Right(Either::Left(None)) => self.show_collected(Instant::now()),
                Either::Right(Either::Left(Some(event))) => match event {
                    Ok(Event::Ended(ending)) => {
                        self.keep_rest(&mut keyboard, &ending).await;
                        keyboard.close(&self.screen);
                        return Some(ending);
                    }
                    Ok(event) => self.show(event).await,
                    Err(_) => {
                        keyboard.close(&self.screen);
                        return None;
                    }
                },
                Either::Right(Either::Right(line)) => {
                    if !self.read(line).await {
                        keyboard.close(&self.screen);
                    }
                }
            }
        }
    }

    async fn interrupt(&mut self, signal: io::Result<Interrupt>) {
        self.signal = signal.ok();
        self.client.give(Command::Leave).await;
    }

    // What was typed.

    /// Obeys a line, or the end of input. Returns whether there is more to read.
    async fn read(&mut self, line: Option<Line>) -> bool {
        match line {
            None => return self.end_of_input().await,
            Some(Line::Failed(because)) => self.mistake(&because),
            Some(Line::Unusable(because)) => self.mistake(&format!("{because}; it was not sent")),
            Some(Line::Text(line)) if line.is_empty() && self.screen.interactive => {}
            Some(Line::Text(line)) if self.takes_commands() => match command::parse(&line) {
                Ok(input) => return self.obey(input).await,
                Err(because) => self.mistake(&because),
            },
            Some(Line::Text(line)) => self.say(line).await,
        }
        true
    }

    /// What a script pipes in is text, whatever it looks like: nobody else's words are to give orders.
    fn takes_commands(&self) -> bool {
        self.screen.interactive || self.options.commands
    }

    async fn end_of_input(&mut self) -> bool {
        self.all_read = true;
        if !self.options.follow || self.leaving {
            self.quit().await;
        }
        false
    }

    async fn obey(&mut self, input: Input) -> bool {
        match input {
            Input::Text(text) => self.say(text).await,
            Input::Talk(peer) => self.talk(peer).await,
            Input::Close(peer) => self.close(peer).await,
            Input::Online => self.client.give(Command::Online).await,
            Input::Status => self.client.give(Command::Status).await,
            Input::Trust(peer) => self.client.give(Command::Trust(peer)).await,
            Input::Fingerprint(name) => self.client.give(Command::Key(name)).await,
            Input::Block(None) => self.client.give(Command::Blocks).await,
            Input::Block(Some(peer)) => self.block(peer).await,
            Input::Unblock(peer) => {
                self.client.give(Command::Block { peer, blocked: false }).await;
            }
            Input::Search(words) => match Query::new(&words) {
                Some(query) => self.client.give(Command::Search { query, limit: FOUND }).await,
                None => self.mistake("there is no word to look for; usage: /SEARCH words"),
            },
            Input::Send(paths, mut caption) => {
                for path in paths {
                    let caption = caption.take();
                    self.with_peer(|peer| Command::SendFile { peer, path, caption }).await;
                }
            }
            Input::Get(number) => {
                self.asked_files.insert(number);
                self.with_peer(|peer| Command::Get { peer, number }).await;
            }
            Input::Save(number, to) => {
                self.asked_files.insert(number);
                self.with_peer(|peer| Command::Save { peer, number, to }).await;
            }
            Input::Cancel(which) => self.with_peer(|peer| Command::Cancel { peer, which }).await,
            Input::Free(number) => self.with_peer(|peer| Command::Free { peer, number }).await,
            Input::Files => self.client.give(Command::Files).await,
            Input::Mute(peer) => {
                self.mistake(&news::nothing_to_mute(peer.as_ref().or(self.current.as_ref())));
            }
            Input::Help => command::help().for_each(|line| self.screen.note(&line)),
            Input::Quit => {
                self.all_read = true;
                self.quit().await;
                return false;
            }
        }
        true
    }

    /// Somebody was heard of.
    fn know<'a>(&mut self, names: impl IntoIterator<Item = &'a Name>) {
        if self.screen.interactive {
            let room = KNOWN.saturating_sub(self.known.len());
            self.known.extend(names.into_iter().take(room).cloned());
        }
    }

    async fn say(&mut self, text: String) {
        let Some(peer) = self.current.clone() else {
            return self.mistake(match self.takes_commands() {
                true => "nobody to talk to; /TALK name first. It was not sent",
                false => "nobody to talk to; give --to. It was not sent",
            });
        };
        if text.len() > MAX_BODY {
            return self.mistake(&format!("a message has at most {MAX_BODY} bytes; not sent"));
        }
        self.client.give(Command::Send { peer, text }).await;
    }

    /// Gives a command that concerns whom one talks to.
    async fn with_peer(&mut self, command: impl FnOnce(Name) -> Command) {
        match self.current.clone() {
            Some(peer) => self.client.give(command(peer)).await,
            None => self.mistake("nobody to talk to; /TALK name first"),
        }
    }

    async fn talk(&mut self, peer: Name) {
        if peer == self.user {
            return self.mistake("nobody can talk to themselves here");
        }
        self.know([&peer]);
        self.announced.clear();
        self.announcements.forget(&peer);
        self.current = Some(peer.clone());
        if self.open.insert(peer.clone()) {
            self.client.give(Command::Talk(peer)).await;
        } else if self.screen.interactive {
            self.screen.note(&format!("talking to {peer}"));
        }
    }

    async fn close(&mut self, peer: Option<Name>) {
        let peer = peer.or_else(|| self.current.clone());
        let Some(peer) = peer.clone().filter(|peer| self.open.remove(peer)) else {
            return self.mistake(&news::not_open(peer.as_ref(), &self.open));
        };
        self.current.take_if(|current| *current == peer);
        if self.screen.interactive {
            self.screen.note(&format!("closed the conversation with {peer}"));
        }
        self.client.give(Command::Close(peer)).await;
    }

    async fn block(&mut self, peer: Name) {
        if peer == self.user {
            return self.mistake("you cannot block yourself");
        }
        self.know([&peer]);
        self.open.remove(&peer);
        self.current.take_if(|current| *current == peer);
        self.client.give(Command::Block { peer, blocked: true }).await;
    }

    async fn quit(&mut self) {
        if self.screen.interactive && self.connected != Connected::Yes {
            self.screen
                .note("waiting for the server to send what is written; Ctrl-C leaves at once");
        }
        self.client.give(Command::Finish).await;
    }

    pub(super) fn mistake(&mut self, because: &str) {
        self.failed |= !self.screen.interactive;
        self.screen.problem(because);
    }
}

/// The next event; none if something that was collected is to be shown before it comes.
async fn next_event(
    events: &Receiver<Event>,
    due: Option<Instant>,
) -> Option<Result<Event, RecvError>> {
    match due {
        None => Some(events.recv().await),
        Some(due) => {
            // Events that come without a pause would be taken before the time is looked at.
            let left = due.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())?;
            task::within(left, events.recv()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_is_due_does_not_wait_for_a_pause_between_events() {
        async_std::task::block_on(async {
            let (tell, events) = async_channel::unbounded();
            tell.try_send(Event::Connected).unwrap();
            let now = Instant::now();
            assert_eq!(next_event(&events, Some(now)).await, None);
            let later = Some(now + Duration::from_secs(3600));
            assert_eq!(next_event(&events, later).await, Some(Ok(Event::Connected)));
        });
    }
}
