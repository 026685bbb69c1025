//! The operations that operators ask for, as data; and those that look at the mailbox.
//!
//! Run on a thread of their own, in the server or without one. Invariant: what looks at the mailbox sees
//! one consistent image of it.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use async_std::task::block_on;

use super::super::host::Host;
use super::super::people::Contacts;
use super::super::people::Names;
use super::super::sessions::Registry;
use super::{ControlError, people};
use crate::blobs::{self, Blobs, Stock};
use crate::mailbox::{Counts, EmbeddedMailbox, Image, Inspection, SessionContent, backup};
use crate::time_text;

/// What is asked for: a word, how many words are behind it, and what is done. New ones go here.
struct Operation {
    word: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    run: fn(&Subject, &[&str], &mut dyn Write) -> Result<(), ControlError>,
}

const OPERATIONS: &[Operation] = &[
    Operation { word: "check", arguments: 0..=0, run: |it, _, out| it.check(out) },
    Operation { word: "backup", arguments: 0..=0, run: |it, _, out| it.backup(out) },
    Operation { word: "status", arguments: 0..=0, run: |it, _, out| it.status(out) },
    Operation { word: "invite", arguments: 0..=1, run: people::invite },
    Operation { word: "list", arguments: 0..=0, run: people::list },
    Operation { word: "remove", arguments: 1..=1, run: people::remove },
    Operation { word: "reset-key", arguments: 1..=2, run: people::reset_key },
    Operation { word: "ban", arguments: 1..=1, run: people::ban },
    Operation { word: "unban", arguments: 1..=1, run: people::unban },
];

/// What operations look at and change.
pub(super) struct Subject {
    pub(super) mailbox: Arc<EmbeddedMailbox>,
    pub(super) registry: Arc<Registry>,
    pub(super) names: Arc<Names>,
    pub(super) contacts: Arc<Contacts>,
    pub(super) blobs: Arc<Blobs>,
    pub(super) data: PathBuf,
    /// The server, if one runs.
    pub(super) host: Option<Arc<Host>>,
}

/// Does what the words of a request say.
pub(super) fn perform(
    words: &[&str],
    subject: &Subject,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let unknown = || ControlError::Refused("this server does not know that request".into());
    let (word, arguments) = words.split_first().ok_or_else(unknown)?;
    let fits = |it: &&Operation| it.word == *word && it.arguments.contains(&arguments.len());
    let operation = OPERATIONS.iter().find(fits).ok_or_else(unknown)?;
    (operation.run)(subject, arguments, out)
}

impl Subject {
    fn image(&self) -> Result<Image, ControlError> {
        Ok(block_on(self.mailbox.image())?)
    }

    fn check(&self, out: &mut dyn Write) -> Result<(), ControlError> {
        let sound = inspect(&self.image()?, out);
        if !matches!(sound, Ok(()) | Err(ControlError::Unsound)) {
            return sound;
        }
        let stock = blobs::inspect(&self.data)?;
        print_stock(&stock, out)?;
        if stock.problems.is_empty() { sound } else { sound.and(Err(ControlError::Stray)) }
    }

    fn backup(&self, out: &mut dyn Write) -> Result<(), ControlError> {
        Ok(backup::write(&self.image()?, &self.data, out)?)
    }

    fn status(&self, out: &mut dyn Write) -> Result<(), ControlError> {
        let Counts { taken, written, commits } = self.mailbox.counts();
        writeln!(out, "taken {taken}\nwritten {written}\ncommits {commits}")?;
        let certificates = self.host.as_ref().and_then(|host| host.certificates.as_ref());
        if let Some(certificates) = certificates {
            writeln!(out, "key {}", certificates.current().fingerprint)?;
        }
        Ok(())
    }
}

/// Looks whether a mailbox is sound and prints what is in it.
pub(super) fn inspect(image: &Image, out: &mut dyn Write) -> Result<(), ControlError> {
    let inspection = image.inspect()?;
    print_inspection(&inspection, out)?;
    if inspection.problems.is_empty() { Ok(()) } else { Err(ControlError::Unsound) }
}

fn print_inspection(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    for SessionContent { key, usage, oldest, expired } in &inspection.sessions {
        let (sender, receiver) = (key.sender(), key.receiver());
        write!(out, "{sender} to {receiver}: {} messages, {} bytes", usage.messages, usage.bytes)?;
        if let Some(oldest) = oldest {
            let oldest = time_text::moment(oldest.printable(), 0);
            write!(out, ", the oldest of {oldest}")?;
        }
        if *expired > 0 {
            write!(out, "; {expired} expired")?;
        }
        writeln!(out)?;
    }
    let (usage, sessions) = (inspection.usage, inspection.sessions.len());
    writeln!(out, "{} messages, {} bytes, {sessions} sessions", usage.messages, usage.bytes)?;
    for problem in &inspection.problems {
        writeln!(out, "problem: {problem}")?;
    }
    Ok(())
}

fn print_stock(stock: &Stock, out: &mut dyn Write) -> io::Result<()> {
    if *stock == Stock::default() {
        return Ok(());
    }
    let Stock { kept: (files, bytes), coming: (begun, came), problems } = stock;
    writeln!(out, "{files} files, {bytes} bytes; of {begun} on their way {came} bytes")?;
    problems.iter().try_for_each(|problem| writeln!(out, "problem: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mailbox::Usage;
    use crate::message::{SessionKey, Timestamp};

    #[test]
    fn a_damaged_time_does_not_stop_check() {
        let key = SessionKey::new("john".parse().unwrap(), "marie".parse().unwrap()).unwrap();
        let (usage, oldest) = (Usage::one(5), Some(Timestamp(u64::MAX)));
        let sessions = vec![SessionContent { key, usage, oldest, expired: 0 }];
        let mut inspection = Inspection::default();
        (inspection.sessions, inspection.usage) = (sessions, usage);
        let mut out = Vec::new();
        print_inspection(&inspection, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("1 messages, 5 bytes, the oldest of 9999-12-31"), "{text}");
    }
}
