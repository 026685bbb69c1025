//! Tasks that look after what is there: one of each for the whole server, as long as it runs.
//!
//! # Rooms, from the top
//!
//! ```text
//! quiet, age, heartbeat, commits  who is forgotten, what is too old, who is silent, what is committed
//! ```

mod age;
mod commits;
mod heartbeat;
mod quiet;

pub(crate) use age::{sweep, sweep_files, watch_the_clocks};
pub(crate) use commits::watch_commits;
pub(crate) use heartbeat::keep_in_touch;
pub(crate) use quiet::forget_the_quiet;
