//! The words of requests, and words for what operators are told. Pure.

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::error::ControlError;

/// The word for an answer that programs read.
const JSON: &str = "json";

/// Whether the answer is for programs.
pub(super) fn is_json(word: Option<&&str>) -> Result<bool, ControlError> {
    match word {
        None => Ok(false),
        Some(&JSON) => Ok(true),
        Some(other) => Err(ControlError::Refused(format!("this server has no form {other}"))),
    }
}

/// A time in milliseconds.
pub(super) fn time_of(word: Option<&&str>) -> Result<Option<Duration>, ControlError> {
    let wrong = || ControlError::Refused("a time is a number of milliseconds".into());
    let millis = word.map(|word| word.parse::<u64>().map_err(|_| wrong())).transpose()?;
    Ok(millis.map(Duration::from_millis))
}

/// How long something still lasts, in whole seconds: what lasts does not last for nothing.
pub(super) fn time_left(time: Duration) -> Duration {
    Duration::from_secs(time.as_millis().div_ceil(1_000).try_into().unwrap_or(u64::MAX))
}

/// Writes an object on a line of its own.
pub(super) fn print_object(
    object: &impl Serialize,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let line = serde_json::to_string(object).map_err(io::Error::from)?;
    Ok(writeln!(out, "{line}")?)
}

/// So many of something, whose plural ends with an s.
pub(super) fn count(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// So many messages, files and the like, and their bytes.
pub(super) fn amount(number: u64, what: &str, bytes: u64) -> String {
    format!("{}, {}", count(number, what), count(bytes, "byte"))
}
