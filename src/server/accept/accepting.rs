//! The accept loop: one task for each listener.
//!
//! Owned by the server. Invariant: no connection waits for the one before it, even if that is a proxy's.

use std::convert::Infallible;
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use futures::future::{Either, select};

use super::reception::{Counted, Reception, receive};
use crate::log_output::{Event, Events};
use crate::server::connection::Whence;
use crate::server::host::Host;
use crate::server::listening::{self, ACCEPT_PAUSE, HeaderError, Listener};
use crate::task;
use crate::wire::transport::Socket;

/// How many connections are accepted before the loop pauses for a moment. Yielding would not do: a task that is always
/// ready keeps the thread from polling its sockets.
const ACCEPTED_AT_ONCE: u32 = 16;
const ACCEPT_REST: Duration = Duration::from_millis(1);

/// How many proxies' connections may be waiting for their header at once. One more is closed unread.
const UNANNOUNCED: usize = 1_024;

/// Accepts until the server stops. Neither an error of one connection nor a system without free file descriptors ends
/// it. While there are `full` clones of `live` nobody is served.
pub(crate) async fn accept(
    reception: Arc<Reception>,
    listener: Listener,
    live: Sender<Infallible>,
    full: usize,
) {
    for turn in (1..=ACCEPTED_AT_ONCE).cycle() {
        let accepting = Box::pin(listener.accept());
        let accepted = match select(accepting, Box::pin(reception.host.stopping.recv())).await {
            Either::Left((accepted, _)) => accepted,
            Either::Right(_) => return,
        };
        match accepted {
            Ok((socket, address)) => meet(&reception, socket, address, &live, full),
            Err(error) if is_one_connections(&error) => log::debug!("accepting: {error}"),
            Err(error) => {
                log::error!("accepting: {error}; trying again");
                reception.host.counters.accept_errors.add(1);
                task::sleep(ACCEPT_PAUSE).await;
            }
        }
        if turn == ACCEPTED_AT_ONCE {
            task::sleep(ACCEPT_REST).await;
        }
    }
}

/// Receives a connection; a proxy's as one of its client's.
fn meet(
    reception: &Arc<Reception>,
    socket: Socket,
    address: Option<SocketAddr>,
    live: &Sender<Infallible>,
    full: usize,
) {
    if !reception.proxies.include(address.map(|it| it.ip())) {
        return receive(reception, socket, address, live, full);
    }
    let Some(unannounced) = Counted::one_more(reception, |it| &it.unannounced, UNANNOUNCED) else {
        return reception.close_unread();
    };
    let (reception, live) = (reception.clone(), live.clone());
    task::spawn("proxy", async move {
        if let Some((socket, address)) = be_told(&reception.host, socket, address).await {
            // It holds one more clone of `live` here than it will later.
            receive(&reception, socket, address, &live, full + 1);
        }
        drop(unannounced);
    });
}

/// Reads a proxy's header, in time and while the server runs.
async fn be_told(
    host: &Host,
    socket: Socket,
    proxy: Option<SocketAddr>,
) -> Option<(Socket, Option<SocketAddr>)> {
    let (times, silence) = (host.clock.times(), host.timing.handshake.silence);
    let reading = times.within(silence, listening::read_header(socket));
    let refused = Whence(proxy);
    match select(Box::pin(reading), Box::pin(host.stopping.recv())).await {
        Either::Left((Some(Ok((socket, address))), _)) => return Some((socket, address.or(proxy))),
        Either::Left((Some(Err(HeaderError::Silent)), _)) => log::debug!(
            logger: Events,
            event = Event::ConnectionClosed,
            addr = refused.field();
            "{refused} said nothing"
        ),
        Either::Left((Some(Err(error)), _)) => log_refusal(refused, &error),
        Either::Left((None, _)) => log_refusal(refused, &"its PROXY header took too long"),
        Either::Right(_) => {}
    }
    None
}

fn log_refusal(proxy: Whence, why: &dyn Display) {
    log::warn!(
        logger: Events,
        event = Event::ConnectionRefused,
        addr = proxy.field();
        "{proxy}, a proxy, was refused: {why}"
    );
}

/// Errors that concern only the connection that was about to be accepted.
fn is_one_connections(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
