//! Numbers in words. Pure.

/// So many of something.
pub(crate) fn count(n: u64, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
}
