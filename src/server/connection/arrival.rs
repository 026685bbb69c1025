//! The beginning of a connection: TLS, signing in, and what is said to those who fail.
//!
//! Run by the read task before there is a write task. Invariants: none of it takes longer than its
//! [timeouts](super::late) allow, except for the moment in which a refusal is read; whoever is [`Present`] is in the
//! directory.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};

use super::caller::{Caller, Claim, Whence};
use super::handshake::{self, Greeting, Hello, Rejection, SignedIn};
use super::late::{Late, Watch, too_late_to_prove};
use super::turn::before_costly_step;
use crate::log_output::{Event, Events, FieldsOnly, Foreign, of_refusal};
use crate::server::counters::{GONE, NO_TLS, WELCOME};
use crate::server::files::Pass;
use crate::server::host::{Host, dismiss};
use crate::server::limits::Origin;
use crate::server::limits::Place;
use crate::server::linger::{LINGER, linger};
use crate::server::link::{ConnectionId, End, EndOnDrop, Link};
use crate::server::people::Unwelcome;
use crate::task;
use crate::trust::tls::Credentials;
use crate::wire::frame::{ByeReason, ClientFrame, ErrorCode, ServerFrame};
use crate::wire::stream::{FrameReader, write_frame};
use crate::wire::transport::{BoxWriter, Line, Socket, Transport};

/// Somebody who has signed in, or carries files for them, and how to talk to them.
pub(super) struct Arrived<'a> {
    pub(super) who: Who<'a>,
    pub(super) reader: FrameReader<ClientFrame>,
    pub(super) half: BoxWriter,
}

pub(super) enum Who<'a> {
    /// With what they said, for the log. Boxed, for it is soon forgotten.
    Person(Present<'a>, Box<Claim>),
    Carrier(Box<Pass>),
}

/// Everything up to the proof. None if it failed; then the peer was told.
pub(super) async fn arrive(host: &Host, caller: Caller) -> Option<Arrived<'_>> {
    let Caller { id, socket, address, origin, credentials, since } = caller;
    let line = line(socket, address)?;
    let (times, limits) = (host.clock.times(), host.timing.handshake);
    let mut watch = Watch::begin(times, limits, line.clone(), since);
    let transport = secure(host, watch.late(), line, address, credentials).await?;
    let Transport { reader, writer: mut half, channel } = transport;
    let mut reader = FrameReader::new(reader);
    let signing_in = async {
        let greeting = handshake::greet(host, &mut reader);
        let nobody = Claim { from: Whence(address), who: None };
        let hello = match in_time(host, &nobody, watch.late(), greeting).await? {
            Greeting::Carrier(pass) => return Ok(Who::Carrier(Box::new(pass))),
            Greeting::Hello(hello) => hello,
        };
        let claim = Claim { who: Some((hello.name.clone(), hello.key)), ..nobody };
        let late = too_late_to_prove(times, limits, since, place(host, &hello, origin));
        let proof = handshake::prove(host, hello, &mut reader, &mut half, channel, address);
        let signed_in = in_time(host, &claim, late, proof).await?;
        let from = (address.map(|it| it.ip()), origin);
        Ok(Who::Person(Present::enter(host, id, from, signed_in), Box::new(claim)))
    };
    match signing_in.await {
        Ok(who) => Some(Arrived { who, reader, half }),
        Err(frame) => {
            refuse(half, frame).await;
            linger(reader).await;
            None
        }
    }
}

/// A place that allows more time, for somebody who claims to own a name and names its key.
fn place<'a>(host: &'a Host, hello: &Hello, origin: Option<Origin>) -> Option<Place<'a>> {
    let standing = host.names.standing(&hello.name, host.clock.uptime());
    let is_owner = standing.is_ok_and(|owner| owner == hello.key);
    is_owner.then(|| host.confirming.enter(hello.key, origin))
}

/// Says under TLS why somebody is not served, within `limit`.
pub(crate) async fn turn_away(host: &Host, caller: Caller, limit: Duration, frame: ServerFrame) {
    let Caller { socket, address, credentials, .. } = caller;
    let Some(line) = line(socket, address) else { return };
    let late = async {
        task::sleep(limit).await;
        Late::Over
    };
    let Some(transport) = secure(host, late, line, address, credentials).await else { return };
    let Transport { reader, writer, .. } = transport;
    refuse(writer, Some(frame)).await;
    linger::<ClientFrame>(FrameReader::new(reader)).await;
}

fn line(socket: Socket, address: Option<SocketAddr>) -> Option<Arc<Line>> {
    let gone = |error: &io::Error| log::debug!("{} was gone at once: {error}", Whence(address));
    Line::new(socket).inspect_err(gone).ok()
}

/// The TLS handshake, where it is wanted, in time and while the server runs. If it fails, the peer cannot be told.
async fn secure(
    host: &Host,
    late: impl Future<Output = Late>,
    line: Arc<Line>,
    address: Option<SocketAddr>,
    credentials: Option<Arc<Credentials>>,
) -> Option<Transport> {
    let Some(credentials) = credentials else { return Some(Transport::plain_on(line)) };
    let accepting =
        Box::pin(Transport::accept_on(line.clone(), &credentials, before_costly_step()));
    let over = select(Box::pin(late), Box::pin(host.stopping.recv()));
    let why = match select(accepting, over).await {
        Either::Left((Ok(transport), _)) => return Some(transport),
        Either::Left((Err(_), _)) if line.heard() == 0 => return close(host, Whence(address)),
        Either::Left((Err(error), _)) => error.to_string(),
        Either::Right((Either::Left((late, _)), _)) => late.sentence().into(),
        Either::Right((Either::Right(_), _)) => return None,
    };
    host.counters.sign_ins.count(NO_TLS);
    let from = Whence(address);
    log::info!(
        logger: Events,
        event = Event::ConnectionRefused,
        addr = from.field();
        "{from} was refused: {}", Foreign(&why)
    );
    None
}

/// Somebody checked whether the server is up. There is nothing to be done for them.
fn close<T>(host: &Host, from: Whence) -> Option<T> {
    host.counters.sign_ins.count(GONE);
    log::debug!(
        logger: FieldsOnly,
        event = Event::ConnectionClosed,
        addr = from.field();
        "{from} was gone before it signed in"
    );
    None
}

/// Does a part of signing in, in time and while the server runs. If that fails, returns what to tell the peer.
async fn in_time<T>(
    host: &Host,
    claim: &Claim,
    late: impl Future<Output = Late>,
    part: impl Future<Output = Result<T, Rejection>>,
) -> Result<T, Option<ServerFrame>> {
    let over = select(Box::pin(late), Box::pin(host.stopping.recv()));
    let (code, text) = match select(Box::pin(part), over).await {
        Either::Left((Ok(done), _)) => return Ok(done),
        Either::Left((Err(Rejection::Gone), _)) => return Err(close(host, claim.from)),
        Either::Left((Err(Rejection::Answer(code, text)), _)) => (code, text),
        Either::Right((Either::Left((late, _)), _)) => (ErrorCode::Timeout, late.sentence().into()),
        Either::Right((Either::Right(_), _)) => (ErrorCode::Busy, "the server stops".into()),
    };
    host.counters.sign_ins.count(code.as_str());
    log_refusal(claim, code, &text);
    Err(Some(ServerFrame::Error { code, peer: None, text }))
}

fn log_refusal(claim: &Claim, code: ErrorCode, text: &str) {
    log::log!(
        logger: Events,
        of_refusal(),
        event = Event::SignInRefused,
        name = claim.name(),
        addr = claim.from.field(),
        key = claim.key(),
        code = code.as_str();
        "{} was refused: {} {}", claim.from, code.as_str(), Foreign(text)
    );
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
        (address, origin): (Option<IpAddr>, Option<Origin>),
        signed_in: SignedIn,
    ) -> Self {
        let SignedIn { name, installation, presence, key } = signed_in;
        let link = Arc::new(Link::new(id, name, installation, presence).at(address));
        if let Some(replaced) = host.directory.sign_in(&link) {
            replaced.end(End::Bye(ByeReason::Replaced));
        }
        // The drain tells those whom it finds; it may just have missed this one.
        if host.stopping.is_closed() {
            link.end(End::Bye(ByeReason::Shutdown));
        }
        // So does an operator who bans.
        let now = host.clock.uptime();
        let refused = host.names.refuse_address(address, now);
        match refused.and_then(|()| host.names.standing(&link.name, now)) {
            Ok(owner) if owner == key => {}
            Ok(_) => dismiss(&link, Unwelcome::Removed),
            Err(unwelcome) => dismiss(&link, unwelcome),
        }
        host.seen.note(&link.name, host.clock.wall());
        host.counters.sign_ins.count(WELCOME);
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
        self.host.seen.note(&self.link.0.name, self.host.clock.wall());
        self.host.directory.sign_out(&self.link.0);
        if let Some(origin) = self.origin {
            self.host.guests.leave(origin, self.host.clock.uptime());
        }
    }
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
