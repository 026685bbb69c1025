//! Where connections come in: they are accepted, counted, and begun one after another, at a pace that leaves time for
//! those who are there already.
//!
//! Owned by the server: an accept task for each listener, and one task that begins those who wait. Invariants: every
//! connection that is begun was counted, for its address and for all; one for which there is no room, or not in time,
//! is closed before anything is read of it, which costs next to nothing.

use std::convert::Infallible;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};
use futures::future::{Either, select};

use super::queue::{Queue, Standing};
use crate::server::connection::{self, Caller, Whence};
use crate::server::host::Host;
use crate::server::limits::{Origin, Pace, TooMany};
use crate::server::listening::Listener;
use crate::server::listening::{self, HeaderError};
use crate::task;
use crate::wire::codec::Frame;
use crate::wire::frame::{ErrorCode, ServerFrame};
use crate::wire::transport::Socket;

/// How long accepting rests when the system cannot give another connection.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// How many connections are accepted before accepting rests for a moment. To give way would not do: whoever is always
/// ready keeps the thread from looking at its sockets.
const ACCEPTED_AT_ONCE: u32 = 16;
const ACCEPT_REST: Duration = Duration::from_millis(1);

/// How long somebody waits to be begun: there are clients that give up after ten seconds, and some are needed for the
/// rest. Who waited longer is closed unread.
const LONGEST_WAIT: Duration = Duration::from_secs(7);

/// How many beyond the most connections are told under TLS that there is no room, at once; and how long that may take.
/// One more is closed unread.
const TOLD_AT_ONCE: usize = 64;
const TELLING: Duration = Duration::from_secs(3);

/// How many connections of proxies at once have not said yet whose they are. One more is closed unread.
const UNANNOUNCED: usize = 1_024;

/// What accept tasks and the one that begins connections have in common.
pub(crate) struct Reception {
    pace: Pace,
    queue: Mutex<Queue<(Caller, Held)>>,
    /// Has one in it when somebody waits.
    waiting: (Sender<()>, Receiver<()>),
    /// How many are being told that there is no room.
    told: AtomicUsize,
    /// How many of proxies have not said whose they are.
    unannounced: AtomicUsize,
    /// How many were closed unread, for the pace or for their wait, since that was last [told](Self::report).
    closed: AtomicU64,
}

/// What a connection takes as long as it lasts.
struct Held {
    _live: Sender<Infallible>,
    _entered: Option<Entered>,
    /// There is no room for it, and that is all it will be told.
    told: Option<Counted>,
}

impl Reception {
    pub(crate) fn new(pace: Pace) -> Self {
        Self {
            pace,
            queue: Mutex::new(Queue::new()),
            waiting: async_channel::bounded(1),
            told: AtomicUsize::new(0),
            unannounced: AtomicUsize::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Tells the operator if somebody was closed unread.
    pub(crate) fn report(&self) {
        let closed = self.closed.swap(0, Ordering::Relaxed);
        if closed > 0 {
            log::warn!("{closed} connections were closed unread: more came than can be begun");
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<(Caller, Held)>> {
        // Each change is whole before anything can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts somebody into the queue. Who has to go for that, if anybody.
    fn have_wait(&self, host: &Host, caller: Caller, held: Held) -> Option<Caller> {
        let standing = standing(host, &caller, &held);
        let gone = self.queue().push(standing, caller.origin, (caller, held));
        // If it is full, it will be looked at anyway.
        let _ = self.waiting.0.try_send(());
        gone.map(|(caller, _)| caller)
    }

    /// Gives up somebody who has waited.
    fn close(&self, caller: &Caller) {
        self.closed.fetch_add(1, Ordering::Relaxed);
        turn_away(caller, "the server is busy; try again later");
    }
}

fn standing(host: &Host, caller: &Caller, held: &Held) -> Standing {
    let is_known = |origin| host.guests.is_known(origin, host.clock.uptime());
    match held.told {
        Some(_) => Standing::TurnedAway,
        None if caller.origin.is_none_or(is_known) => Standing::Known,
        None => Standing::Stranger,
    }
}

/// Accepts until the server stops. An error of one connection, or of a system that is out of files,
/// does not end it. While there are `full` clones of `live` nobody is served.
pub(crate) async fn accept(
    host: Arc<Host>,
    listener: Listener,
    live: Sender<Infallible>,
    full: usize,
) {
    for turn in (1..=ACCEPTED_AT_ONCE).cycle() {
        let accepting = Box::pin(listener.accept());
        let accepted = match select(accepting, Box::pin(host.stopping.recv())).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        match accepted {
            Ok((socket, address)) => meet(&host, socket, address, &live, full),
            Err(error) if is_one_connections(&error) => log::debug!("accepting: {error}"),
            Err(error) => {
                log::error!("accepting: {error}; trying again");
                task::sleep(ACCEPT_PAUSE).await;
            }
        }
        if turn == ACCEPTED_AT_ONCE {
            task::sleep(ACCEPT_REST).await;
        }
    }
}

/// Receives a connection; that of a proxy as whose it is.
fn meet(
    host: &Arc<Host>,
    socket: Socket,
    address: Option<IpAddr>,
    live: &Sender<Infallible>,
    full: usize,
) {
    if !host.proxies.include(address) {
        return receive(host, socket, address, live, full);
    }
    let Some(unannounced) = Counted::one_more(host, |it| &it.unannounced, UNANNOUNCED) else {
        host.reception.closed.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let (host, live) = (host.clone(), live.clone());
    task::spawn("proxy", async move {
        if let Some((socket, address)) = be_told(&host, socket, address).await {
            // It has one more of `live` here than it will have.
            receive(&host, socket, address, &live, full + 1);
        }
        drop(unannounced);
    });
}

/// Has a proxy say whose connection it is, in time and while the server runs.
async fn be_told(
    host: &Host,
    socket: Socket,
    proxy: Option<IpAddr>,
) -> Option<(Socket, Option<IpAddr>)> {
    let reading = task::within(host.timing.handshake.silence, listening::read_header(socket));
    let refused = Whence(proxy);
    match select(Box::pin(reading), Box::pin(host.stopping.recv())).await {
        Either::Left((Some(Ok((socket, address))), _)) => return Some((socket, address.or(proxy))),
        Either::Left((Some(Err(HeaderError::Silent)), _)) => log::debug!("{refused} said nothing"),
        Either::Left((Some(Err(error)), _)) => {
            log::warn!("{refused}, a proxy, was refused: {error}");
        }
        Either::Left((None, _)) => {
            log::warn!("{refused}, a proxy, was refused: its PROXY header took too long");
        }
        Either::Right(_) => {}
    }
    None
}

/// Counts a connection and begins it, or has it wait, or turns it away.
fn receive(
    host: &Arc<Host>,
    socket: Socket,
    address: Option<IpAddr>,
    live: &Sender<Infallible>,
    full: usize,
) {
    let caller = Caller {
        // Given here, so that a connection made later has a higher one.
        id: host.next_connection(),
        address,
        origin: address.and_then(Origin::of),
        socket,
        credentials: host.certificates.as_ref().map(|certificates| certificates.current()),
        since: Instant::now(),
    };
    let told = host.reception.told.load(Ordering::Relaxed);
    let is_full = live.sender_count().saturating_sub(told) >= full;
    // Without TLS it is said at once.
    let told = caller
        .credentials
        .as_ref()
        .filter(|_| is_full)
        .and_then(|_| Counted::one_more(host, |it| &it.told, TOLD_AT_ONCE));
    if is_full && told.is_none() {
        return turn_away(&caller, FULL);
    }
    match Entered::from(host, caller.origin) {
        Ok(entered) => {
            let held = Held { _live: live.clone(), _entered: entered, told };
            admit(host, caller, held);
        }
        Err(why) => turn_away(&caller, why.sentence()),
    }
}

fn admit(host: &Arc<Host>, caller: Caller, held: Held) {
    let reception = &host.reception;
    let is_next = reception.queue().is_empty();
    if is_next && reception.pace.take().is_ok() {
        return begin(host.clone(), caller, held);
    }
    if let Some(gone) = reception.have_wait(host, caller, held) {
        reception.close(&gone);
    }
}

/// Begins those who wait, until the server stops.
pub(crate) async fn begin_in_turn(host: Arc<Host>) {
    let reception = &host.reception;
    while reception.waiting.1.recv().await.is_ok() {
        while let Some((caller, held)) = next(&host) {
            if caller.since.elapsed() >= LONGEST_WAIT {
                reception.close(&caller);
                task::let_others_run().await;
                continue;
            }
            if may_begin(&host).await {
                begin(host.clone(), caller, held);
            }
        }
    }
}

/// Waits until one more may begin. False if the server stops before.
async fn may_begin(host: &Host) -> bool {
    while let Err(wait) = host.reception.pace.take() {
        // Nothing but the end of the server is received there.
        if task::within(wait, host.stopping.recv()).await.is_some() {
            return false;
        }
    }
    true
}

/// Whoever is next; once the server stops, nobody.
fn next(host: &Host) -> Option<(Caller, Held)> {
    let mut queue = host.reception.queue();
    if host.stopping.is_closed() {
        *queue = Queue::new();
    }
    queue.pop()
}

fn begin(host: Arc<Host>, caller: Caller, held: Held) {
    if held.told.is_some() {
        task::spawn("farewell", async move {
            connection::turn_away(&host, caller, TELLING, FULL).await;
            drop(held);
        });
        return;
    }
    task::spawn("read", async move {
        connection::serve(host, caller).await;
        drop(held);
    });
}

/// A connection that is counted for its address as long as this lives.
struct Entered {
    host: Arc<Host>,
    origin: Origin,
}

impl Entered {
    /// None if its address is not counted.
    fn from(host: &Arc<Host>, origin: Option<Origin>) -> Result<Option<Self>, TooMany> {
        let Some(origin) = origin else { return Ok(None) };
        host.coming.enter(origin)?;
        Ok(Some(Self { host: host.clone(), origin }))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.host.coming.leave(self.origin);
    }
}

/// One of those of whom there are only so many, as long as this lives.
struct Counted {
    host: Arc<Host>,
    count: fn(&Reception) -> &AtomicUsize,
}

impl Counted {
    fn one_more(
        host: &Arc<Host>,
        count: fn(&Reception) -> &AtomicUsize,
        most: usize,
    ) -> Option<Self> {
        let before = count(&host.reception).fetch_add(1, Ordering::Relaxed);
        let counted = Self { host: host.clone(), count };
        (before < most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.host.reception).fetch_sub(1, Ordering::Relaxed);
    }
}

/// What those are told for whom there is no room.
const FULL: &str = "this server has as many connections as it takes; try again later";

/// Says why, if the socket's buffer takes it at once, before the connection is closed. Under TLS there is nobody yet
/// to say it to.
fn turn_away(caller: &Caller, text: &str) {
    if caller.credentials.is_some() {
        return;
    }
    let mut socket = &caller.socket;
    let mut out = bytes::BytesMut::new();
    ServerFrame::Error { code: ErrorCode::Busy, peer: None, text: text.into() }.encode(&mut out);
    // The peer may be gone already; then there is nobody to tell.
    let _ = socket.set_nonblocking().and_then(|()| socket.write(&out));
}

/// Errors that concern only the connection that was about to be accepted.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
