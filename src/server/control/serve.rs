//! The server's end: answers operators.
//!
//! Owned by the server: one task that accepts, and one for each operator. Invariant: an operation runs on a thread of
//! its own; chatting goes on.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_std::os::unix::net::UnixStream;
use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};

use super::deeds::Deed;
use super::error::ControlError;
use super::operations::perform;
use super::socket::Door;
use super::subject::Subject;
use crate::log_output::{Event, Events};
use crate::mailbox::EmbeddedMailbox;
use crate::server::host::Host;
use crate::server::listening::ACCEPT_PAUSE;
use crate::task;

/// How many operators are served at once. The next one is told so.
const MAX_REQUESTS: usize = 4;

/// The longest request, in bytes.
const MAX_REQUEST: usize = 512;

/// How long a request may take to arrive, and how long an operator may read nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The size of a chunk, and how many wait for the operator to read them.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 4;

/// Answers operators until the server stops.
pub(crate) async fn serve(
    host: Arc<Host>,
    door: Door,
    mailbox: Arc<EmbeddedMailbox>,
    data: PathBuf,
) {
    let (busy, _) = async_channel::bounded::<Infallible>(1);
    let subject = Arc::new(Subject {
        registry: host.registry.clone(),
        names: host.names.clone(),
        contacts: host.contacts.clone(),
        lists: host.lists.clone(),
        mailbox,
        blobs: host.blobs.clone(),
        seen: host.seen.clone(),
        announcement: host.announcement.clone(),
        data,
        host: Some(host.clone()),
    });
    loop {
        let accepted =
            match select(Box::pin(door.listener.accept()), Box::pin(host.stopping.recv())).await {
                Either::Left((accepted, _)) => accepted,
                Either::Right(_) => break,
            };
        match accepted {
            Ok((stream, _)) => {
                let (subject, busy) = (subject.clone(), busy.clone());
                task::spawn("control", async move {
                    let is_full = busy.sender_count() > MAX_REQUESTS + 1;
                    let operator = operator_of(&stream);
                    if let Err(error) = answer(stream, is_full, operator, subject).await {
                        log_refusal(operator, &error);
                    }
                    drop(busy);
                });
            }
            Err(error) => {
                log::warn!("accepting an operator: {error}");
                task::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The user id of the process at the other end.
#[cfg(any(target_os = "android", target_os = "linux"))]
fn operator_of(stream: &UnixStream) -> Option<u32> {
    rustix::net::sockopt::socket_peercred(stream).ok().map(|peer| peer.uid.as_raw())
}

/// Other systems do not say it in this way.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn operator_of(_: &UnixStream) -> Option<u32> {
    None
}

fn log_refusal(operator: Option<u32>, error: &ControlError) {
    log::warn!(
        logger: Events,
        event = Event::OperatorRefused,
        uid = operator;
        "an operator's request: {error}"
    );
}

async fn answer(
    mut stream: UnixStream,
    is_full: bool,
    operator: Option<u32>,
    subject: Arc<Subject>,
) -> Result<(), ControlError> {
    let refused = |text: &str| Err(ControlError::Refused(text.into()));
    let done = match task::within(PATIENCE, request(&mut stream)).await {
        None => refused("the request did not come in time"),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) if is_full => refused("too many requests are under way; try again later"),
        Some(Ok(request)) => run(&mut stream, request, operator, subject).await,
    };
    let end = match &done {
        Ok(()) => "done\n".into(),
        Err(error) => format!("error {}\n", error.to_string().replace('\n', " ")),
    };
    send(&mut stream, end.as_bytes()).await?;
    done
}

async fn request(stream: &mut UnixStream) -> Result<String, ControlError> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() <= MAX_REQUEST && stream.read(&mut byte).await? == 1 && byte != *b"\n" {
        line.push(byte[0]);
    }
    let no_text = |_| ControlError::Refused("a request is a line of text in UTF-8".into());
    String::from_utf8(line).map_err(no_text)
}

/// Performs an operation on a thread of its own and passes on what it writes.
async fn run(
    stream: &mut UnixStream,
    request: String,
    operator: Option<u32>,
    subject: Arc<Subject>,
) -> Result<(), ControlError> {
    let (chunks, queue) = async_channel::bounded(CHUNKS);
    let (result, done) = futures::channel::oneshot::channel();
    task::spawn_thread("control", move || {
        let words: Vec<&str> = request.split(' ').collect();
        let mut out = io::BufWriter::with_capacity(CHUNK, ChunkWriter { chunks, written: 0 });
        let performed = perform(&words, &subject, &mut out);
        let performed = performed.and_then(|()| Ok(out.flush()?));
        if let (Ok(()), Some(deed)) = (&performed, Deed::of(&words, operator)) {
            deed.with_bytes(out.get_ref().written).log();
        }
        drop(out);
        // The operator may be gone.
        let _ = result.send(performed);
    })?;
    pass_on(stream, &queue).await?;
    done.await.unwrap_or(Err(ControlError::Cut))
}

async fn pass_on(stream: &mut UnixStream, queue: &Receiver<Vec<u8>>) -> io::Result<()> {
    while let Ok(chunk) = queue.recv().await {
        send(stream, format!("data {}\n", chunk.len()).as_bytes()).await?;
        send(stream, &chunk).await?;
    }
    Ok(())
}

async fn send(stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    let sent = task::within(PATIENCE, stream.write_all(bytes)).await;
    sent.unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
}

/// Hands what is written to the task that sends it.
struct ChunkWriter {
    chunks: Sender<Vec<u8>>,
    /// How many bytes it took.
    written: u64,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.chunks.send_blocking(bytes.to_vec()).map_err(gone)?;
        self.written += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
