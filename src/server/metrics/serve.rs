//! Answers whoever asks for metrics over HTTP, on one thread of its own.
//!
//! Owned by the server. What HTTP needs here is little: `httparse` reads heads, and the rest is written here, because
//! small servers, like `tiny_http`, limit neither connections nor the time that one takes. Invariants: no more than
//! [`CONNECTIONS`] are open; each ends within [`PATIENCE`], and after one answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, Write};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_channel::Receiver;
use futures::future::{BoxFuture, select};
use futures::stream::FuturesUnordered;
use futures::{AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt};

use super::answer::{BUSY, answer};
use super::request::{Asked, parse};
use super::source::Source;
use crate::mailbox::EmbeddedMailbox;
use crate::server::host::Host;
use crate::server::listening::{ACCEPT_PAUSE, Listener};
use crate::task;
use crate::wire::transport::{BoxReader, Socket, Transport};

/// How many connections are open at once. One more is told so.
const CONNECTIONS: usize = 16;

/// How long one may take in all, from its first byte to its end.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest head of a request, and how much behind it is read and dropped, in bytes.
const HEAD: usize = 8 * 1024;
const REST: usize = 64 * 1024;

/// How much is read at once.
const PIECE: usize = 1024;

/// Those who are being answered.
type Answering<'a> = FuturesUnordered<BoxFuture<'a, ()>>;

/// Answers until that is over.
pub(crate) async fn serve(
    host: Arc<Host>,
    mailbox: Arc<EmbeddedMailbox>,
    data: PathBuf,
    listener: Listener,
    over: Receiver<Infallible>,
) {
    let answering = async move {
        let source = Source { host: &host, mailbox: &mailbox, data: &data };
        // Nothing but its end is received there.
        select(Box::pin(answer_all(&listener, &source)), Box::pin(over.recv())).await;
    };
    // The thread has logged why, if there is none.
    task::in_background("metrics", answering).await;
}

async fn answer_all(listener: &Listener, source: &Source<'_>) -> Infallible {
    let mut answering = Answering::new();
    loop {
        match meanwhile(&mut answering, listener.accept()).await {
            Ok((socket, _)) if answering.len() < CONNECTIONS => {
                answering.push(answer_one(socket, source).boxed());
            }
            Ok((socket, _)) => turn_away(&socket),
            Err(error) => {
                log::warn!("accepting somebody who asks for metrics: {error}");
                meanwhile(&mut answering, task::sleep(ACCEPT_PAUSE)).await;
            }
        }
    }
}

/// Waits for something, and answers in the meantime.
async fn meanwhile<T>(answering: &mut Answering<'_>, awaited: impl Future<Output = T>) -> T {
    let mut awaited = pin!(awaited);
    poll_fn(|context| {
        while let Poll::Ready(Some(())) = answering.poll_next_unpin(context) {}
        awaited.as_mut().poll(context)
    })
    .await
}

async fn answer_one(socket: Socket, source: &Source<'_>) {
    let times = source.host.clock.times();
    match times.within(PATIENCE, converse(socket, source)).await {
        Some(Ok(())) => {}
        Some(Err(error)) => log::debug!("somebody who asks for metrics: {error}"),
        None => log::debug!("somebody who asks for metrics took too long"),
    }
}

async fn converse(socket: Socket, source: &Source<'_>) -> io::Result<()> {
    let Transport { mut reader, mut writer, .. } = Transport::plain(socket)?;
    let asked = hear(&mut reader).await?;
    writer.write_all(&answer(asked, source)).await?;
    writer.close().await?;
    // Closing with unread bytes would destroy the answer.
    let (mut rest, mut dropped) = ([0; PIECE], 0);
    while let read @ 1.. = reader.read(&mut rest).await? {
        dropped += read;
        if dropped >= REST {
            break;
        }
    }
    Ok(())
}

/// Reads the head of a request.
async fn hear(reader: &mut BoxReader) -> io::Result<Asked> {
    let (mut head, mut piece) = (Vec::new(), [0; PIECE]);
    loop {
        let read = reader.read(&mut piece).await?;
        head.extend_from_slice(&piece[..read]);
        match parse(&head) {
            Some(asked) => return Ok(asked),
            None if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None if head.len() >= HEAD => return Ok(Asked::TooLong),
            None => {}
        }
    }
}

/// Says that there is no room, if that takes no time.
fn turn_away(mut socket: &Socket) {
    // The peer may be gone already; then there is nobody to tell.
    let _ = socket.set_nonblocking().and_then(|()| socket.write(BUSY));
}
