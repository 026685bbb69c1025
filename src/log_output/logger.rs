//! The logger of lines of fields, and what stands before whichever logger is installed.
//!
//! Owned by the program. Invariant: without [`install`] nothing has fields, and every sentence is as it was before there
//! were any.

use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};

use super::line::{Format, level, line};

/// Whether lines have fields, and whatever is in them is escaped there.
static HAS_FIELDS: AtomicBool = AtomicBool::new(false);

/// Installs a logger that prints lines of fields on standard output. The times in them are this clock's.
pub fn install(
    format: Format,
    filter: LevelFilter,
    clock: fn() -> SystemTime,
) -> Result<(), SetLoggerError> {
    log::set_boxed_logger(Box::new(Lines { format, clock }))?;
    log::set_max_level(filter);
    HAS_FIELDS.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether the log has fields.
pub(crate) fn has_fields() -> bool {
    HAS_FIELDS.load(Ordering::Relaxed)
}

/// See [`install`].
struct Lines {
    format: Format,
    clock: fn() -> SystemTime,
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level(metadata) <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            print(&line(self.format, (self.clock)(), record));
        }
    }

    fn flush(&self) {}
}

/// At once, as a whole. What cannot be printed is lost: nobody can be told.
#[allow(clippy::disallowed_methods, reason = "a line escapes what is in it")]
fn print(line: &str) {
    let _ = io::stdout().lock().write_all(line.as_bytes());
}

/// The logger of events that are sentences, too: only where lines have fields they have theirs. To be named in `log`'s
/// macros.
#[derive(Clone, Copy, Debug)]
pub struct Events;

impl Log for Events {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        log::logger().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        const NONE: Option<(&str, &str)> = None;
        if has_fields() {
            return log::logger().log(record);
        }
        log::logger().log(&record.to_builder().key_values(&NONE).build());
    }

    fn flush(&self) {
        log::logger().flush();
    }
}

/// The logger of events that are logged only where lines have fields.
#[derive(Clone, Copy, Debug)]
pub struct FieldsOnly;

impl Log for FieldsOnly {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        has_fields() && log::logger().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if has_fields() {
            log::logger().log(record);
        }
    }

    fn flush(&self) {
        log::logger().flush();
    }
}

/// How important it is that somebody was refused: where programs look for it, it is a warning.
pub(crate) fn of_refusal() -> Level {
    if has_fields() { Level::Warn } else { Level::Info }
}

/// Words of others, within a sentence that is logged: escaped once, here or with the line.
#[derive(Clone, Copy, Debug)]
pub struct Foreign<'a>(pub &'a str);

impl fmt::Display for Foreign<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if has_fields() { f.write_str(self.0) } else { self.0.escape_debug().fmt(f) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_others_are_escaped_where_no_line_does_it() {
        assert_eq!(Foreign("a\n\"b\"").to_string(), "a\\n\\\"b\\\"");
    }
}
