//! How every face begins: from the command line to a running client.
//!
//! Owned by nobody. Invariant: a passphrase is only asked for at a terminal, and never shown.

use std::cell::Cell;
use std::future::{self, Future};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_channel::Receiver;
use futures::future::{Either, select};
use thiserror::Error;

use crate::client::beside::{Guest, Reply, Request};
use crate::client::{
    self, AddressError, Client, Event, Failure, Proxies, ProxyError, Seal, StartError, Target,
    Unasked,
};
use crate::clock::SystemTimes;
use crate::exit::Exit;
use crate::folder::{FolderError, default_data_folder, tighten};
use crate::message::Name;
use crate::signals::Interrupts;
use crate::task;
use crate::trust::IdentityError;
use crate::ui::console::modes;
use crate::ui::console::passphrase::Unseen;
use crate::ui::console::screen::Screen;
use crate::ui::typing::input::Line;
use crate::wire::frame::Presence;

/// What is said if the client ended without a word, which it does only when it panics.
pub(crate) const LOST_CLIENT: &str =
    "something went wrong inside; what you wrote is kept for next time";

/// How often a passphrase is asked for.
const PASSPHRASES: usize = 3;

/// How long signing in may take before it is told what is waited for.
const ASKING: Duration = Duration::from_secs(1);

/// How long leaving may take after a signal.
pub(crate) const LEAVING: Duration = Duration::from_secs(4);

/// How long whoever gives up the folder may take to leave it, and how often to look.
const YIELDING: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, and its key if that is known already.
    pub server: Target,
    /// What was said instead is no address; asked for again at the terminal of a first start.
    pub misnamed: Option<AddressError>,
    /// Whether to speak TLS with it.
    pub tls: bool,
    /// The proxy on the way to it.
    pub proxies: Proxies,
    /// How long signing in may take.
    pub handshake: Duration,
    /// Who one is; asked for on a terminal if missing.
    pub user: Option<Name>,
    /// Whom to talk to; asked for on a terminal if missing.
    pub to: Option<Name>,
    /// One's data folder, if not the default one.
    pub data: Option<PathBuf>,
    /// One's own key, if not the one in the data folder.
    pub identity: Option<PathBuf>,
    /// Take lines that begin with a slash for commands also where they come from no terminal.
    pub commands: bool,
    /// Keep listening after the end of input.
    pub follow: bool,
    /// Say of each message when it is stored, delivered, refused, expired or sent anew.
    pub receipts: bool,
    /// What becomes of words for somebody who has no keys yet.
    pub seal: Seal,
    /// Tell people that one has read what they wrote.
    pub read_receipts: bool,
    /// How long a script waits for anything.
    pub timeout: Duration,
    /// Up to which size files come by themselves, in bytes.
    pub get_up_to: u64,
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
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Start(#[from] client::StartError),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// What a program that stops for this exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::NoUser | Self::Unverifiable | Self::Address(_) | Self::Proxy(_) => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// What a face whose client failed exits with, where all that was written was given to the client.
pub(crate) fn exit_of(failure: &Failure, unsent: u64) -> Exit {
    match failure {
        Failure::Store(_) => Exit::Failed,
        _ if unsent > 0 => Exit::Kept,
        _ => Exit::Failed,
    }
}

/// Whoever prints waits as long as nobody reads, and obeys no signal meanwhile. What matters is on
/// disk.
pub(crate) async fn leave_if_stuck(mut interrupts: Interrupts) {
    if let Ok(signal) = interrupts.next().await {
        task::sleep(LEAVING).await;
        modes::give_back();
        std::process::exit(signal.exit().code().into());
    }
}

/// Where somebody's data are.
pub(crate) fn data_folder(options: &Options, user: &Name) -> Result<PathBuf, FolderError> {
    match &options.data {
        Some(data) => Ok(data.clone()),
        None => Ok(default_data_folder("tinychat")?.join(user.as_str())),
    }
}

/// What the command line says of the client.
pub(crate) fn config(options: &Options, user: &Name) -> Result<client::Config, Error> {
    if let Some(error) = &options.misnamed {
        return Err(error.clone().into());
    }
    if options.server.fingerprint.is_some() && !options.tls {
        return Err(Error::Unverifiable);
    }
    let data = data_folder(options, user)?;
    let script = !io::stdin().is_terminal() && !options.follow;
    Ok(client::Config {
        server: options.server.address.clone(),
        fingerprint: options.server.fingerprint,
        invite: options.server.invite,
        people: options.server.people.clone(),
        tls: options.tls,
        proxy: options.proxies.to(&options.server.address)?,
        lookup: client::system_lookup,
        handshake: options.handshake,
        times: Arc::new(SystemTimes),
        user: user.clone(),
        // Nobody sits at a script that ends with its input.
        presence: if script { Presence::Away } else { Presence::Online },
        data,
        identity: options.identity.clone(),
        agent: std::env::var_os("SSH_AUTH_SOCK").filter(|it| !it.is_empty()).map(PathBuf::from),
        patience: script.then_some(options.timeout),
        unasked: Unasked { file: options.get_up_to, ..Unasked::DEFAULT },
        seal: options.seal,
        read_receipts: options.read_receipts,
        yields: false,
        tentative: false,
    })
}

/// A client that was started; or what to exit with instead.
type Started = Either<(Client, Receiver<Event>), Exit>;

/// Starts the client; asks for the key's passphrase if it has one, and no agent signs with it: in one of `lines` if the
/// terminal's are read already. Otherwise gives an exit code.
pub(crate) async fn start(
    config: client::Config,
    screen: &Screen,
    lines: Option<&Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Started, Error> {
    if let Some(tightened) = tighten(&config.data).map_err(StartError::from)? {
        screen.problem(&tightened.to_string());
    }
    let (mut client, events) = match unlock(&config, screen, lines, interrupts).await? {
        Either::Left(started) => started,
        Either::Right(exit) => return Ok(Either::Right(exit)),
    };
    match race(refusal(&client, screen), interrupts.next()).await {
        Either::Left(None) => Ok(Either::Left((client, events))),
        Either::Left(Some(because)) => {
            screen.problem(&because);
            client.end().await;
            unlock(&client::Config { agent: None, ..config }, screen, lines, interrupts).await
        }
        Either::Right(signal) => {
            client.end().await;
            Ok(Either::Right(signal?.exit()))
        }
    }
}

/// Why the agent does not sign, if it is asked to and a passphrase would do, too.
async fn refusal(client: &Client, screen: &Screen) -> Option<String> {
    let asked = Cell::new(false);
    let telling = async {
        task::sleep(ASKING).await;
        if screen.interactive && !asked.get() {
            screen.note("waiting for the server, before your SSH agent is asked to sign");
        }
        while !(asked.get() && screen.interactive) {
            task::sleep(ASKING).await;
        }
        screen.note("your SSH agent is asked to sign, and may be asking you");
        future::pending().await
    };
    match race(client.refusal(|| asked.set(true)), telling).await {
        Either::Left(refusal) => refusal,
        Either::Right(never) => never,
    }
}

/// The same; an agent that has the key is taken at its word.
async fn unlock(
    config: &client::Config,
    screen: &Screen,
    lines: Option<&Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Started, Error> {
    let mut tries = 0..PASSPHRASES;
    let mut started = Client::start(config.clone(), None);
    let began = Instant::now();
    while is_in_use(&started) && began.elapsed() < YIELDING {
        // A face keeps it; whoever only follows may have become the owner this very moment.
        if yields(&config.data).await == Some(false) {
            break;
        }
        task::sleep(LOOK).await;
        started = Client::start(config.clone(), None);
    }
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
            Either::Right(exit) => return Ok(Either::Right(exit)),
        }
    }
    Ok(Either::Left(started?))
}

fn is_in_use<T>(started: &Result<T, StartError>) -> bool {
    matches!(started, Err(StartError::Folder(FolderError::InUse { .. })))
}

/// Whether whoever has the folder gives it to a face; none if nobody answers.
async fn yields(data: &Path) -> Option<bool> {
    match Guest::ask(data, &Request::Yield).await.ok()?.next().await {
        Ok(Reply::Yields(yields)) => Some(yields),
        _ => None,
    }
}

/// Asks once. Gives an exit code if the input ends or a signal comes. The terminal is as it was then.
async fn ask_passphrase(
    unseen: Unseen,
    screen: &Screen,
    lines: Option<&Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Either<String, Exit>, Error> {
    screen.prompt("Passphrase of your key: ");
    let lines = lines.filter(|_| screen.interactive);
    let typed = lines.map_or_else(|| unseen.read_line(), |lines| Ok(lines.clone()))?;
    Ok(match race(typed.recv(), interrupts.next()).await {
        Either::Left(Ok(Line::Text(passphrase))) => Either::Left(passphrase),
        // It cannot be the right one.
        Either::Left(Ok(Line::Unusable(_) | Line::Failed(_))) => Either::Left(String::new()),
        Either::Left(Err(_)) => {
            screen.end_line();
            Either::Right(Exit::Failed)
        }
        Either::Right(signal) => {
            screen.end_line();
            Either::Right(signal?.exit())
        }
    })
}

/// Asks until a name is given; or gives an exit code, if the input ends or a signal comes.
pub(crate) async fn ask(
    screen: &Screen,
    question: &str,
    lines: impl Fn() -> io::Result<Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Either<Name, Exit>, Error> {
    loop {
        let line = match ask_line(screen, question, &lines, interrupts).await? {
            Either::Left(line) => line,
            Either::Right(exit) => return Ok(Either::Right(exit)),
        };
        match line.trim().parse() {
            Ok(name) => return Ok(Either::Left(name)),
            Err(error) => screen.problem(&format!("{error}")),
        }
    }
}

/// Asks until a line is given, whatever is in it; likewise.
pub(crate) async fn ask_line(
    screen: &Screen,
    question: &str,
    lines: impl Fn() -> io::Result<Receiver<Line>>,
    interrupts: &mut Interrupts,
) -> Result<Either<String, Exit>, Error> {
    loop {
        screen.prompt(question);
        match race(lines()?.recv(), interrupts.next()).await {
            Either::Left(Ok(Line::Text(line))) => return Ok(Either::Left(line)),
            Either::Left(Ok(Line::Unusable(because) | Line::Failed(because))) => {
                screen.problem(&because);
            }
            Either::Left(Err(_)) => {
                screen.end_line();
                return Ok(Either::Right(Exit::Done));
            }
            Either::Right(signal) => {
                screen.end_line();
                return Ok(Either::Right(signal?.exit()));
            }
        }
    }
}

/// Whichever comes first.
pub(crate) async fn race<A: Future, B: Future>(a: A, b: B) -> Either<A::Output, B::Output> {
    match select(Box::pin(a), Box::pin(b)).await {
        Either::Left((output, _)) => Either::Left(output),
        Either::Right((output, _)) => Either::Right(output),
    }
}
