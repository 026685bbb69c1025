//! The plain face: lines in, lines out. Prompts when a person sits there, a Unix filter when not.
//!
//! Standard output has messages alone (`marie: hello`); everything else is on standard error. What is
//! printed, and how, is the `screen`'s; here is what lines and events mean.

mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use async_channel::{Receiver, RecvError};
use futures::future::{Either, select};
use thiserror::Error;

use super::command::{self, Input};
use super::count;
use super::input::{self, Line};
use super::passphrase::Unseen;
use super::receipts::Receipts;
use super::screen::Screen;

use crate::client::{self, AddressError, Client, Command, Ending, Event, StartError, Target};
use crate::folder::{FolderError, default_data_folder};
use crate::message::Name;
use crate::signals::{Interrupt, Interrupts};
use crate::task;
use crate::trust::IdentityError;
use crate::wire::MAX_BODY;

/// Failed.
const FAILED: u8 = 1;

/// How often a passphrase is asked for.
const PASSPHRASES: usize = 3;

/// How long leaving may take after a signal.
const LEAVING: Duration = Duration::from_secs(4);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, and its key if that is known already.
    pub server: Target,
    /// Whether to speak TLS with it.
    pub tls: bool,
    /// Who one is; asked for on a terminal if missing.
    pub user: Option<Name>,
    /// Whom to talk to; asked for on a terminal if missing.
    pub to: Option<Name>,
    /// One's data folder, if not the default one.
    pub data: Option<PathBuf>,
    /// One's own key, if not the one in the data folder.
    pub identity: Option<PathBuf>,
    /// Keep listening after the end of input.
    pub follow: bool,
    /// Say of each message when it is stored, delivered, refused or expired.
    pub receipts: bool,
    /// How long a script waits for anything.
    pub timeout: Duration,
}

/// Why the face does not come up.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Error {
    #[error("without a terminal to ask at, --user is needed")]
    NoUser,
    #[error("a server shows its key under TLS only; leave out either the fingerprint or --tls off")]
    Unverifiable,
    #[error("{0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Start(#[from] client::StartError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// What a program that stops for this exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NoUser | Self::Unverifiable => crate::args::USAGE,
            _ => FAILED,
        }
    }
}

/// Runs until the conversation is over. Returns the exit code.
pub async fn run(options: Options) -> Result<u8, Error> {
    if options.server.fingerprint.is_some() && !options.tls {
        return Err(Error::Unverifiable);
    }
    let mut interrupts = Interrupts::catch()?;
    task::spawn("last resort", leave_if_stuck(Interrupts::catch()?));
    let screen = Screen::new();
    let lines = input::read()?;
    let asked = match ask_missing(&options, &screen, &lines, &mut interrupts).await? {
        Either::Left(asked) => asked,
        Either::Right(exit_code) => return Ok(exit_code),
    };
    let (user, to) = asked;
    let config = config(&options, &user)?;
    let (client, events) = match start(config, &screen, &lines, &mut interrupts).await? {
        Either::Left(started) => started,
        Either::Right(exit_code) => return Ok(exit_code),
    };
    let mut face = Face::new(client, screen, options, user);
    if let Some(peer) = to {
        face.talk(peer).await;
    }
    let exit_code = face.live(lines, events, &mut interrupts).await;
    face.client.join().await;
    Ok(exit_code)
}

/// Whoever prints waits as long as nobody reads, and obeys no signal meanwhile. What matters is on
/// disk.
async fn leave_if_stuck(mut interrupts: Interrupts) {
    if let Ok(signal) = interrupts.next().await {
        task::sleep(LEAVING).await;
        std::process::exit(signal.exit_code().into());
    }
}

fn config(options: &Options, user: &Name) -> Result<client::Config, Error> {
    let data = match &options.data {
        Some(data) => data.clone(),
        None => default_data_folder("tinychat")?.join(user.as_str()),
    };
    let script = !io::stdin().is_terminal() && !options.follow;
    Ok(client::Config {
        server: options.server.address.clone(),
        fingerprint: options.server.fingerprint,
        invite: options.server.invite,
        tls: options.tls,
        user: user.clone(),
        data,
        identity: options.identity.clone(),
        agent: std::env::var_os("SSH_AUTH_SOCK").filter(|it| !it.is_empty()).map(PathBuf::from),
        patience: script.then_some(options.timeout),
    })
}

/// Starts the client; asks for the key's passphrase if it has one. Otherwise gives an exit code.
async fn start(
    config: client::Config,
    screen: &Screen,
    lines: &Receiver<Line>,
    interrupts: &mut Interrupts,
) -> Result<Either<(Client, Receiver<Event>), u8>, Error> {
    let mut tries = 0..PASSPHRASES;
    let mut started = Client::start(config.clone(), None);
    while let Err(StartError::Identity(
        locked @ (IdentityError::Locked { .. } | IdentityError::Passphrase { .. }),
    )) = &started
    {
        // Without a terminal, and behind the last try, the failure itself says what to do.
        let Some(unseen) = tries.next().and_then(|_| Unseen::begin().ok()) else { break };
        if matches!(locked, IdentityError::Passphrase { .. }) {
            screen.problem(&locked.to_string());
        }
        match ask_passphrase(unseen, screen, lines, interrupts).await? {
            Either::Left(passphrase) => {
                started = Client::start(config.clone(), Some(&passphrase));
            }
            Either::Right(exit_code) => return Ok(Either::Right(exit_code)),
        }
    }
    Ok(Either::Left(started?))
}

/// Asks once. Gives an exit code if the input ends or a signal comes. The terminal is as it was then.
async fn ask_passphrase(
    unseen: Unseen,
    screen: &Screen,
    lines: &Receiver<Line>,
    interrupts: &mut Interrupts,
) -> Result<Either<String, u8>, Error> {
    screen.prompt("Passphrase of your key: ");
    let typed = if screen.interactive { lines.clone() } else { unseen.read_line()? };
    Ok(match race(typed.recv(), interrupts.next()).await {
        Either::Left(Ok(Line::Text(passphrase))) => Either::Left(passphrase),
        // It cannot be the right one.
        Either::Left(Ok(Line::Unusable(_) | Line::Failed(_))) => Either::Left(String::new()),
        Either::Left(Err(_)) => {
            screen.end_line();
            Either::Right(FAILED)
        }
        Either::Right(signal) => {
            screen.end_line();
            Either::Right(signal?.exit_code())
        }
    })
}

/// Asks for what the flags did not say, if somebody sits there. Otherwise gives an exit code.
async fn ask_missing(
    options: &Options,
    screen: &Screen,
    lines: &Receiver<Line>,
    interrupts: &mut Interrupts,
) -> Result<Either<(Name, Option<Name>), u8>, Error> {
    if !screen.interactive {
        let user = options.user.clone().ok_or(Error::NoUser)?;
        return Ok(Either::Left((user, options.to.clone())));
    }
    let user = match &options.user {
        Some(user) => user.clone(),
        None => match ask(screen, "Your name: ", lines, interrupts).await? {
            Either::Left(user) => user,
            Either::Right(exit_code) => return Ok(Either::Right(exit_code)),
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
            Either::Right(exit_code) => return Ok(Either::Right(exit_code)),
        }
    }
}

/// Asks until a name is given; or gives an exit code, if the input ends or a signal comes.
async fn ask(
    screen: &Screen,
    question: &str,
    lines: &Receiver<Line>,
    interrupts: &mut Interrupts,
) -> Result<Either<Name, u8>, Error> {
    loop {
        screen.prompt(question);
        let line = match race(lines.recv(), interrupts.next()).await {
            Either::Left(Ok(Line::Text(line))) => line,
            Either::Left(Ok(Line::Unusable(because) | Line::Failed(because))) => {
                screen.problem(&because);
                continue;
            }
            Either::Left(Err(_)) => {
                screen.end_line();
                return Ok(Either::Right(0));
            }
            Either::Right(signal) => {
                screen.end_line();
                return Ok(Either::Right(signal?.exit_code()));
            }
        };
        match line.trim().parse() {
            Ok(name) => return Ok(Either::Left(name)),
            Err(error) => screen.problem(&format!("{error}")),
        }
    }
}

/// Whichever comes first.
async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    match select(Box::pin(a), Box::pin(b)).await {
        Either::Left((output, _)) => Either::Left(output),
        Either::Right((output, _)) => Either::Right(output),
    }
}

struct Face {
    client: Client,
    screen: Screen,
    options: Options,
    user: Name,
    /// Whom lines go to.
    current: Option<Name>,
    open: BTreeSet<Name>,
    /// Who, not being the current one, was announced since one turned to the current one.
    announced: BTreeSet<Name>,
    connected: Connected,
    /// Since when it is as it is.
    since: SystemTime,
    receipts: Receipts,
    /// By peer, the message whose refusal was told last.
    refused: BTreeMap<Name, u64>,
    /// A line could not be obeyed, or a message not be printed.
    failed: bool,
    /// Nothing more can be printed. What comes until the client has ended is shown next time.
    leaving: bool,
    signal: Option<Interrupt>,
}

/// What was said last about the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connected {
    NotYet,
    Yes,
    Lost,
}

impl Face {
    fn new(client: Client, screen: Screen, options: Options, user: Name) -> Self {
        Self {
            client,
            screen,
            options,
            user,
            current: None,
            open: BTreeSet::new(),
            announced: BTreeSet::new(),
            connected: Connected::NotYet,
            since: SystemTime::now(),
            receipts: Receipts::default(),
            refused: BTreeMap::new(),
            failed: false,
            leaving: false,
            signal: None,
        }
    }

    /// Passes lines to the client and events to the screen, until the client has ended.
    async fn live(
        &mut self,
        lines: Receiver<Line>,
        events: Receiver<Event>,
        interrupts: &mut Interrupts,
    ) -> u8 {
        let mut lines = Some(lines);
        loop {
            // Once the input has ended, nothing more is read of it.
            let line = async {
                match &lines {
                    Some(lines) => lines.recv().await.ok(),
                    None => std::future::pending().await,
                }
            };
            let event = next_event(&events, self.receipts.due());
            // A signal comes before all that waits to be shown.
            match race(interrupts.next(), race(event, line)).await {
                Either::Left(signal) => self.interrupt(signal).await,
                Either::Right(Either::Left(None)) => self.show_receipts(),
                Either::Right(Either::Left(Some(event))) => match event {
                    Ok(Event::Ended(ending)) => return self.end(&ending),
                    Ok(event) => self.show(event).await,
                    Err(_) => return self.lost_client(),
                },
                Either::Right(Either::Right(line)) => {
                    if !self.read(line).await {
                        lines = None;
                    }
                }
            }
        }
    }

    /// The client ended without a word, which it does only when it panics.
    fn lost_client(&self) -> u8 {
        self.screen.problem("something went wrong inside; what you wrote is kept for next time");
        FAILED
    }

    fn end(&mut self, ending: &Ending) -> u8 {
        self.show_receipts();
        if let Some(failure) = &ending.failure {
            failure.to_string().lines().for_each(|line| self.screen.problem(line));
        }
        if ending.unsent > 0 {
            let messages = count(ending.unsent, "message");
            self.screen.problem(&format!("{messages} not sent yet; kept, and sent next time"));
        }
        match self.signal {
            Some(signal) => signal.exit_code(),
            None if ending.failure.is_some() || self.failed => FAILED,
            None => 0,
        }
    }

    async fn interrupt(&mut self, signal: io::Result<Interrupt>) {
        self.signal = signal.ok();
        self.screen.end_line();
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
            Some(Line::Text(line)) => match command::parse(&line) {
                Ok(input) => return self.obey(input).await,
                Err(because) => self.mistake(&because),
            },
        }
        true
    }

    async fn end_of_input(&mut self) -> bool {
        if !self.options.follow {
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
            Input::Help => command::help().for_each(|line| self.screen.note(&line)),
            Input::Quit => {
                self.quit().await;
                return false;
            }
        }
        true
    }

    async fn say(&mut self, text: String) {
        let Some(peer) = self.current.clone() else {
            return self.mistake("nobody to talk to; /TALK name first. It was not sent");
        };
        if text.len() > MAX_BODY {
            return self.mistake(&format!("a message has at most {MAX_BODY} bytes; not sent"));
        }
        self.client.give(Command::Send { peer, text }).await;
    }

    async fn talk(&mut self, peer: Name) {
        if peer == self.user {
            return self.mistake("nobody can talk to themselves here");
        }
        self.announced.clear();
        self.current = Some(peer.clone());
        if self.open.insert(peer.clone()) {
            self.client.give(Command::Talk(peer)).await;
        } else if self.screen.interactive {
            self.screen.note(&format!("talking to {peer}"));
        }
    }

    async fn close(&mut self, peer: Option<Name>) {
        let Some(peer) = peer.or_else(|| self.current.clone()) else {
            return self.mistake("no conversation is open");
        };
        if !self.open.remove(&peer) {
            return self.mistake(&format!("no conversation with {peer} is open"));
        }
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

    fn mistake(&mut self, because: &str) {
        self.failed |= !self.screen.interactive;
        self.screen.problem(because);
    }
}

/// The next event; none if receipts are to be shown before it comes.
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
    use super::*;

    #[test]
    fn receipts_that_are_due_do_not_wait_for_a_pause_between_events() {
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
