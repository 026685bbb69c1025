//! Serves one guest: reads its request, passes it to the core, and sends the results.
//!
//! Owned by the task of that guest. Invariant: an answer is made from what is on disk; whatever the guest or the core
//! does, each wait ends when one of them is gone.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use async_channel::{Receiver, Sender, WeakSender};
use async_std::os::unix::net::UnixStream;
use futures::future::{Either, select};
use futures::io::BufReader;
use futures::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::ask::{Ask, Standing};
use super::places::Place;
use super::words::{Line, Reply, Request};
use crate::client::command::Command;
use crate::client::store::archive::Sent;
use crate::client::store::files::Fate;
use crate::client::store::info;
use crate::client::store::rows::{Incoming, Listed, Passage, State};
use crate::message::Name;
use crate::task;
use crate::wire::MAX_TEXT;

/// The longest request: in JSON each byte of a body may take six.
const MAX_REQUEST: u64 = 6 * MAX_TEXT as u64 + 1_024;

/// How long a request may take to arrive, and how long a guest may read nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// What serves one guest.
pub(super) struct Host<O> {
    /// The core's.
    pub(super) orders: WeakSender<O>,
    /// Whether the folder is handed over on request.
    pub(super) yields: bool,
}

/// The core is gone, or the guest.
#[derive(Debug)]
pub(super) struct Gone;

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl<O: From<Ask> + From<Command> + Send + 'static> Host<O> {
    pub(super) async fn serve(
        self,
        mut stream: UnixStream,
        place: Option<Place>,
    ) -> Result<(), Gone> {
        if place.is_none() {
            return say(&mut stream, &Reply::Refused("too many ask at once".into())).await;
        }
        let mut line = String::new();
        let mut reader = BufReader::new((&stream).take(MAX_REQUEST));
        task::within(PATIENCE, reader.read_line(&mut line)).await.ok_or(Gone)??;
        match serde_json::from_str(&line) {
            Ok(Request::Send { token, to, text, sealed }) => {
                self.send(&mut stream, token, &to, (text, sealed)).await
            }
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
                if self.yields { self.order(Command::Leave).await } else { Ok(()) }
            }
            Err(error) => say(&mut stream, &Reply::Refused(error.to_string())).await,
        }
    }

    /// Reports each state of the message.
    async fn send(
        &self,
        stream: &mut UnixStream,
        token: String,
        to: &str,
        (text, sealed): (String, bool),
    ) -> Result<(), Gone> {
        let peer: Name = match to.parse() {
            Ok(peer) if text.len() <= MAX_TEXT => peer,
            Ok(_) => return say(stream, &Reply::Refused(too_long())).await,
            Err(error) => return say(stream, &Reply::Refused(format!("{error}"))).await,
        };
        confirmed(stream).await?;
        let moved = self.watch().await?;
        let to = peer.clone();
        let write = |answer| Ask::Write { token, peer, text, sealed, answer };
        let id = match self.ask(write).await? {
            Ok(id) => id,
            Err(because) => return say(stream, &Reply::Refused(because)).await,
        };
        // Whatever happens to the core now: it is written.
        say(stream, &Reply::State(State::Waiting.as_str().into())).await?;
        self.tell_states(stream, &moved, to, id).await
    }

    /// Reports the upload's progress, and then each state of the file's message.
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
                    // Again at each progress, so that the guest knows.
                    if told.replace(done) != Some(done) {
                        say(stream, &Reply::State("going".into())).await?;
                    }
                    let peer = to.clone();
                    if let Some(why) = self.ask(|answer| Ask::Hold { peer, answer }).await? {
                        // It is kept, and no longer on its way.
                        say(stream, &Reply::State(State::Waiting.as_str().into())).await?;
                        return say(stream, &Reply::Refused(why.to_string())).await;
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
        let (mut told, mut is_warned, mut told_alike) = (None, false, false);
        loop {
            let sent = self.ask(|answer| Ask::State { id, answer }).await?.ok_or(Gone)?;
            let Sent { state, passage } = sent;
            let to = peer.clone();
            let Standing { nobody, held, alike } =
                self.ask(|answer| Ask::Standing { peer: to, answer }).await?;
            if let Some(known) = alike.filter(|_| !std::mem::replace(&mut told_alike, true)) {
                say(stream, &Reply::Alike(known.to_string())).await?;
            }
            if nobody && !std::mem::replace(&mut is_warned, true) {
                say(stream, &Reply::Nobody).await?;
            }
            if passage == Passage::Clear && !std::mem::replace(&mut is_warned, true) {
                say(stream, &Reply::Unsealed).await?;
            }
            // Last: whoever waits for it may leave.
            if told.replace(state) != Some(state) {
                say(stream, &Reply::State(state.as_str().into())).await?;
            }
            if let Some(why) = held.filter(|_| state == State::Waiting) {
                return say(stream, &Reply::Refused(why.to_string())).await;
            }
            wait(moved, stream).await?;
        }
    }

    /// Sends each message of others, from the disk.
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
                say(stream, &Reply::Message(line_of(&message))).await?;
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

    /// Reports who has written without ever having been talked to, once each.
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
        self.order(Ask::Watch { watcher }).await?;
        Ok(moved)
    }

    pub(super) async fn ask<T>(&self, ask: impl FnOnce(Sender<T>) -> Ask) -> Result<T, Gone> {
        let (answer, answered) = async_channel::bounded(1);
        self.order(ask(answer)).await?;
        answered.recv().await.map_err(|_| Gone)
    }

    async fn order(&self, order: impl Into<O>) -> Result<(), Gone> {
        let orders = self.orders.upgrade().ok_or(Gone)?;
        orders.send(order.into()).await.map_err(|_| Gone)
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

pub(super) async fn say(stream: &mut UnixStream, reply: &Reply) -> Result<(), Gone> {
    let mut line = serde_json::to_vec(reply).map_err(|_| Gone)?;
    line.push(b'\n');
    task::within(PATIENCE, stream.write_all(&line)).await.ok_or(Gone)?.map_err(Gone::from)
}

fn too_long() -> String {
    format!("a message has at most {MAX_TEXT} bytes")
}

fn line_of(message: &Incoming) -> Line {
    Line {
        id: message.id,
        from: message.peer.to_string(),
        time: message.time.0,
        kind: message.kind.to_string(),
        text: info::words(&message.kind, &message.body).into_owned(),
        file: Listed::of(&message.kind, &message.body, message.file.as_ref()),
        sealed: message.passage.sealed(),
    }
}
