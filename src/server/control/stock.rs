//! What operators look at: what waits in the mailbox, and which files wait.
//!
//! Invariant: what looks at the mailbox sees one consistent image of it.

use std::io::{self, Write};
use std::time::Duration;

use async_std::task::block_on;

use super::error::ControlError;
use super::subject::Subject;
use super::words::{amount, count};
use crate::blobs::{self, Stock};
use crate::mailbox::{Image, Inspection, Mailbox, SessionContent, backup};
use crate::{task, time_text};

/// How long it may take until all that was acknowledged is gone from the disk. What takes longer is still counted.
const SYNCING: Duration = Duration::from_secs(5);

fn image(subject: &Subject) -> Result<Image, ControlError> {
    Ok(block_on(subject.mailbox.image())?)
}

/// Checks whether all that waits is sound, and prints what it is.
pub(super) fn check(
    subject: &Subject,
    _: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    // Of what was delivered just now nothing waits. A disk that takes nothing is no reason to look at nothing.
    let _ = block_on(task::within(SYNCING, subject.mailbox.synced()));
    let sound = inspect(&image(subject)?, out);
    if !matches!(sound, Ok(()) | Err(ControlError::Unsound)) {
        return sound;
    }
    let stock = blobs::inspect(&subject.data)?;
    print_stock(&stock, out)?;
    if stock.problems.is_empty() { sound } else { sound.and(Err(ControlError::Stray)) }
}

/// Writes a copy of all that waits.
pub(super) fn backup(
    subject: &Subject,
    _: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (image, now) = (image(subject)?, subject.mailbox.clock().wall());
    Ok(backup::write(&image, &subject.data, now, out)?)
}

/// Checks whether a mailbox is sound and prints what is in it.
pub(super) fn inspect(image: &Image, out: &mut dyn Write) -> Result<(), ControlError> {
    let inspection = image.inspect()?;
    print_inspection(&inspection, out)?;
    if inspection.problems.is_empty() { Ok(()) } else { Err(ControlError::Unsound) }
}

fn print_inspection(inspection: &Inspection, out: &mut dyn Write) -> io::Result<()> {
    for SessionContent { key, usage, oldest, expired } in &inspection.sessions {
        let (sender, receiver) = (key.sender(), key.receiver());
        let waiting = amount(usage.messages, "message", usage.bytes);
        write!(out, "{sender} to {receiver}: {waiting}")?;
        if let Some(oldest) = oldest {
            let oldest = time_text::moment(oldest.printable(), 0);
            write!(out, ", the oldest of {oldest}")?;
        }
        if *expired > 0 {
            write!(out, "; {expired} expired")?;
        }
        writeln!(out)?;
    }
    let (usage, sessions) = (inspection.usage, inspection.sessions.len() as u64);
    let waiting = amount(usage.messages, "message", usage.bytes);
    writeln!(out, "{waiting}, {}", count(sessions, "session"))?;
    if inspection.lists > 0 {
        writeln!(out, "{}", count(inspection.lists, "device list"))?;
    }
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
    let (kept, came) = (amount(*files, "file", *bytes), count(*came, "byte"));
    writeln!(out, "{kept}; {begun} more on the way, with {came} so far")?;
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
        assert!(text.contains("1 message, 5 bytes, the oldest of 9999-12-31"), "{text}");
    }
}
