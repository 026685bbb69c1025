//! Faces of the client: what a person or a script sees of it.
//!
//! A face knows nothing of frames; it gives the client commands and is given events. [`command`] has
//! the one table of what may be typed.

mod announcements;
mod bars;
pub mod beside;
pub mod command;
mod completion;
pub mod entry;
mod files;
mod first;
pub mod history;
pub mod input;
pub mod manual;
mod modes;
mod news;
mod offer;
mod passphrase;
pub mod plain;
mod receipts;
#[allow(clippy::disallowed_methods, reason = "it draws instead of printing")]
mod row;
mod screen;
pub mod settings;
pub mod times;
#[allow(clippy::disallowed_methods, reason = "it draws instead of printing")]
pub mod tui;

fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
}
