//! Numbers, as operators read them.
//!
//! Pure.

/// So many of something, in whole words.
pub(super) fn count(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
