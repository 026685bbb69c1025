//! `tinychat status`: how things are.

use std::io::{self, Write};
use std::time::Instant;

use super::asker::{Asker, LOOK, heard};
use super::errand::Error;
use crate::client::beside::{Reply, Request, Snapshot};
use crate::output;
use crate::task;
use crate::ui::history;
use crate::ui::phrases::news;

/// Which part of the time for signing in whoever asks how things are waits for the server, which knows who else has
/// written: ten seconds, unless somebody has a slow line and says so.
const AWAITED: u32 = 6;

/// The same once the server could not be reached: two seconds.
const AWAITED_AWAY: u32 = 30;

impl Asker {
    pub(super) async fn status(&mut self, json: bool) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let mut guest = self.ask(&Request::Status, &[]).await?;
            if let Some(Reply::Status(snapshot)) = heard(guest.next().await)? {
                let part = if snapshot.absence.is_none() { AWAITED } else { AWAITED_AWAY };
                let is_early = began.elapsed() < self.options.handshake / part;
                let is_asked = self.owned.is_some() || snapshot.online;
                if is_asked && !snapshot.requests_known && is_early {
                    task::sleep(LOOK).await;
                    continue;
                }
                return show(&snapshot, self.owned.is_none(), json).map_err(Error::Print);
            }
        }
    }
}

fn show(snapshot: &Snapshot, runs: bool, json: bool) -> io::Result<()> {
    let mut out = output::out();
    if json {
        #[derive(serde::Serialize)]
        struct Object<'a> {
            running: bool,
            #[serde(flatten)]
            snapshot: &'a Snapshot,
        }
        history::print_object(&Object { running: runs, snapshot }, &mut out)?;
        return out.flush();
    }
    let Snapshot { user, server, online, unsent, undelivered, unread, requests, alike, .. } =
        snapshot;
    let line = match (runs, online) {
        (false, _) => "no client runs",
        (true, true) => "online",
        (true, false) => "not signed in; the client tries again by itself",
    };
    writeln!(out, "{user} at {server}: {line}")?;
    writeln!(out, "{unsent} not sent yet, {undelivered} stored and not delivered yet")?;
    for (peer, count) in unread {
        writeln!(out, "{count} unread from {peer}")?;
    }
    for (peer, count) in requests {
        let alike = alike.get(peer).map(String::as_str);
        writeln!(out, "{}", news::request(peer, *count, alike))?;
    }
    if !snapshot.requests_known {
        let because = snapshot.absence.as_deref().unwrap_or("the server has not answered yet");
        writeln!(out, "who else has written is not known: {because}")?;
    }
    out.flush()
}
