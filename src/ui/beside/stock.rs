//! `tinychat files`: what lies here of others' files, and making room.

use std::io::{self, Write};

use bytesize::ByteSize;

use super::asker::{Asker, heard};
use super::errand::Error;
use crate::client::beside::{Reply, Request, Shelf};
use crate::message::Name;
use crate::output;
use crate::ui::history;
use crate::ui::phrases::files;

impl Asker {
    /// Says what lies here; or, of one person, has it lie here no longer.
    pub(super) async fn stock(&mut self, free: Option<&Name>, json: bool) -> Result<(), Error> {
        let request = match free {
            Some(from) => Request::Free { from: from.to_string() },
            None => Request::Files,
        };
        loop {
            let (mut guest, mut shelves) = (self.ask(&request, &[]).await?, Vec::new());
            while let Some(reply) = heard(guest.next().await)? {
                match reply {
                    Reply::Files(shelf) => shelves.push(shelf),
                    Reply::Told(_) => return show(&shelves, json).map_err(Error::Print),
                    Reply::Freed { from, files, bytes } => {
                        return show_freed(&from, files, bytes, json).map_err(Error::Print);
                    }
                    _ => {}
                }
            }
        }
    }
}

fn show(shelves: &[Shelf], json: bool) -> io::Result<()> {
    let mut out = output::out();
    for shelf in shelves {
        let Shelf { from, files, bytes, unasked, unasked_limit } = shelf;
        if json {
            history::print_object(shelf, &mut out)?;
            continue;
        }
        let (files, bytes) = (files::count(*files), ByteSize(*bytes));
        let (unasked, most) = (ByteSize(*unasked), ByteSize(*unasked_limit));
        writeln!(out, "{from}: {files}, {bytes}; {unasked} came by itself, of {most} that may")?;
    }
    out.flush()
}

fn show_freed(from: &str, files: u64, bytes: u64, json: bool) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Object<'a> {
        from: &'a str,
        files: u64,
        bytes: u64,
    }
    let mut out = output::out();
    match json {
        true => history::print_object(&Object { from, files, bytes }, &mut out)?,
        false => {
            writeln!(out, "{from}: removed {}, {}", files::count(files), ByteSize(bytes))?;
        }
    }
    out.flush()
}
