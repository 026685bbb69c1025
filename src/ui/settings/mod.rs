//! What a person has set once for all.
//!
//! # Rooms, from the top
//!
//! ```text
//! file             `config.toml`, and the table of its keys
//! choices, values  what a person may choose for the full screen; times and sizes, read from text
//! ```

mod choices;
mod file;
mod values;

pub use choices::{Bell, Choices, Pictures, PicturesError};
pub(crate) use file::Set;
pub use file::{Settings, SettingsError, keys};
pub use values::{handshake, size, time};
