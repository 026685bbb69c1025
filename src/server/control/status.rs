//! How the running server is: in words for people, and as one object of JSON for scripts.
//!
//! Invariant: its numbers are those of the metrics.

use std::io::{self, Write};
use std::time::Duration;

use bytesize::ByteSize;
use serde_json::json;

use super::error::ControlError;
use super::subject::Subject;
use super::words::count;
use crate::mailbox::Counts;
use crate::server::metrics::{Source, to_json};
use crate::time_text;

/// Prints how the server is.
pub(super) fn status(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let host = subject.running()?;
    let source = Source { host, mailbox: &subject.mailbox, data: &subject.data };
    match words {
        [] => Ok(tell(&source, out)?),
        ["json"] => {
            let key = host.fingerprint().map(|key| key.to_string());
            Ok(writeln!(out, "{}", json!({ "key": key, "metrics": to_json(&source) }))?)
        }
        _ => Err(ControlError::Refused("this server says it in words, or as json".into())),
    }
}

fn tell(source: &Source<'_>, out: &mut dyn Write) -> io::Result<()> {
    let running = Duration::from_secs(source.host.clock.since_start().as_secs());
    let running = time_text::duration(running);
    writeln!(out, "Version {}, running for {running}", env!("CARGO_PKG_VERSION"))?;
    if let Some(key) = source.host.fingerprint() {
        writeln!(out, "Key: {key}")?;
    }
    match source.ready() {
        Ok(()) => writeln!(out, "Ready: people may come, and messages are stored")?,
        Err(why) => writeln!(out, "Not ready: {why}")?,
    }
    tell_of_people(source, out)?;
    tell_of_messages(source, out)?;
    tell_of_the_disk(source, out)
}

fn tell_of_people(source: &Source<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (people, open) = (source.people(), source.connections());
    writeln!(
        out,
        "People: {} online, {} signed in by a program alone, {} in all",
        people.online,
        people.away,
        count(source.host.names.count(), "name")
    )?;
    writeln!(
        out,
        "Connections: {} of people, {} with files, {} coming or leaving",
        open.people, open.files, open.others
    )
}

fn tell_of_messages(source: &Source<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Counts { taken, written, commits, delivered, expired, bounced } = source.mailbox.counts();
    writeln!(
        out,
        "Since its start: {} came, {delivered} delivered, {expired} expired, {bounced} sent back; {written} written to disk, in {}",
        count(taken, "message"),
        count(commits, "commit")
    )?;
    let (waiting, (files, size)) = (source.mailbox.total(), source.host.blobs.count());
    writeln!(
        out,
        "Waiting: {} with {}, {} with {}",
        count(waiting.messages, "message"),
        ByteSize(waiting.bytes),
        count(files, "file"),
        ByteSize(size)
    )
}

fn tell_of_the_disk(source: &Source<'_>, out: &mut dyn Write) -> io::Result<()> {
    let (mailbox, files) = (source.mailbox_size(), source.host.blobs.count().1);
    write!(out, "Disk: {} of messages, {} of files", ByteSize(mailbox), ByteSize(files))?;
    match source.room() {
        Some(room) => writeln!(out, ", {} free", ByteSize(room)),
        None => writeln!(out),
    }
}
