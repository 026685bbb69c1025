//! What operators say to everybody, and that they do not say it any more.

use std::io::{self, Write};
use std::time::Duration;

use super::error::ControlError;
use super::subject::Subject;
use super::words::{time_left, time_of};
use crate::server::announcement::{LONGEST, is_sayable};
use crate::time_text;

/// Says a text to everybody who is there, and for a time, which is the first word, to whoever comes.
pub(super) fn announce(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (time, text) = (time_of(words.first())?.unwrap_or_default(), words[1..].join(" "));
    if !is_sayable(&text) {
        let limit = format!(
            "an announcement is a line of at most {LONGEST} bytes, without control characters"
        );
        return Err(ControlError::Refused(limit));
    }
    let until = subject.mailbox.clock().uptime() + time;
    subject.announcement.set(&text, until).map_err(unwritten)?;
    if let Some(host) = &subject.host {
        host.announce();
    }
    Ok(writeln!(out, "said to all who are there, and to whoever comes for {}", told(time))?)
}

/// Ends what is announced.
pub(super) fn end(subject: &Subject, _: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    let was_said = subject.announcement.end(subject.mailbox.clock().uptime()).map_err(unwritten)?;
    let line = if was_said { "not said any more" } else { "nothing was announced" };
    Ok(writeln!(out, "{line}")?)
}

/// Prints what is announced, and how long still.
pub(super) fn show(subject: &Subject, _: &[&str], out: &mut dyn Write) -> Result<(), ControlError> {
    match subject.announcement.left(subject.mailbox.clock().uptime()) {
        Some((text, left)) => writeln!(out, "for {} more: {text}", told(left))?,
        None => writeln!(out, "nothing is announced")?,
    }
    Ok(())
}

fn unwritten(error: io::Error) -> ControlError {
    ControlError::Refused(format!("what is announced cannot be written down: {error}"))
}

fn told(time: Duration) -> String {
    time_text::duration(time_left(time))
}
