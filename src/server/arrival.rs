//! The beginning of a connection: TLS, signing in, and what is left to say to those who fail.
//!
//! Run by the read task before there is a write task. Invariants: all of it together takes no longer than
//! the time for signing in, but for the moment in which a refusal is read; who is [`Present`] is in
//! the directory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{Either, select};

use super::Host;
use super::handshake::{self, Greeted, Rejection, SignedIn};
use super::link::{ConnectionId, End, EndOnDrop, Link};
use super::rates::Origin;
use super::reception::Caller;
use super::roll::Unwelcome;
use super::tickets::Pass;
use crate::task;
use crate::trust::tls::Credentials;
use crate::wire::codec::Frame;
use crate::wire::frame::{ByeReason, ClientFrame, ErrorCode, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::{BoxWriter, Socket, Transport};

/// How long, and for how many bytes, a connection that was refused is still read, so that the peer
/// can read why: closing with bytes unread would take the answer away.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// Somebody who has signed in, or carries files for them, and how to talk to them.
pub(super) struct Arrived<'a> {
    pub(super) who: Who<'a>,
    pub(super) reader: FrameReader<ClientFrame>,
    pub(super) half: BoxWriter,
}

pub(super) enum Who<'a> {
    Person(Present<'a>),
    Carrier(Box<Pass>),
}

/// Everything up to the proof. None if it failed, and that was said.
pub(super) async fn arrive(host: &Host, caller: Caller) -> Option<Arrived<'_>> {
    let Caller { id, socket, origin, credentials, since } = caller;
    let until = since + host.timing.handshake;
    let address = socket.peer_ip();
    let transport = secure(host, until, socket, credentials).await?;
    let Transport { reader, writer: mut half, channel } = transport;
    let mut reader = FrameReader::new(reader);
    let signing_in = handshake::sign_in(host, &mut reader, &mut half, channel, address);
    match sign_in(host, until, signing_in).await {
        Ok(greeted) => {
            let who = match greeted {
                Greeted::SignedIn(signed_in) => {
                    Who::Person(Present::enter(host, id, origin, signed_in))
                }
                Greeted::Carrier(pass) => Who::Carrier(Box::new(pass)),
            };
            Some(Arrived { who, reader, half })
        }
        Err(frame) => {
            refuse(half, frame).await;
            linger(reader).await;
            None
        }
    }
}

/// Says under TLS why there is no room for somebody, within `limit`.
pub(super) async fn turn_away(host: &Host, caller: Caller, limit: Duration, text: &str) {
    let until = Instant::now() + limit;
    let Some(transport) = secure(host, until, caller.socket, caller.credentials).await else {
        return;
    };
    let Transport { reader, writer, .. } = transport;
    let frame = ServerFrame::Error { code: ErrorCode::Busy, peer: None, text: text.into() };
    refuse(writer, Some(frame)).await;
    linger::<ClientFrame>(FrameReader::new(reader)).await;
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

/// Somebody is signed in as long as this lives, also if the task that holds it panics.
pub(super) struct Present<'a> {
    host: &'a Host,
    origin: Option<Origin>,
    link: EndOnDrop,
}

impl<'a> Present<'a> {
    fn enter(
        host: &'a Host,
        id: ConnectionId,
        origin: Option<Origin>,
        signed_in: SignedIn,
    ) -> Self {
        let SignedIn { name, installation, key } = signed_in;
        let link = Arc::new(Link::new(id, name, installation));
        if let Some(replaced) = host.directory.sign_in(&link) {
            replaced.end(End::Bye(ByeReason::Replaced));
        }
        // The drain tells those whom it finds; this one may just have missed it.
        if host.stopping.is_closed() {
            link.end(End::Bye(ByeReason::Shutdown));
        }
        // So does an operator who bans.
        match host.names.standing(&link.name) {
            Ok(owner) if owner == key => {}
            Ok(_) => Unwelcome::Removed.end(&link),
            Err(unwelcome) => unwelcome.end(&link),
        }
        if let Some(origin) = origin {
            host.guests.enter(origin, host.clock.uptime());
        }
        Self { host, origin, link: EndOnDrop(link) }
    }

    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link.0
    }
}

impl Drop for Present<'_> {
    fn drop(&mut self) {
        self.host.directory.sign_out(&self.link.0);
        if let Some(origin) = self.origin {
            self.host.guests.leave(origin, self.host.clock.uptime());
        }
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

/// Signs in, in time and while the server runs. What is left to say if that fails.
async fn sign_in(
    host: &Host,
    until: Instant,
    signing_in: impl Future<Output = Result<Greeted, Rejection>>,
) -> Result<Greeted, Option<ServerFrame>> {
    let handshake = Box::pin(signing_in);
    let limited = Box::pin(task::within(left(until), handshake));
    let (code, text) = match select(limited, Box::pin(host.stopping.recv())).await {
        Either::Left((Some(Ok(greeted)), _)) => return Ok(greeted),
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
pub(super) async fn linger<F: Frame>(mut reader: FrameReader<F>) {
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
