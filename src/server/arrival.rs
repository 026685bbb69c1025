//! The beginning of a connection: TLS, signing in, and what is left to say to those who fail.
//!
//! Run by the read task before there is a write task. Invariant: all of it together takes no longer than
//! the time for signing in, but for the moment in which a refusal is read.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};

use super::Host;
use super::handshake::{self, Rejection, SignedIn};
use super::link::{ConnectionId, Link};
use crate::task;
use crate::trust::tls::{Channel, Credentials};
use crate::wire::frame::{ClientFrame, ErrorCode, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::{BoxWriter, Socket, Transport};

/// How long, and for how many bytes, a connection that was refused is still read, so that the peer
/// can read why: closing with bytes unread would take the answer away.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Everything up to the proof. None if it failed, and that was said.
pub(super) async fn arrive(
    host: &Host,
    id: ConnectionId,
    socket: Socket,
    credentials: Option<Arc<Credentials>>,
) -> Option<(Arc<Link>, FrameReader<ClientFrame>, BoxWriter)> {
    let until = Instant::now() + host.timing.handshake;
    let transport = secure(host, until, socket, credentials).await?;
    let Transport { reader, writer: mut half, channel } = transport;
    let mut reader = FrameReader::new(reader);
    match sign_in(host, until, &mut reader, &mut half, channel).await {
        Ok(signed_in) => Some((Arc::new(Link::new(id, signed_in)), reader, half)),
        Err(frame) => {
            refuse(half, frame).await;
            linger(reader).await;
            None
        }
    }
}

/// Agrees on TLS where that is wanted, in time and while the server runs. Whoever fails cannot be told.
async fn secure(
    host: &Host,
    until: Instant,
    socket: Socket,
    credentials: Option<Arc<Credentials>>,
) -> Option<Transport> {
    let Some(credentials) = credentials else {
        let transport = Transport::plain(socket);
        return transport.inspect_err(|error| log::debug!("gone at once: {error}")).ok();
    };
    let accepting = Box::pin(Transport::accept(socket, &credentials));
    let limited = Box::pin(task::within(left(until), accepting));
    match select(limited, Box::pin(host.stopping.recv())).await {
        Either::Left((Some(Ok(transport)), _)) => return Some(transport),
        Either::Left((Some(Err(error)), _)) => {
            log::info!("a connection was refused: {}", error.to_string().escape_debug());
        }
        Either::Left((None, _)) => log::info!("a connection was refused: TLS took too long"),
        Either::Right(_) => {}
    }
    None
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Signs in, in time and while the server runs. What is left to say if that fails.
async fn sign_in(
    host: &Host,
    until: Instant,
    reader: &mut FrameReader<ClientFrame>,
    half: &mut BoxWriter,
    channel: Channel,
) -> Result<SignedIn, Option<ServerFrame>> {
    let handshake = Box::pin(handshake::sign_in(&host.names, reader, half, channel));
    let limited = Box::pin(task::within(left(until), handshake));
    let (code, text) = match select(limited, Box::pin(host.stopping.recv())).await {
        Either::Left((Some(Ok(signed_in)), _)) => return Ok(signed_in),
        Either::Left((Some(Err(Rejection::Gone)), _)) => return Err(None),
        Either::Left((Some(Err(Rejection::Answer(code, text))), _)) => (code, text),
        Either::Left((None, _)) => (ErrorCode::Timeout, "signing in took too long".into()),
        Either::Right(_) => (ErrorCode::Busy, "the server stops".into()),
    };
    log::info!("a connection was refused: {} {}", code.as_str(), text.escape_debug());
    Err(Some(ServerFrame::Error { code, peer: None, text }))
}

/// Says why, if there is anything to say, and closes the writing half.
async fn refuse(mut half: BoxWriter, frame: Option<ServerFrame>) {
    let farewell = async {
        if let Some(frame) = frame {
            write_frame(&mut half, &frame).await?;
        }
        futures::AsyncWriteExt::close(&mut half).await
    };
    // The peer may be gone already; then there is nobody to tell.
    let _ = task::within(LINGER, farewell).await;
}

/// Reads on for a moment, and forgets what comes.
pub(super) async fn linger(mut reader: FrameReader<ClientFrame>) {
    let drain = async {
        let mut left = LINGER_BYTES;
        while let Ok(read @ 1..) = reader.discard().await {
            left = left.saturating_sub(read);
            if left == 0 {
                break;
            }
        }
    };
    let _ = task::within(LINGER, drain).await;
}
