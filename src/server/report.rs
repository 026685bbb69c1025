//! What the log says of a server's start and its end: version, listeners, limits, counts.
//!
//! Owned by nobody. Programs read it: only a log with fields has it.

use std::time::Instant;

use super::host::Host;
use super::start::Server;
use crate::log_output::{Event, FieldsOnly};
use crate::mailbox::{Counts, EmbeddedMailbox};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The server serves from now on.
pub(super) fn started(server: &Server) {
    let (host, waiting) = (&server.host, server.mailbox.total());
    let quota = host.quota.get();
    let listen: Vec<_> = server.endpoints().map(ToString::to_string).collect();
    log::info!(
        logger: FieldsOnly,
        event = Event::Start,
        version = VERSION,
        listen = listen.join(" "),
        tls = host.certificates.is_some(),
        names = host.names.count(),
        messages = waiting.messages,
        bytes = waiting.bytes,
        max_connections = server.max_connections,
        max_session_messages = quota.session.messages,
        max_session_bytes = quota.session.bytes,
        max_recipient_messages = quota.receiver.messages,
        max_recipient_bytes = quota.receiver.bytes,
        max_file_bytes = host.blobs.limits().file,
        keep_seconds = host.keep.get().map(|keep| keep.as_secs());
        "tinychat-server {VERSION} serves"
    );
}

/// It has ended, and `begun` then.
pub(super) fn stopped(host: &Host, mailbox: &EmbeddedMailbox, begun: Instant) {
    let (Counts { taken, written, commits, .. }, waiting) = (mailbox.counts(), mailbox.total());
    let ran = host.clock.times().now().saturating_duration_since(begun);
    log::info!(
        logger: FieldsOnly,
        event = Event::Stop,
        version = VERSION,
        seconds = ran.as_secs(),
        connections = host.connections(),
        names = host.names.count(),
        messages = waiting.messages,
        bytes = waiting.bytes,
        taken = taken,
        written = written,
        commits = commits;
        "tinychat-server {VERSION} has ended"
    );
}
