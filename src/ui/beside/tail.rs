//! `tinychat tail`: what others write, as it comes.
//!
//! Owned by the [asker](super::asker). Invariant: what is printed is printed once, whoever owns the folder meanwhile.

use std::io::{self, Write};

use anstyle::Style;

use super::asker::{Asker, heard};
use super::errand::Error;
use crate::client::beside::{Guest, Line, Reply, Request};
use crate::message::{Name, Timestamp};
use crate::output;
use crate::ui::console::screen::Screen;
use crate::ui::history::{self, Said};
use crate::ui::phrases::{files, news};

impl Asker {
    pub(super) async fn tail(
        &mut self,
        with: Option<&Name>,
        unread: bool,
        json: bool,
    ) -> Result<(), Error> {
        let (mut above, mut begun, mut printed) = (None, false, Vec::new());
        let open: Vec<Name> = with.cloned().into_iter().collect();
        loop {
            let with = with.map(ToString::to_string);
            let mut guest = self.ask(&Request::Follow { above, with, unread }, &open).await?;
            while let Some(reply) = heard(guest.next().await)? {
                match reply {
                    Reply::Told(id) => {
                        above = Some(id);
                        if !std::mem::replace(&mut begun, true) {
                            Screen::new().note("following what others write; Ctrl-C ends it");
                        }
                        self.say_read(&mut printed).await?;
                    }
                    Reply::Message(line) => {
                        above = Some(line.id);
                        print(&self.user, &line, json).map_err(Error::Print)?;
                        if unread {
                            printed.push(line.id);
                        }
                    }
                    Reply::Request { from, count, alike } => {
                        let alike = alike.as_deref();
                        tell_request(&self.user, &from, count, alike, json)
                            .map_err(Error::Print)?;
                    }
                    _ => {}
                }
            }
        }
    }

    /// What was printed is read. If the owner goes meanwhile the next one is told.
    async fn say_read(&self, printed: &mut Vec<i64>) -> Result<(), Error> {
        if printed.is_empty() {
            return Ok(());
        }
        let request = Request::Read { ids: printed.clone() };
        let Ok(mut guest) = Guest::ask(&self.data, &request).await else { return Ok(()) };
        if heard(guest.next().await)?.is_some() {
            printed.clear();
        }
        Ok(())
    }
}

fn print(user: &Name, line: &Line, json: bool) -> io::Result<()> {
    let mut out = output::out();
    let Line { from, time, kind, text, file, sealed, .. } = line;
    let (time, to, file) = (Timestamp(*time), user.as_str(), file.as_ref());
    match json {
        true => {
            let (state, sealed, written) = ("received", *sealed, None);
            let said = Said { time, from, to, kind, text, file, state, sealed, written };
            said.print_json(&mut out)?;
        }
        false => {
            for line in files::listed(kind, text, file) {
                out.line(Style::new(), &format!("{from}: {line}"), "")?;
            }
        }
    }
    out.flush()
}

/// Somebody wants to talk whom one has never talked to: for scripts as an object of its own.
fn tell_request(
    user: &Name,
    from: &str,
    request: u64,
    alike: Option<&str>,
    json: bool,
) -> io::Result<()> {
    if !json {
        let words = news::request(from, request, alike);
        Screen::new().note(&format!("{words}; tinychat tail --with {from} prints what they write"));
        return Ok(());
    }
    #[derive(serde::Serialize)]
    struct Object<'a> {
        from: &'a str,
        to: &'a str,
        request: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        alike: Option<&'a str>,
    }
    let mut out = output::out();
    history::print_object(&Object { from, to: user.as_str(), request, alike }, &mut out)?;
    out.flush()
}
