//! What stands behind keys and flags, read from text. Each error says what belongs there. Pure.

use std::time::Duration;

use crate::client::MAX_HANDSHAKE;
use crate::time_text;

/// The shortest time that a handshake may be set to take: no line is so fast that less is of use.
const MIN_HANDSHAKE: Duration = Duration::from_secs(1);

/// Seconds, or a number with its unit.
pub fn time(text: &str) -> Result<Duration, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(Duration::from_secs(seconds));
    }
    time_text::parse_duration(text)
        .ok_or_else(|| "a time is a number with its unit, like 90s".into())
}

/// The same, as long as a handshake may be set to take.
pub fn handshake(text: &str) -> Result<Duration, String> {
    let range = MIN_HANDSHAKE..=MAX_HANDSHAKE;
    let time = Some(time(text)?).filter(|time| range.contains(time));
    time.ok_or_else(|| "it is from 1s to 1h".into())
}

/// A number of bytes with its unit.
pub fn size(text: &str) -> Result<u64, String> {
    let size = text.parse::<bytesize::ByteSize>();
    size.map(|size| size.as_u64()).map_err(|_| "a size is a number with its unit, like 5MiB".into())
}
