//! Limits that operators set for one person, in place of the server's.
//!
//! Each change is in the book of names, synced, before it is reported; it counts for what is written from then on.

use std::io::Write;

use async_std::task::block_on;

use super::error::ControlError;
use super::subject::Subject;
use crate::message::Name;
use crate::server::people::OwnLimits;

/// Changes limits of somebody, as the words behind the name say: each is a limit, `=`, and its numbers or `default`.
pub(super) fn limit(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let name: Name = words[0].parse()?;
    let changes: Vec<String> = words[1..].iter().map(|word| (*word).to_owned()).collect();
    let mut trial = OwnLimits::default();
    for change in &changes {
        let wrong = || ControlError::Refused(format!("{change} is no limit that this server has"));
        trial.change(change).ok_or_else(wrong)?;
    }
    let who = name.clone();
    // Each word was read before.
    let change = move |own: &mut OwnLimits| changes.iter().for_each(|it| _ = own.change(it));
    let limits = block_on(subject.names.change(move |roll| roll.change_limits(&who, change)))?;
    Ok(writeln!(out, "{}", in_words(&name, &limits))?)
}

/// Prints the limits that somebody has.
pub(super) fn show(
    subject: &Subject,
    words: &[&str],
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    let (name, _) = subject.whoever_has(words[0])?;
    Ok(writeln!(out, "{}", in_words(&name, &subject.names.limits(&name)))?)
}

fn in_words(name: &Name, limits: &OwnLimits) -> String {
    if limits.is_empty() {
        return format!("{name} has the limits that all have");
    }
    let all: Vec<String> =
        limits.in_words().map(|(word, value)| format!("{word} {value}")).collect();
    format!("{name} has limits of their own: {}", all.join(", "))
}
