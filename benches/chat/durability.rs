//! What the disk costs: durable acceptance, fetching a backlog, starting on one.
//!
//! Beside acceptance stands a *plain file*: nobody who syncs can be faster than appending the same
//! bytes and syncing them by the window. It runs in the load, on the same disk.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use super::load::{Backlog, WINDOW, write_to_nobody};
use super::subject::{Kind, Subject};
use super::{Plan, Result};

/// What a message has on disk, roughly: body, header, key.
const RECORD: usize = 128;

/// How many messages a second are accepted, each told stored after its fsync.
pub(super) fn acceptance(plan: &Plan, kind: Kind, writers: usize) -> Result<Vec<(String, f64)>> {
    let rate = match kind {
        Kind::Tinychat => {
            let subject = Subject::start(kind, &plan.pinning)?;
            let before = subject.processor_time(plan.clock)?;
            let start = Instant::now();
            let stored = write_to_nobody(subject.address(), writers, plan.time)? as f64;
            let elapsed = start.elapsed();
            let spent = subject.processor_time(plan.clock)?.saturating_sub(before);
            (stored / elapsed.as_secs_f64(), spent.as_secs_f64() * 1e6 / stored)
        }
        Kind::Relay => (append(plan.time)?, f64::NAN),
    };
    Ok(vec![("messages/s".into(), rate.0), ("processor time, µs/message".into(), rate.1)])
}

/// Appends a window of records and syncs it, again and again. Records a second.
fn append(time: Duration) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let mut file = File::create(folder.path().join("plain"))?;
    let window = vec![b'.'; RECORD * usize::try_from(WINDOW)?];
    let (start, mut windows) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        file.write_all(&window)?;
        file.sync_data()?;
        windows += 1;
    }
    Ok((windows * WINDOW) as f64 / start.elapsed().as_secs_f64())
}

/// Starting on a backlog after `kill -9`, and fetching it.
pub(super) fn backlog(plan: &Plan, kind: Kind) -> Result<Vec<(String, f64)>> {
    let (mut start, mut rate) = (f64::NAN, f64::NAN);
    if kind == Kind::Tinychat {
        let subject = Subject::start(kind, &plan.pinning)?;
        let backlog = Backlog::fill(subject.address(), plan.backlog)?;
        let (subject, took) = subject.restart(&plan.pinning)?;
        start = took.as_secs_f64() * 1e3;
        rate = backlog.count() as f64 / backlog.drain(subject.address())?.as_secs_f64();
    }
    Ok(vec![("start after kill -9, ms".into(), start), ("fetched, messages/s".into(), rate)])
}
