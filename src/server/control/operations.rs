//! The operations that operators ask for, as data.
//!
//! Run on a thread of their own, in the server or without one.

use std::io::Write;

use super::error::ControlError;
use super::subject::Subject;
use super::{people, stock};

/// What is asked for: a word, how many words are behind it, and what is done. New ones go here.
struct Operation {
    word: &'static str,
    arguments: std::ops::RangeInclusive<usize>,
    run: fn(&Subject, &[&str], &mut dyn Write) -> Result<(), ControlError>,
}

const OPERATIONS: &[Operation] = &[
    Operation { word: "check", arguments: 0..=0, run: stock::check },
    Operation { word: "backup", arguments: 0..=0, run: stock::backup },
    Operation { word: "status", arguments: 0..=0, run: stock::status },
    Operation { word: "invite", arguments: 0..=1, run: people::invite },
    Operation { word: "list", arguments: 0..=0, run: people::list },
    Operation { word: "remove", arguments: 1..=1, run: people::remove },
    Operation { word: "reset-key", arguments: 1..=2, run: people::reset_key },
    Operation { word: "ban", arguments: 1..=1, run: people::ban },
    Operation { word: "unban", arguments: 1..=1, run: people::unban },
];

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
