//! What stands behind the flags of `tinychat-server`, read from text. Each error says what belongs there.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use log::LevelFilter;
use tinychat::log_output::Format;
use tinychat::mailbox::Usage;
use tinychat::server::{Handshake, Rate, Registration};
use tinychat::time_text;
use tinychat::wire::MAX_NUMBER;

/// How long messages are kept.
#[derive(Clone, Copy)]
pub(crate) struct Keep(pub(crate) Option<Duration>);

/// How long signing in may take: of less no line gets in.
const SIGNING_IN: RangeInclusive<Duration> = Duration::from_secs(6)..=Duration::from_secs(60 * 60);

/// Has the server's limit count again.
const DEFAULT: &str = "default";

/// As many as a group may have that has an address in common.
const USES: RangeInclusive<u32> = 1..=10_000;

pub(crate) fn registration(text: &str) -> Result<Registration, String> {
    match text {
        "open" => Ok(Registration::Open),
        "invite" => Ok(Registration::Invite),
        "closed" => Ok(Registration::Closed),
        _ => Err("registration is open, invite or closed".into()),
    }
}

pub(crate) fn log_format(text: &str) -> Result<Format, String> {
    match text {
        "json" => Ok(Format::Json),
        "logfmt" => Ok(Format::Logfmt),
        _ => Err("the format of the log is json or logfmt".into()),
    }
}

pub(crate) fn log_level(text: &str) -> Result<LevelFilter, String> {
    text.parse().map_err(|_| "the level is off, error, warn, info, debug or trace".into())
}

pub(crate) fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "a whole number is expected".into())
}

pub(crate) fn backlog(text: &str) -> Result<Usage, String> {
    let wrong = || "a backlog is a number of messages and a size, like 10000,16MiB".to_string();
    let (messages, bytes) = text.split_once(',').unwrap_or((text, "0"));
    let messages = messages.trim().parse().map_err(|_| wrong())?;
    let bytes = size(bytes.trim()).map_err(|_| wrong())?.as_u64();
    announceable(messages).and(announceable(bytes)).ok_or_else(wrong)?;
    Ok(Usage { messages, bytes })
}

/// So much a second, and so much at once; without the second as much as in ten seconds.
pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    let wrong = || "a rate is how much a second and how much at once, like 100,20000".to_string();
    let amount = |text: &str| {
        let amount = size(text.trim()).map_err(|_| wrong())?;
        u32::try_from(amount.as_u64()).map_err(|_| "a rate is less than 4GiB".to_string())
    };
    let (each_second, burst) = match text.split_once(',') {
        Some((each_second, burst)) => (amount(each_second)?, amount(burst)?),
        None => amount(text).map(|amount| (amount, amount.saturating_mul(10)))?,
    };
    if each_second > 0 && burst == 0 { Err(wrong()) } else { Ok(Rate { each_second, burst }) }
}

pub(crate) fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "the server needs at least one thread; give a number from 1".into())
}

pub(crate) fn size(text: &str) -> Result<ByteSize, String> {
    text.parse().map_err(|_| "a size is a number with its unit, like 256MiB".into())
}

pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let size = size(text)?.as_u64();
    announceable(size).ok_or_else(|| "a size is less than 8EiB".into())
}

/// A limit of one person, as a request has it: what `read` makes of it, or the word for the server's own.
fn own(text: &str, read: impl FnOnce(&str) -> Result<String, String>) -> Result<String, String> {
    if text == DEFAULT { Ok(DEFAULT.into()) } else { read(text) }
}

pub(crate) fn own_backlog(text: &str) -> Result<String, String> {
    let written = |Usage { messages, bytes }| format!("{messages},{bytes}");
    own(text, |text| backlog(text).map(written))
}

pub(crate) fn own_count(text: &str) -> Result<String, String> {
    let wrong = |_| "it is a number, or default".to_string();
    own(text, |text| text.parse::<u64>().map(|it| it.to_string()).map_err(wrong))
}

pub(crate) fn own_size(text: &str) -> Result<String, String> {
    own(text, |text| bytes(text).map(|it| it.to_string()))
}

pub(crate) fn keep(text: &str) -> Result<Keep, String> {
    let wrong = || "a time is a number with its unit, like 30d; at least 1s, or 0".to_string();
    let time = time_text::parse_duration(text).ok_or_else(wrong)?;
    if time.is_zero() {
        return Ok(Keep(None));
    }
    // It is announced in seconds, and 0 says that it is for ever.
    announceable(time.as_secs()).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Keep(Some(time)))
}

/// How many may come by one invitation.
pub(crate) fn uses(text: &str) -> Result<u32, String> {
    let uses = text.parse::<u32>().ok().filter(|uses| USES.contains(uses));
    uses.ok_or_else(|| "an invitation is good for 1 to 10000 people".into())
}

/// A time for which something is to hold.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let time = time_text::parse_duration(text).filter(|time| *time >= Duration::from_secs(1));
    let in_range = |time: &Duration| u64::try_from(time.as_millis()).is_ok();
    time.filter(in_range)
        .ok_or_else(|| "a time is a number with its unit, like 2h or 30d; at least 1s".into())
}

pub(crate) fn handshake(text: &str) -> Result<Handshake, String> {
    let wrong = || "a time for signing in is from 6s to 1h, like 60s or 2m".to_string();
    let time = time_text::parse_duration(text).ok_or_else(wrong)?;
    SIGNING_IN.contains(&time).then(|| Handshake::within(time)).ok_or_else(wrong)
}

/// What a frame can carry.
fn announceable(number: u64) -> Option<u64> {
    (number <= MAX_NUMBER).then_some(number)
}
