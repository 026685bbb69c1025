//! `tinychat send`, `tail`, `status` and `files`: for scripts, beside the face of the same person or without one.
//!
//! Each asks the process that owns the data folder. If none does, it owns it for so long: it runs a client
//! without a face and asks that. Owned by the binary. Invariant: whoever owns the folder, and however often
//! that changes, a message is written once and told once.

mod life;
mod send;
mod stock;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anstyle::Style;
use async_channel::{Receiver, Sender};
use futures::future::Either;
use thiserror::Error;

use super::entry::{self, Options, race};
use super::history::{self, Said};
use super::news::{HELD, KEPT};
use super::screen::Screen;
use super::{files, news};
use crate::client::beside::{Guest, GuestError, Line, Reply, Request, Snapshot};
use crate::client::{Client, Failure, StartError};
use crate::exit::Exit;
use crate::folder::{FolderError, tighten};
use crate::message::{Name, Timestamp};
use crate::output;
use crate::signals::{Interrupt, Interrupts};
use crate::task;

use self::life::Life;
use self::send::Reached;

/// How often to look for an owner while the folder is locked and nobody answers.
const LOOK: Duration = Duration::from_millis(50);

/// For how long that may be.
const UNANSWERED: Duration = Duration::from_secs(10);

/// How long whoever gave up the folder leaves it to others.
const COURTESY: Duration = Duration::from_secs(1);

/// Which part of the time for signing in whoever asks how things are waits for the server, which knows who else has
/// written: two seconds, unless somebody has a slow line and says so.
const AWAITED: u32 = 30;

/// How many conversations a client without a face opens. The server holds 1,000 open.
const OPENED: usize = 900;

/// What is asked.
#[derive(Clone, Debug)]
pub enum Errand {
    /// Write a message, and wait until it is stored, or delivered.
    Send {
        /// To whom.
        to: Name,
        /// What.
        text: String,
        /// Whether to wait until it is delivered.
        delivered: bool,
    },
    /// Send files, one after the other, and wait until the messages that tell of them are stored, or delivered.
    SendFiles {
        /// To whom.
        to: Name,
        /// Where they lie.
        paths: Vec<PathBuf>,
        /// What to say of the first.
        caption: Option<String>,
        /// Whether to wait until it is delivered.
        delivered: bool,
    },
    /// Print what others write, as it comes.
    Tail {
        /// Only what somebody writes.
        with: Option<Name>,
        /// From what nobody has read on; what is printed is read.
        unread: bool,
        /// One JSON object a line.
        json: bool,
    },
    /// Print what lies here of others' files, or make room.
    Files {
        /// Whose are to lie here no longer.
        free: Option<Name>,
        /// One JSON object a line.
        json: bool,
    },
    /// Print how things are.
    Status {
        /// As one JSON object.
        json: bool,
    },
}

/// Why it is not done.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum Error {
    #[error("{0}")]
    Entry(#[from] entry::Error),
    #[error("{0}")]
    Refused(String),
    #[error("cannot print it: {0}")]
    Print(io::Error),
    #[error("another process owns the data folder and does not answer")]
    Unanswered,
    #[error("not {what} after {} s", after.as_secs())]
    TimedOut { what: &'static str, after: Duration },
    #[error("{}; it is {KEPT}", phrase(because))]
    Kept { because: Box<Error> },
    #[error("{}; it is {HELD}", phrase(because))]
    Held { because: Box<Error> },
    #[error("{}; it is {kept}", phrase(because))]
    Stranded { because: Box<Error>, kept: String },
    #[error(
        "{}; the server has it and delivers it by itself: do not send it again",
        phrase(because)
    )]
    Stored { because: Box<Error> },
    #[error("{}; not sent: {}", phrase(because), send::listed(rest))]
    NotAll { because: Box<Error>, rest: Vec<PathBuf> },
    #[error("it expired: the server kept it for as long as it keeps messages")]
    Expired,
    #[error("{0}")]
    Failed(Failure),
}

impl Error {
    /// What a program that stops for this exits with.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Entry(error) => error.exit(),
            Self::Kept { .. } | Self::Held { .. } | Self::Stranded { .. } | Self::Stored { .. } => {
                Exit::Kept
            }
            _ => Exit::Failed,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Entry(error.into())
    }
}

/// Does it. Returns the exit code.
pub async fn run(options: Options, user: Name, errand: Errand) -> Result<Exit, Error> {
    let mut interrupts = Interrupts::catch()?;
    let config = entry::config(&options, &user)?;
    let (reached, rest) = (Reached::Nothing, Vec::new());
    let mut asker = Asker { options, user, data: config.data, owned: None, reached, rest };
    let done = race(asker.perform(&errand), interrupts.next()).await;
    let done = match done {
        Either::Left(done) => done.map(|()| Exit::Done),
        Either::Right(signal) => {
            asker.tell_of_kept();
            Ok(signal.map(Interrupt::exit)?)
        }
    };
    asker.let_go().await;
    match done {
        // That nobody reads any more is no failure.
        Err(Error::Print(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Exit::Done),
        done => done,
    }
}

/// Who asks, and the client that it runs if nobody else does.
struct Asker {
    options: Options,
    user: Name,
    data: PathBuf,
    owned: Option<Owned>,
    /// How far that came which is sent.
    reached: Reached,
    /// Files that come behind it.
    rest: Vec<PathBuf>,
}

/// A client without a face.
struct Owned {
    leave: Sender<()>,
    /// Why it ended, if not as wanted.
    ended: Receiver<Option<Failure>>,
}

impl Asker {
    async fn perform(&mut self, errand: &Errand) -> Result<(), Error> {
        match errand {
            Errand::Send { to, .. } | Errand::SendFiles { to, .. } if *to == self.user => {
                Err(Error::Refused("nobody can talk to themselves".into()))
            }
            Errand::Send { to, text, delivered } => {
                let (token, text) = (token(), text.clone());
                let request = Request::Send { token, to: to.to_string(), text };
                self.send(to, &request, *delivered).await
            }
            Errand::SendFiles { to, paths, caption, delivered } => {
                self.send_files(to, paths, caption.clone(), *delivered).await
            }
            Errand::Tail { with, unread, json } => {
                let tail = self.tail(with.as_ref(), *unread, *json);
                match race(tail, output::unread()).await {
                    Either::Left(told) => told,
                    Either::Right(()) => Ok(()),
                }
            }
            Errand::Files { free, json } => self.stock(free.as_ref(), *json).await,
            Errand::Status { json } => self.status(*json).await,
        }
    }

    async fn tail(&mut self, with: Option<&Name>, unread: bool, json: bool) -> Result<(), Error> {
        let (mut above, mut begun, mut printed) = (None, false, Vec::new());
        let open: Vec<Name> = with.cloned().into_iter().collect();
        loop {
            let with = with.map(ToString::to_string);
            let mut guest = self.ask(&Request::Follow { above, with, unread }, &open).await?;
            while let Some(reply) = heard(guest.next().await)? {
                match reply {
                    Reply::Told(id) => {
                        above = Some(id);
                        if !std::mem::replace(&mut begun, true) {
                            Screen::new().note("following what others write; Ctrl-C ends it");
                        }
                        self.say_read(&mut printed).await?;
                    }
                    Reply::Message(line) => {
                        above = Some(line.id);
                        print(&self.user, &line, json).map_err(Error::Print)?;
                        if unread {
                            printed.push(line.id);
                        }
                    }
                    Reply::Request { from, count, alike } => {
                        let alike = alike.as_deref();
                        tell_request(&self.user, &from, count, alike, json)
                            .map_err(Error::Print)?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// What was printed is read. If the owner goes meanwhile the next one is told.
    async fn say_read(&self, printed: &mut Vec<i64>) -> Result<(), Error> {
        if printed.is_empty() {
            return Ok(());
        }
        let request = Request::Read { ids: printed.clone() };
        let Ok(mut guest) = Guest::ask(&self.data, &request).await else { return Ok(()) };
        if heard(guest.next().await)?.is_some() {
            printed.clear();
        }
        Ok(())
    }

    async fn status(&mut self, json: bool) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let mut guest = self.ask(&Request::Status, &[]).await?;
            if let Some(Reply::Status(snapshot)) = heard(guest.next().await)? {
                let is_early = self.owned.is_some() && !snapshot.online;
                if is_early && began.elapsed() < self.options.handshake / AWAITED {
                    task::sleep(LOOK).await;
                    continue;
                }
                return show(&snapshot, self.owned.is_none(), json).map_err(Error::Print);
            }
        }
    }

    /// Finds an owner, or becomes it, and asks.
    async fn ask(&mut self, request: &Request, open: &[Name]) -> Result<Guest, Error> {
        let began = Instant::now();
        loop {
            match Guest::ask(&self.data, request).await {
                Ok(guest) => return Ok(guest),
                Err(GuestError::Refused(because)) => return Err(Error::Refused(because)),
                Err(GuestError::Nobody | GuestError::Cut) => {}
            }
            if self.has_given_up()? {
                task::sleep(COURTESY).await;
            }
            let follows = matches!(request, Request::Follow { .. });
            if self.owned.is_some() || !self.become_owner(follows, open)? {
                if began.elapsed() > UNANSWERED {
                    return Err(Error::Unanswered);
                }
                task::sleep(LOOK).await;
            }
        }
    }

    /// Whether the folder was free.
    fn become_owner(&mut self, follows: bool, open: &[Name]) -> Result<bool, Error> {
        let mut config = entry::config(&self.options, &self.user)?;
        config.yields = true;
        config.patience = None;
        if let Some(tightened) =
            tighten(&config.data).map_err(StartError::from).map_err(entry::Error::from)?
        {
            output::tell(format_args!("tinychat: {tightened}"));
        }
        let (client, events) = match Client::start(config, None) {
            Ok(started) => started,
            Err(StartError::Folder(FolderError::InUse { .. })) => return Ok(false),
            Err(error) => return Err(entry::Error::from(error).into()),
        };
        let (end, ended) = async_channel::bounded(1);
        let (leave, left) = async_channel::bounded(1);
        let (options, open) = (self.options.clone(), open.to_vec());
        let life = Life { options, client, follows, open, is_unsigned: false };
        task::spawn("no face", async move {
            let _ = end.try_send(life.live(events, left).await);
        });
        self.owned = Some(Owned { leave, ended });
        Ok(true)
    }

    /// Whether the client that this runs has ended because somebody wanted the folder.
    fn has_given_up(&mut self) -> Result<bool, Error> {
        match self.owned.as_ref().and_then(|owned| owned.ended.try_recv().ok()) {
            Some(Some(failure)) => Err(Error::Failed(failure)),
            Some(None) => Ok(self.owned.take().is_some()),
            None => Ok(false),
        }
    }

    async fn let_go(&mut self) {
        if let Some(Owned { leave, ended }) = self.owned.take() {
            let _ = leave.try_send(());
            let _ = ended.recv().await;
        }
    }
}

/// None if the owner has gone.
fn heard(reply: Result<Reply, GuestError>) -> Result<Option<Reply>, Error> {
    match reply {
        Ok(reply) => Ok(Some(reply)),
        Err(GuestError::Refused(because)) => Err(Error::Refused(because)),
        Err(GuestError::Nobody | GuestError::Cut) => Ok(None),
    }
}

/// A reason that more follows.
fn phrase(because: &Error) -> String {
    because.to_string().trim_end_matches('.').into()
}

/// A word that nobody else makes up.
fn token() -> String {
    format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..))
}

fn print(user: &Name, line: &Line, json: bool) -> io::Result<()> {
    let mut out = output::out();
    let Line { from, time, kind, text, file, .. } = line;
    let (time, to, file) = (Timestamp(*time), user.as_str(), file.as_ref());
    match json {
        true => {
            let said = Said { time, from, to, kind, text, file, state: "received" };
            said.print_json(&mut out)?;
        }
        false => {
            for line in files::listed(kind, text, file) {
                out.line(Style::new(), &format!("{from}: {line}"), "")?;
            }
        }
    }
    out.flush()
}

/// Somebody wants to talk whom one has never talked to: for scripts as an object of its own.
fn tell_request(
    user: &Name,
    from: &str,
    request: u64,
    alike: Option<&str>,
    json: bool,
) -> io::Result<()> {
    if !json {
        let words = news::request(from, request, alike);
        Screen::new().note(&format!("{words}; tinychat tail --with {from} prints what they write"));
        return Ok(());
    }
    #[derive(serde::Serialize)]
    struct Object<'a> {
        from: &'a str,
        to: &'a str,
        request: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        alike: Option<&'a str>,
    }
    let mut out = output::out();
    history::print_object(&Object { from, to: user.as_str(), request, alike }, &mut out)?;
    out.flush()
}

fn show(snapshot: &Snapshot, runs: bool, json: bool) -> io::Result<()> {
    let mut out = output::out();
    if json {
        #[derive(serde::Serialize)]
        struct Object<'a> {
            running: bool,
            #[serde(flatten)]
            snapshot: &'a Snapshot,
        }
        history::print_object(&Object { running: runs, snapshot }, &mut out)?;
        return out.flush();
    }
    let Snapshot { user, server, online, unsent, undelivered, unread, requests, alike } = snapshot;
    let line = match (runs, online) {
        (false, _) => "no client runs",
        (true, true) => "online",
        (true, false) => "not signed in; the client tries again by itself",
    };
    writeln!(out, "{user} at {server}: {line}")?;
    writeln!(out, "{unsent} not sent yet, {undelivered} stored and not delivered yet")?;
    for (peer, count) in unread {
        writeln!(out, "{count} unread from {peer}")?;
    }
    for (peer, count) in requests {
        let alike = alike.get(peer).map(String::as_str);
        writeln!(out, "{}", news::request(peer, *count, alike))?;
    }
    out.flush()
}
