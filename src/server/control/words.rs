//! Words for what operators are told. Pure.

/// So many of something, whose plural ends with an s.
pub(super) fn count(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// So many messages, files and the like, and their bytes.
pub(super) fn amount(number: u64, what: &str, bytes: u64) -> String {
    format!("{}, {}", count(number, what), count(bytes, "byte"))
}
