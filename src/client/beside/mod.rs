//! Beside the face: other processes of the same person ask the one that owns the data folder, the *owner*,
//! over the Unix socket `socket` in that folder.
//!
//! A *guest* (`guest`) says one request, a line of JSON, and the owner answers with lines of JSON until one
//! of them hangs up. A guest whose owner goes away asks the next one, or becomes the owner itself; so an
//! answer is made from what is on disk, and nothing is written twice: what is to be written has a token.
//!
//! Owned by the client. Invariant: the face loses nothing to a guest. Messages stay unread until the face
//! has shown them, or a guest says that it has printed them for somebody who reads.

mod ask;
mod guest;
mod path;
mod stock;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_channel::{Receiver, Sender, WeakSender};
use async_std::os::unix::net::{UnixListener, UnixStream};
use futures::future::{Either, select};
use futures::io::BufReader;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};
use serde::{Deserialize, Serialize};

use super::store::files::Fate;
use super::store::info::{self, Listed};
use super::{Command, Failure, Order, State};
use crate::folder::socket::Way;
use crate::message::Name;
use crate::task;
use crate::wire::MAX_BODY;

pub(super) use ask::{Ask, Standing};
pub use guest::{Guest, GuestError};
pub use stock::Shelf;

/// The socket's name in the data folder.
pub(super) const SOCKET: &str = "socket";

/// How many guests are served at once. The next one is told so.
const MAX_GUESTS: usize = 64;

/// The longest request: each byte of a body may take six in JSON.
const MAX_REQUEST: u64 = 6 * MAX_BODY as u64 + 1_024;

/// How long a request may take to come, and how long a guest may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long to wait when no guest can be taken, as without files left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a guest asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Write a message. Answered with [`Reply::Ready`], and then with each state that it comes to, until the guest hangs up.
    Send {
        /// Made up by the guest, the same whenever it asks again.
        token: String,
        /// To whom.
        to: String,
        /// What, at most [`MAX_BODY`] bytes.
        text: String,
    },
    /// Send a file. Answered with [`Reply::Ready`], with `going` whenever it is further, and then with each state of the message that tells of it, until the
    /// guest hangs up.
    SendFile {
        /// Made up by the guest, the same whenever it asks again.
        token: String,
        /// To whom.
        to: String,
        /// Where it lies; from the root on.
        #[serde(with = "path")]
        path: PathBuf,
        /// What to say of it.
        caption: Option<String>,
    },
    /// Follow what others write. Answered with each message, until the guest hangs up.
    Follow {
        /// From which id on; none for what comes from now on.
        above: Option<i64>,
        /// Only what somebody writes.
        with: Option<String>,
        /// Only what nobody has read, whenever it came. It is read once [`Request::Read`] says so.
        #[serde(default)]
        unread: bool,
    },
    /// These messages were read. Answered with `told`.
    Read {
        /// Their places in the history.
        ids: Vec<i64>,
    },
    /// How things are.
    Status,
    /// What lies here of others' files. Answered with a [`Reply::Files`] for each person, and then `told`.
    Files,
    /// Have the files of somebody lie here no longer. Answered with [`Reply::Freed`].
    Free {
        /// Whose.
        from: String,
    },
    /// Let somebody else own the folder, if no face needs it.
    Yield,
}

/// What an owner answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// It can be written now. It is once the guest says a byte: whoever has given up until then was told that nothing is
    /// kept.
    Ready,
    /// The message is in this state.
    State(String),
    /// Nobody has the name to which it was written.
    Nobody,
    /// The name to which it was written looks like this one, which is known.
    Alike(String),
    /// Everything up to this id has been told.
    Told(i64),
    /// A message of somebody.
    Message(Line),
    /// Somebody whom one has never talked to has written. Their messages come when one talks to them.
    Request {
        /// Who.
        from: String,
        /// How many messages wait.
        count: u64,
        /// Whom one knows, and they look like.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        alike: Option<String>,
    },
    /// How things are.
    Status(Snapshot),
    /// What lies here of somebody's files.
    Files(Shelf),
    /// What lies here no longer.
    Freed {
        /// Whose files these were.
        from: String,
        /// How many.
        files: u64,
        /// How many bytes they had.
        bytes: u64,
    },
    /// Whether the folder is free soon.
    Yields(bool),
    /// It cannot be done.
    Refused(String),
}

/// A message as guests get it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its place in the history.
    pub id: i64,
    /// Who wrote it.
    pub from: String,
    /// When it reached the server, in milliseconds since 1970.
    pub time: u64,
    /// What the body is.
    pub kind: String,
    /// What was written, if that is known of its kind. Data from others: not to be shown as it is.
    pub text: String,
    /// The file that it tells of.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub file: Option<Listed>,
}

/// How things are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Who one is.
    pub user: String,
    /// The server.
    pub server: String,
    /// Whether one is signed in there.
    pub online: bool,
    /// How many own messages the server has not stored.
    pub unsent: u64,
    /// How many it has stored and not delivered.
    pub undelivered: u64,
    /// How many messages were received and not shown, by sender.
    pub unread: BTreeMap<String, u64>,
    /// How many messages wait of people whom one has never talked to, by sender.
    #[serde(default)]
    pub requests: BTreeMap<String, u64>,
    /// Which of those look like somebody whom one knows, and like whom.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub alike: BTreeMap<String, String>,
}

/// The owner's end of the socket. Dropping it has new guests find nobody.
pub(super) struct Listener {
    socket: UnixListener,
    path: PathBuf,
}

impl Listener {
    /// Takes the place of an earlier owner, who is gone: the folder is locked.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = std::os::unix::net::UnixListener::bind(Way::to(&path)?.path())?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { socket: socket.into(), path })
    }

    /// Serves guests until the core is gone. `yields` says whether the folder is given to whoever asks.
    pub(super) async fn serve(self, orders: WeakSender<Order>, yields: bool) {
        let guests = Arc::new(AtomicUsize::new(0));
        loop {
            let Ok((stream, _)) = self.socket.accept().await else {
                task::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let host = Host { orders: orders.clone(), yields };
            let place = Place::take(&guests);
            task::spawn("guest", async move {
                // A guest that hangs up is no news.
                let _ = host.serve(stream, place).await;
            });
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// One of the places for guests.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(guests: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(guests.clone());
        (guests.fetch_add(1, Ordering::Relaxed) < MAX_GUESTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What serves one guest.
struct Host {
    orders: WeakSender<Order>,
    yields: bool,
}

/// The core is gone, or the guest.
#[derive(Debug)]
struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Host {
    async fn serve(self, mut stream: UnixStream, place: Option<Place>) -> Result<(), Gone> {
        if place.is_none() {
            return say(&mut stream, &Reply::Refused("too many ask at once".into())).await;
        }
        let mut line = String::new();
        let mut reader = BufReader::new((&stream).take(MAX_REQUEST));
        task::within(PATIENCE, reader.read_line(&mut line)).await.ok_or(Gone)??;
        match serde_json::from_str(&line) {
            Ok(Request::Send { token, to, text }) => self.send(&mut stream, token, &to, text).await,
            Ok(Request::SendFile { token, to, path, caption }) => {
                self.send_file(&mut stream, token, &to, path, caption).await
            }
            Ok(Request::Follow { above, with, unread }) => {
                self.follow(&mut stream, above, with, unread).await
            }
            Ok(Request::Read { ids }) => {
                let last = ids.iter().max().copied().unwrap_or_default();
                self.ask(|answer| Ask::Read { ids, answer }).await?;
                say(&mut stream, &Reply::Told(last)).await
            }
            Ok(Request::Status) => {
                let snapshot = self.ask(|answer| Ask::Status { answer }).await?;
                say(&mut stream, &Reply::Status(snapshot)).await
            }
            Ok(Request::Files) => self.tell_lying(&mut stream).await,
            Ok(Request::Free { from }) => self.free(&mut stream, &from).await,
            Ok(Request::Yield) => {
                say(&mut stream, &Reply::Yields(self.yields)).await?;
                if self.yields { self.order(Order::Command(Command::Leave)).await } else { Ok(()) }
            }
            Err(error) => say(&mut stream, &Reply::Refused(error.to_string())).await,
        }
    }

    /// Tells each state that the message comes to.
    async fn send(
        &self,
        stream: &mut UnixStream,
        token: String,
        to: &str,
        text: String,
    ) -> Result<(), Gone> {
        let peer: Name = match to.parse() {
            Ok(peer) if text.len() <= MAX_BODY => peer,
            Ok(_) => return say(stream, &Reply::Refused(too_long())).await,
            Err(error) => return say(stream, &Reply::Refused(format!("{error}"))).await,
        };
        confirmed(stream).await?;
        let moved = self.watch().await?;
        let to = peer.clone();
        let id = self.ask(|answer| Ask::Write { token, peer, text, answer }).await?;
        // Whatever becomes of the core now: it is written.
        say(stream, &Reply::State(State::Waiting.as_str().into())).await?;
        self.tell_states(stream, &moved, to, id).await
    }

    /// Tells that it goes, and then each state that the message comes to that tells of it.
    async fn send_file(
        &self,
        stream: &mut UnixStream,
        token: String,
        to: &str,
        path: PathBuf,
        caption: Option<String>,
    ) -> Result<(), Gone> {
        let peer: Name = match to.parse() {
            Ok(peer) => peer,
            Err(error) => return say(stream, &Reply::Refused(format!("{error}"))).await,
        };
        confirmed(stream).await?;
        let moved = self.watch().await?;
        let to = peer.clone();
        let send = |answer| Ask::SendFile { token, peer, path, caption, answer };
        let id = match self.ask(send).await? {
            Ok(id) => id,
            Err(because) => return say(stream, &Reply::Refused(because)).await,
        };
        say(stream, &Reply::State("going".into())).await?;
        let mut told = Some(0);
        loop {
            let (fate, done) = self.ask(|answer| Ask::Fate { id, answer }).await?.ok_or(Gone)?;
            match fate {
                Fate::Going => {
                    // Again whenever it is further, so that the guest knows.
                    if told.replace(done) != Some(done) {
                        say(stream, &Reply::State("going".into())).await?;
                    }
                    wait(&moved, stream).await?;
                }
                Fate::Sent(message) => return self.tell_states(stream, &moved, to, message).await,
                Fate::Failed(why) => return say(stream, &Reply::Refused(why)).await,
            }
        }
    }

    async fn tell_states(
        &self,
        stream: &mut UnixStream,
        moved: &Receiver<()>,
        peer: Name,
        id: i64,
    ) -> Result<(), Gone> {
        let (mut told, mut told_nobody, mut told_alike) = (None, false, false);
        loop {
            let state = self.ask(|answer| Ask::State { id, answer }).await?.ok_or(Gone)?;
            let to = peer.clone();
            let Standing { nobody, held, alike } =
                self.ask(|answer| Ask::Standing { peer: to, answer }).await?;
            if let Some(known) = alike.filter(|_| !std::mem::replace(&mut told_alike, true)) {
                say(stream, &Reply::Alike(known.to_string())).await?;
            }
            if nobody && !std::mem::replace(&mut told_nobody, true) {
                say(stream, &Reply::Nobody).await?;
            }
            // Behind all else: whoever waits for it may leave.
            if told.replace(state) != Some(state) {
                say(stream, &Reply::State(state.as_str().into())).await?;
            }
            if held && state == State::Waiting {
                return say(stream, &Reply::Refused(Failure::KeyChanged(peer).to_string())).await;
            }
            wait(moved, stream).await?;
        }
    }

    /// Tells each message of others, from the disk.
    async fn follow(
        &self,
        stream: &mut UnixStream,
        above: Option<i64>,
        with: Option<String>,
        unread: bool,
    ) -> Result<(), Gone> {
        let with: Option<Name> = match with.map(|with| with.parse()).transpose() {
            Ok(with) => with,
            Err(error) => return say(stream, &Reply::Refused(format!("{error}"))).await,
        };
        let moved = self.watch().await?;
        let (mut above, mut told, mut requests) = (above, false, BTreeMap::new());
        loop {
            let asked = with.clone();
            let news = self.ask(|answer| Ask::News { above, with: asked, unread, answer }).await?;
            let is_all = news.messages.is_empty();
            for message in news.messages {
                let line = Line {
                    id: message.id,
                    from: message.peer.to_string(),
                    time: message.time.0,
                    kind: message.kind.to_string(),
                    text: info::words(&message.kind, &message.body).into_owned(),
                    file: Listed::of(&message.kind, &message.body, message.file.as_ref()),
                };
                say(stream, &Reply::Message(line)).await?;
            }
            above = Some(news.last);
            if !std::mem::replace(&mut told, true) || (unread && !is_all) {
                say(stream, &Reply::Told(news.last)).await?;
            }
            self.tell_requests(stream, with.as_ref(), &mut requests).await?;
            if is_all {
                wait(&moved, stream).await?;
            }
        }
    }

    /// Tells who has written whom one has never talked to, as far as it was not told.
    async fn tell_requests(
        &self,
        stream: &mut UnixStream,
        with: Option<&Name>,
        told: &mut BTreeMap<Name, u64>,
    ) -> Result<(), Gone> {
        let requests = self.ask(|answer| Ask::Requests { answer }).await?;
        for (peer, &count) in &requests {
            let is_meant = with.is_none_or(|with| with == peer);
            if is_meant && told.get(peer) != Some(&count) {
                let of = peer.clone();
                let standing = self.ask(|answer| Ask::Standing { peer: of, answer }).await?;
                let alike = standing.alike.map(|known| known.to_string());
                say(stream, &Reply::Request { from: peer.to_string(), count, alike }).await?;
            }
        }
        *told = requests;
        Ok(())
    }

    async fn watch(&self) -> Result<Receiver<()>, Gone> {
        let (watcher, moved) = async_channel::bounded(1);
        self.order(Order::Ask(Ask::Watch { watcher })).await?;
        Ok(moved)
    }

    async fn ask<T>(&self, ask: impl FnOnce(Sender<T>) -> Ask) -> Result<T, Gone> {
        let (answer, answered) = async_channel::bounded(1);
        self.order(Order::Ask(ask(answer))).await?;
        answered.recv().await.map_err(|_| Gone)
    }

    async fn order(&self, order: Order) -> Result<(), Gone> {
        let orders = self.orders.upgrade().ok_or(Gone)?;
        orders.send(order).await.map_err(|_| Gone)
    }
}

/// Waits until something happens, or the guest hangs up.
async fn wait(moved: &Receiver<()>, stream: &UnixStream) -> Result<(), Gone> {
    let mut byte = [0];
    let mut reader = stream;
    match select(Box::pin(moved.recv()), Box::pin(reader.read(&mut byte))).await {
        Either::Left((moved, _)) => moved.map_err(|_| Gone),
        // A guest has nothing more to say.
        Either::Right(_) => Err(Gone),
    }
}

/// Whether the guest still wants it.
async fn confirmed(stream: &mut UnixStream) -> Result<(), Gone> {
    say(stream, &Reply::Ready).await?;
    let confirmed = task::within(PATIENCE, stream.read_exact(&mut [0])).await;
    confirmed.ok_or(Gone)?.map_err(Gone::from)
}

async fn say(stream: &mut UnixStream, reply: &Reply) -> Result<(), Gone> {
    let mut line = serde_json::to_vec(reply).map_err(|_| Gone)?;
    line.push(b'\n');
    task::within(PATIENCE, stream.write_all(&line)).await.ok_or(Gone)?.map_err(Gone::from)
}

fn too_long() -> String {
    format!("a message has at most {MAX_BODY} bytes")
}
