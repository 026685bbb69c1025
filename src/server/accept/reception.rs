//! Accepted connections: they are counted, and served one after another, at a rate that leaves time for those who are
//! signed in already.
//!
//! Shared by the accept tasks and one task that starts to serve waiting connections. Invariants: every connection that
//! is served was counted, for its address and for all; one for which there is no room, or not in time, is closed before
//! anything is read from it, which costs next to nothing.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_channel::{Receiver, Sender};
use governor::clock::DefaultClock;

use super::queue::{Queue, Standing};
use crate::log_output::{Event, Events};
use crate::server::connection::{self, Caller};
use crate::server::counters::Open;
use crate::server::host::Host;
use crate::server::limits::{Coming, Origin, Pace, Rates, TooMany};
use crate::server::listening::Proxies;
use crate::task;
use crate::wire::codec::Frame;
use crate::wire::frame::{ErrorCode, ServerFrame};
use crate::wire::transport::Socket;

/// How long a connection waits to be served: some clients give up after ten seconds, and need some of those for the
/// rest. One that waited longer is closed unread.
const LONGEST_WAIT: Duration = Duration::from_secs(7);

/// How many connections beyond a limit are told so under TLS, at once; and how long that may take.
/// One more is closed unread.
const TOLD_AT_ONCE: usize = 64;
const TELLING: Duration = Duration::from_secs(3);

/// What the accept tasks share with the task that serves waiting connections.
pub(crate) struct Reception {
    pub(super) host: Arc<Host>,
    pub(super) proxies: Proxies,
    coming: Coming,
    pace: Pace,
    queue: Mutex<Queue<(Caller, Held)>>,
    /// Has an item in it when a connection waits.
    waiting: (Sender<()>, Receiver<()>),
    /// How many are being told that there is no room.
    told: AtomicUsize,
    /// How many proxies' connections have not sent their header.
    pub(super) unannounced: AtomicUsize,
    /// How many were closed unread, since the last [report](Self::report), because of the rate or of their wait.
    closed: AtomicU64,
}

/// What a connection occupies as long as it lasts.
struct Held {
    _live: Sender<Infallible>,
    _entered: Option<Entered>,
    _open: Open,
    /// It is not served, and this is all it will be told.
    told: Option<Told>,
}

/// Why a connection is not served.
struct Farewell {
    code: ErrorCode,
    text: Cow<'static, str>,
}

impl Farewell {
    /// There is no room for it.
    fn busy(text: &'static str) -> Self {
        Self { code: ErrorCode::Busy, text: text.into() }
    }

    /// It comes from an address from which nobody may come.
    fn banned(host: &Host, caller: &Caller) -> Option<Self> {
        let address = caller.address.map(|it| it.ip());
        let unwelcome = host.names.refuse_address(address, host.clock.uptime()).err()?;
        Some(Self { code: unwelcome.code(), text: unwelcome.to_string().into() })
    }

    /// Counts a connection that is told this, or is closed instead.
    fn count(&self, host: &Host) {
        match self.code {
            ErrorCode::Busy => host.counters.unserved.add(1),
            code => host.counters.sign_ins.count(code.as_str()),
        }
    }

    fn frame(&self) -> ServerFrame {
        ServerFrame::Error { code: self.code, peer: None, text: self.text.clone().into_owned() }
    }
}

/// What a connection is told instead of being served, and its place among those who are told something.
struct Told {
    farewell: Farewell,
    _place: Counted,
}

impl Told {
    /// Gives it back if that is already said to as many as it may be said to at once; and without TLS, where it is said
    /// without waiting.
    fn one_more(
        reception: &Arc<Reception>,
        caller: &Caller,
        farewell: Farewell,
    ) -> Result<Self, Farewell> {
        let is_secret = caller.credentials.is_some();
        let place = || Counted::one_more(reception, |it| &it.told, TOLD_AT_ONCE);
        match is_secret.then(place).flatten() {
            Some(place) => Ok(Self { farewell, _place: place }),
            None => Err(farewell),
        }
    }
}

impl Reception {
    /// A reception behind these proxies.
    pub(crate) fn new(host: Arc<Host>, proxies: Proxies, rates: &Rates) -> Self {
        Self {
            host,
            proxies,
            coming: Coming::new(rates, DefaultClock::default()),
            pace: Pace::new(rates.arrivals, DefaultClock::default()),
            queue: Mutex::new(Queue::new()),
            waiting: async_channel::bounded(1),
            told: AtomicUsize::new(0),
            unannounced: AtomicUsize::new(0),
            closed: AtomicU64::new(0),
        }
    }

    /// Has these rates count from now on, but that of all addresses together.
    pub(crate) fn set_rates(&self, rates: &Rates) {
        self.coming.set(rates);
    }

    /// Forgets those who have been quiet.
    pub(crate) fn forget_the_quiet(&self) {
        self.coming.forget_the_quiet();
    }

    /// Tells the operator if somebody was closed unread.
    pub(crate) fn report(&self) {
        let closed = self.closed.swap(0, Ordering::Relaxed);
        if closed > 0 {
            log::warn!(
                logger: Events,
                event = Event::ClosedUnread,
                connections = closed;
                "{closed} connections were closed unread: more came than can be begun"
            );
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue<(Caller, Held)>> {
        // Each change is whole before anything can panic.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a connection into the queue. Returns the one that has to go for it, if any.
    fn have_wait(&self, caller: Caller, held: Held) -> Option<Caller> {
        let standing = standing(&self.host, &caller, &held);
        let gone = self.queue().push(standing, caller.origin, (caller, held));
        // If it is full, it will be looked at anyway.
        let _ = self.waiting.0.try_send(());
        gone.map(|(caller, _)| caller)
    }

    /// Counts a connection that is closed unread.
    pub(super) fn close_unread(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
        self.host.counters.unserved.add(1);
    }

    /// Closes a connection that has waited.
    fn close(&self, caller: &Caller) {
        self.close_unread();
        turn_away(caller, &Farewell::busy("the server is busy; try again later"));
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

/// Counts a connection and serves it, lets it wait, or turns it away.
pub(super) fn receive(
    reception: &Arc<Reception>,
    socket: Socket,
    address: Option<SocketAddr>,
    live: &Sender<Infallible>,
    full: usize,
) {
    let caller = Caller {
        // Given here, so that a connection made later has a higher one.
        id: reception.host.next_connection(),
        address,
        origin: address.and_then(|it| Origin::of(it.ip())),
        socket,
        credentials: reception
            .host
            .certificates
            .as_ref()
            .map(|certificates| certificates.current()),
        since: reception.host.clock.times().now(),
    };
    match place(reception, &caller, live, full) {
        Ok(held) => admit(reception, caller, held),
        Err(farewell) => {
            farewell.count(&reception.host);
            turn_away(&caller, &farewell);
        }
    }
}

/// A place for a connection, if only to be told why it is not served. Else that itself.
fn place(
    reception: &Arc<Reception>,
    caller: &Caller,
    live: &Sender<Infallible>,
    full: usize,
) -> Result<Held, Farewell> {
    let told = reception.told.load(Ordering::Relaxed);
    let is_full = live.sender_count().saturating_sub(told) >= full;
    let tell = |farewell| Told::one_more(reception, caller, farewell);
    let banned = Farewell::banned(&reception.host, caller);
    let farewell = banned.or_else(|| is_full.then(|| Farewell::busy(FULL)));
    let told = farewell.map(tell).transpose()?;
    let held = |entered, told| {
        let open = Open::one_more(&reception.host.counters);
        Held { _live: live.clone(), _entered: entered, _open: open, told }
    };
    match Entered::from(reception, caller.origin) {
        Ok(entered) => Ok(held(entered, told)),
        Err(why @ TooMany::Connections) => {
            Ok(held(None, Some(told.map_or_else(|| tell(Farewell::busy(why.sentence())), Ok)?)))
        }
        // To be told costs another handshake.
        Err(why @ TooMany::Handshakes) => Err(Farewell::busy(why.sentence())),
    }
}

fn admit(reception: &Arc<Reception>, caller: Caller, held: Held) {
    let is_next = reception.queue().is_empty();
    if is_next && reception.pace.take().is_ok() {
        return begin(reception.host.clone(), caller, held);
    }
    if let Some(gone) = reception.have_wait(caller, held) {
        reception.close(&gone);
    }
}

/// Serves waiting connections in turn, until the server stops.
pub(crate) async fn begin_in_turn(reception: Arc<Reception>) {
    while reception.waiting.1.recv().await.is_ok() {
        while let Some((caller, held)) = next(&reception) {
            if reception.host.clock.times().now() >= caller.since + LONGEST_WAIT {
                reception.close(&caller);
                task::let_others_run().await;
                continue;
            }
            if may_begin(&reception).await {
                begin(reception.host.clone(), caller, held);
            }
        }
    }
}

/// Waits until one more may be served. False if the server stops before.
async fn may_begin(reception: &Reception) -> bool {
    while let Err(wait) = reception.pace.take() {
        // Nothing but the end of the server is received there.
        if task::within(wait, reception.host.stopping.recv()).await.is_some() {
            return false;
        }
    }
    true
}

/// The next connection; none once the server stops.
fn next(reception: &Reception) -> Option<(Caller, Held)> {
    let mut queue = reception.queue();
    if reception.host.stopping.is_closed() {
        *queue = Queue::new();
    }
    queue.pop()
}

fn begin(host: Arc<Host>, caller: Caller, held: Held) {
    if let Some(told) = &held.told {
        told.farewell.count(&host);
        let farewell = told.farewell.frame();
        task::spawn("farewell", async move {
            connection::turn_away(&host, caller, TELLING, farewell).await;
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
    reception: Arc<Reception>,
    origin: Origin,
}

impl Entered {
    /// None if its address is not counted.
    fn from(reception: &Arc<Reception>, origin: Option<Origin>) -> Result<Option<Self>, TooMany> {
        let Some(origin) = origin else { return Ok(None) };
        reception.coming.enter(origin)?;
        Ok(Some(Self { reception: reception.clone(), origin }))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.reception.coming.leave(self.origin);
    }
}

/// One place of a limited number, taken as long as this lives.
pub(super) struct Counted {
    reception: Arc<Reception>,
    count: fn(&Reception) -> &AtomicUsize,
}

impl Counted {
    pub(super) fn one_more(
        reception: &Arc<Reception>,
        count: fn(&Reception) -> &AtomicUsize,
        most: usize,
    ) -> Option<Self> {
        let before = count(reception).fetch_add(1, Ordering::Relaxed);
        let counted = Self { reception: reception.clone(), count };
        (before < most).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.count)(&self.reception).fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a connection is told when there is no room for it.
const FULL: &str = "this server has as many connections as it takes; try again later";

/// Says why before the connection is closed, if the socket's buffer has room for it at once. Under TLS nothing can be
/// said yet.
fn turn_away(caller: &Caller, farewell: &Farewell) {
    if caller.credentials.is_some() {
        return;
    }
    let mut socket = &caller.socket;
    let mut out = bytes::BytesMut::new();
    farewell.frame().encode(&mut out);
    // The peer may be gone already; then there is nobody to tell.
    let _ = socket.set_nonblocking().and_then(|()| socket.write(&out));
}
