//! One connection, from its beginning to its end: its [arrival](super::arrival), its two tasks, its leaving.
//!
//! The task that runs [`serve`] is the read task; it starts the write task once somebody has signed
//! in and joins it at the end.

use std::sync::Arc;

use bytes::BytesMut;

use super::arrival::{self, Arrived, Present, Who};
use super::caller::{Caller, Claim};
use super::reading::Reading;
use super::shared::Shared;
use super::turn::Turn;
use super::writer;
use crate::log_output::{Event, Events};
use crate::server::files;
use crate::server::host::Host;
use crate::server::linger::linger;
use crate::server::link::{ByPeer, End, Link};
use crate::task;
use crate::wire::codec::Frame;
use crate::wire::frame::{ClientFrame, ServerFrame};
use crate::wire::stream::FrameReader;
use crate::wire::transport::BoxWriter;

/// Serves a connection from accepting to closing. Run by the read task. Rare futures are boxed, because an idle
/// connection's task is as large as the largest future that it may await.
pub(crate) async fn serve(host: Arc<Host>, caller: Caller) {
    let arriving = Box::pin(arrival::arrive(&host, caller));
    let Some(Arrived { who, mut reader, half }) = arriving.await else { return };
    let present = match who {
        Who::Person(present, claim) => {
            log_arrival(present.link(), &claim);
            present
        }
        Who::Carrier(pass) => {
            return Box::pin(files::carry(host.means_to_carry(), pass, reader, half)).await;
        }
    };
    converse(&host, present, &mut reader, half).await;
    Box::pin(linger(reader)).await;
}

/// Everything after signing in.
async fn converse(
    host: &Arc<Host>,
    present: Present<'_>,
    reader: &mut FrameReader<ClientFrame>,
    half: BoxWriter,
) {
    let link = present.link();
    let waiting = host.registry.waiting(&link.name);
    let shared = Arc::<Shared>::default();
    let writing =
        writer::run(host.clone(), link.clone(), shared.clone(), half, welcome(host, link), waiting);
    let writing = task::spawn("write", writing);
    let mut reading = Reading {
        host,
        link,
        shared,
        open: ByPeer::default(),
        collected: None,
        ticket: None,
        turn: Turn::default(),
    };
    let end = reading.run(reader).await;
    log_leaving(link, &end);
    link.end(end);
    drop(reading);
    drop(present);
    writing.await;
}

fn log_arrival(link: &Link, claim: &Claim) {
    log::info!(
        logger: Events,
        event = Event::SignedIn,
        name = claim.name(),
        addr = claim.from.field(),
        key = claim.key(),
        connection = link.id.0;
        "{} signed in", link.name
    );
}

fn log_leaving(link: &Link, end: &End) {
    log::info!(
        logger: Events,
        event = Event::Left,
        name:% = link.name,
        connection = link.id.0;
        "{} left: {end}", link.name
    );
}

/// `WELCOME`. Behind it comes a `WAITING` for each who has written.
fn welcome(host: &Host, link: &Link) -> BytesMut {
    let mut first = BytesMut::new();
    ServerFrame::Welcome { name: link.name.clone(), limits: host.limits() }.encode(&mut first);
    first
}
