//! What operators ask of a server, running or not: what is in the mailbox, who may come.
//!
//! A running server listens on the Unix socket `control` in its data folder, for its owner alone. A
//! request is one line of words, the first of which names an operation (`operations`). The answer is *chunks*, each a
//! line `data LENGTH` and so many bytes, then one line: `done`, or `error` with a sentence. So an answer that was cut is
//! told from a whole one. With no server the same is done in the operator's own process, on the
//! locked folder.
//!
//! Owned by the server. Invariant: an operation runs on a thread of its own; chatting goes on.

mod operations;
mod people;

use std::convert::Infallible;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_channel::{Receiver, Sender};
use async_std::os::unix::net::{UnixListener, UnixStream};
use futures::future::{Either, select};
use futures::{AsyncReadExt, AsyncWriteExt};
use thiserror::Error;

use super::accept::ACCEPT_PAUSE;
use super::host::Host;
use super::people::BookError;
use super::people::Contacts;
use super::people::Names;
use super::people::{ChangeError, Registration};
use super::sessions::Registry;
use crate::blobs::{Blobs, FileLimits};
use crate::folder::socket::Way;
use crate::folder::{Folder, FolderError, tighten};
use crate::mailbox::{EmbeddedMailbox, MailboxError, OpenError, Salvage, backup};
use crate::message::NameError;
use crate::output;
use crate::task;
use operations::{Subject, perform};

/// How many operators are served at once. The next one is told so.
const MAX_REQUESTS: usize = 4;

/// The longest request, in bytes.
const MAX_REQUEST: usize = 512;

/// How long a request may take to come, and how long an operator may take nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// The size of a chunk, and how many wait for the operator to take them.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 4;

/// Why an operator does not get what was asked for.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ControlError {
    #[error("{0}")]
    Folder(#[from] FolderError),
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Book(#[from] BookError),
    #[error("{0}")]
    Backup(#[from] backup::BackupError),
    #[error("{0}")]
    Mailbox(#[from] MailboxError),
    #[error("{0}")]
    Change(#[from] ChangeError),
    #[error("{0}")]
    Name(#[from] NameError),
    #[error("cannot write the answer: {0}")]
    Write(#[from] io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("the server stopped before it was done")]
    Cut,
    #[error("there is no mailbox in {}; name the server's folder with --data", path.display())]
    NoMailbox { path: PathBuf },
    #[error("no server runs on {}; name its folder with --data", path.display())]
    NoServer { path: PathBuf },
    #[error("the mailbox is damaged")]
    Unsound,
    #[error("not all in the folder of files is a file that waits")]
    Stray,
}

/// Looks whether a mailbox is sound and prints what is in it. With `accept`, a mailbox that was
/// refused is used from then on as it is.
pub fn check(data: &Path, accept: bool, out: &mut dyn Write) -> Result<(), ControlError> {
    match operate(data, &["check"], out) {
        Err(ControlError::Open(error @ OpenError::Damaged { .. })) => {
            let _folder = Folder::open(data)?;
            salvage(data, accept, &error, out)
        }
        checked => checked,
    }
}

/// Makes a server's folder from a backup.
pub fn restore(backup: impl Read, data: &Path) -> Result<(), ControlError> {
    backup::restore(backup, data, check_books)
}

/// Reads a backup back, and refuses what [`restore`] would. `scratch` is a folder that is made for it, and is gone
/// afterwards.
pub fn verify(backup: impl Read, scratch: &Path) -> Result<(), ControlError> {
    backup::verify(backup, scratch, check_books)
}

/// Whether a server could start with the books in a folder.
fn check_books(folder: &Path) -> Result<(), ControlError> {
    open_names(folder)?;
    Contacts::open(&folder.join("contacts"))?;
    Ok(())
}

/// Nobody comes while no server runs.
fn open_names(folder: &Path) -> Result<Names, BookError> {
    Names::open(&folder.join("names"), Registration::Closed, |_| {})
}

/// Asks the running server, or does it here if there is none. The words are those of a request.
pub fn operate(data: &Path, words: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    if let Ok(stream) = connect(data) {
        return ask(stream, words, out);
    }
    if !data.join("mailbox.watermark").exists() && !data.join("mailbox").exists() {
        return Err(ControlError::NoMailbox { path: data.into() });
    }
    if let Some(tightened) = tighten(data)? {
        output::tell(format_args!("tinychat-server: {tightened}"));
    }
    let _folder = Folder::open(data)?;
    let (names, contacts) = (open_names(data)?, Contacts::open(&data.join("contacts"))?);
    let contacts = Arc::new(contacts);
    let mailbox = Arc::new(EmbeddedMailbox::open(data)?);
    let subject = Subject {
        registry: Arc::new(Registry::new(mailbox.clone(), contacts.circle().clone(), 0)),
        contacts,
        names: Arc::new(names),
        blobs: Arc::new(Blobs::open(data, FileLimits::DEFAULT, mailbox.clock())?),
        mailbox,
        data: data.into(),
        host: None,
    };
    let committing =
        task::spawn("commits", super::upkeep::watch_commits(subject.registry.clone(), None));
    let done = perform(words, &subject, out);
    async_std::task::block_on(async {
        committing.cancel().await;
        subject.registry.mailbox().close().await;
    });
    done
}

/// The same for what only a running server can answer.
pub fn operate_running(
    data: &Path,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let stream = connect(data).map_err(|_| ControlError::NoServer { path: data.into() })?;
    ask(stream, words, out)
}

fn salvage(
    data: &Path,
    accept: bool,
    error: &OpenError,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    writeln!(out, "{error}")?;
    let salvage = Salvage::open(data)?;
    if let Some(image) = salvage.image() {
        match operations::inspect(&image, out) {
            Ok(()) | Err(ControlError::Unsound) => {}
            Err(error) => return Err(error),
        }
    }
    if !accept {
        return Err(ControlError::Unsound);
    }
    let refused = salvage.accept()?;
    writeln!(
        out,
        "accepted: the server starts with this; what was refused is in {}",
        refused.display()
    )?;
    Ok(())
}

/// The operator's end of the socket.
fn ask(
    mut stream: BlockingStream,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let cut = |_: io::Error| ControlError::Cut;
    writeln!(stream, "{}", words.join(" ")).map_err(cut)?;
    let mut answer = BufReader::new(stream);
    loop {
        let mut line = String::new();
        answer.by_ref().take(4096).read_line(&mut line).map_err(cut)?;
        match line.trim_end_matches('\n').split_once(' ') {
            Some(("data", length)) => {
                let length: u64 = length.parse().map_err(|_| ControlError::Cut)?;
                let mut chunk = Vec::new();
                answer.by_ref().take(length).read_to_end(&mut chunk).map_err(cut)?;
                if chunk.len() as u64 != length {
                    return Err(ControlError::Cut);
                }
                out.write_all(&chunk)?;
            }
            Some(("error", sentence)) => return Err(ControlError::Refused(sentence.into())),
            None if line == "done\n" => return Ok(out.flush()?),
            _ => return Err(ControlError::Cut),
        }
    }
}

fn socket(data: &Path) -> PathBuf {
    data.join("control")
}

fn connect(data: &Path) -> io::Result<BlockingStream> {
    BlockingStream::connect(Way::to(&socket(data))?.path())
}

/// Where operators ask.
pub(super) async fn bind(data: &Path) -> Result<UnixListener, FolderError> {
    listen(data).await.map_err(|cause| FolderError::NoSocket { path: data.into(), cause })
}

/// Answers operators until the server stops.
pub(super) async fn serve(
    host: Arc<Host>,
    listener: UnixListener,
    mailbox: Arc<EmbeddedMailbox>,
    data: PathBuf,
) {
    let (busy, _) = async_channel::bounded::<Infallible>(1);
    let subject = Arc::new(Subject {
        registry: host.registry.clone(),
        names: host.names.clone(),
        contacts: host.contacts.clone(),
        mailbox,
        blobs: host.blobs.clone(),
        data,
        host: Some(host.clone()),
    });
    loop {
        let accepted =
            match select(Box::pin(listener.accept()), Box::pin(host.stopping.recv())).await {
                Either::Left((accepted, _)) => accepted,
                Either::Right(_) => break,
            };
        match accepted {
            Ok((stream, _)) => {
                let (subject, busy) = (subject.clone(), busy.clone());
                task::spawn("control", async move {
                    let is_full = busy.sender_count() > MAX_REQUESTS + 1;
                    if let Err(error) = answer(stream, is_full, subject).await {
                        log::warn!("an operator's request: {error}");
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
    let _ = fs::remove_file(socket(&subject.data));
}

/// The socket appears under its name only when nobody else can use it.
async fn listen(data: &Path) -> io::Result<UnixListener> {
    let fresh = data.join("control.new");
    let _ = fs::remove_file(&fresh);
    let listener = UnixListener::bind(Way::to(&fresh)?.path()).await?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, socket(data))?;
    Ok(listener)
}

async fn answer(
    mut stream: UnixStream,
    is_full: bool,
    subject: Arc<Subject>,
) -> Result<(), ControlError> {
    let refused = |text: &str| Err(ControlError::Refused(text.into()));
    let done = match task::within(PATIENCE, request(&mut stream)).await {
        None => refused("the request did not come in time"),
        Some(Err(error)) => Err(error),
        Some(Ok(_)) if is_full => refused("too many requests are under way; try again later"),
        Some(Ok(request)) => run(&mut stream, request, subject).await,
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
    subject: Arc<Subject>,
) -> Result<(), ControlError> {
    let (chunks, queue) = async_channel::bounded(CHUNKS);
    let (result, done) = futures::channel::oneshot::channel();
    task::spawn_thread("control", move || {
        let words: Vec<&str> = request.split(' ').collect();
        let mut out = io::BufWriter::with_capacity(CHUNK, ChunkWriter(chunks));
        let performed = perform(&words, &subject, &mut out);
        let performed = performed.and_then(|()| Ok(out.flush()?));
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
struct ChunkWriter(Sender<Vec<u8>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.send_blocking(bytes.to_vec()).map_err(gone)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
