//! A device list's text, read.
//!
//! Owned by whoever was given a signed list. Invariant: only a text that the list is displayed as is read, so that
//! nothing stands in a signed text that nobody has read.

use std::str::{FromStr, Lines};

use thiserror::Error;

use super::device::Device;
use super::lines::{Misplaced, all, behind, hash_or, line, moment, parsed};
use super::list::{DeviceList, MAX_DEVICES, MAX_GONE, MAX_VERSION, TITLE};
use super::owner::Owner;
use crate::trust::Fingerprint;

/// Why a text is not a [`DeviceList`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum ListError {
    #[error("a device list begins with the line {TITLE}")]
    Title,
    #[error("a device list has a line with {0} and what belongs to it, in its place")]
    Line(&'static str),
    #[error(
        "a device list's version is from 1 to {MAX_VERSION}, and just the first has none before it"
    )]
    Version,
    #[error("a device list has 1 to {MAX_DEVICES} devices, and at most {MAX_GONE} that are gone")]
    Count,
    #[error(
        "in a device list no installation and no key comes twice, nor is one both there and gone"
    )]
    Twice,
    #[error("a device list is written in one way alone, and has nothing else in it")]
    Spelling,
}

impl From<Misplaced> for ListError {
    fn from(Misplaced(word): Misplaced) -> Self {
        Self::Line(word)
    }
}

impl FromStr for DeviceList {
    type Err = ListError;

    fn from_str(text: &str) -> Result<Self, ListError> {
        let mut lines = text.lines();
        if lines.next() != Some(TITLE) {
            return Err(ListError::Title);
        }
        let list = read(&mut lines)?;
        check(&list)?;
        (list.to_string() == text).then_some(list).ok_or(ListError::Spelling)
    }
}

/// The server on which a list counts that was read before, and may have its signature behind it: for those who only look
/// that up, and check nothing else.
pub fn server_of(statement: &[u8]) -> Option<Fingerprint> {
    let second = statement.split(|byte| *byte == b'\n').nth(1)?;
    parsed(behind(str::from_utf8(second).ok()?, "server")?)
}

fn read(lines: &mut Lines<'_>) -> Result<DeviceList, ListError> {
    Ok(DeviceList {
        owner: Owner::read(lines)?,
        version: line(lines, "version", parsed)?,
        previous: line(lines, "previous", |word| hash_or(word, "-"))?,
        time: line(lines, "time", moment)?,
        devices: all(lines, "device")?,
        gone: all(lines, "gone")?,
    })
}

/// What no single line shows.
fn check(list: &DeviceList) -> Result<(), ListError> {
    let is_first = list.version == 1;
    if !(1..=MAX_VERSION).contains(&list.version) || is_first != list.previous.is_none() {
        return Err(ListError::Version);
    }
    if !(1..=MAX_DEVICES).contains(&list.devices.len()) || list.gone.len() > MAX_GONE {
        return Err(ListError::Count);
    }
    let is_repeated =
        |(at, it): (usize, &Device)| list.devices[..at].iter().any(|earlier| earlier.excludes(it));
    let is_gone_too =
        |(at, it): (usize, &Device)| list.gone[..at].contains(it) || list.devices.contains(it);
    if list.devices.iter().enumerate().any(is_repeated)
        || list.gone.iter().enumerate().any(is_gone_too)
    {
        return Err(ListError::Twice);
    }
    Ok(())
}
