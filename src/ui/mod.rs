//! Faces of the client: what a person or a script sees of it.
//!
//! A face knows nothing of frames; it gives the client commands and is given events. [`command`] has
//! the one table of what may be typed, [`text`] what may be shown of other people's words.

pub mod command;
pub mod history;
mod input;
pub mod plain;
mod receipts;
mod screen;
pub mod text;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::message::Timestamp;

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
}

/// A time that can be printed. One that was damaged on disk must not stop whoever reads it.
fn clock(Timestamp(millis): Timestamp) -> SystemTime {
    const END_OF_9999: u64 = 253_402_300_799_999;
    UNIX_EPOCH + Duration::from_millis(millis.min(END_OF_9999))
}
