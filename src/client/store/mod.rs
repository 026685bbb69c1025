//! What a person wrote and received, on disk.

pub(crate) mod archive;
mod aside;
pub(crate) mod contacts;
pub(crate) mod files;
pub(crate) mod formers;
pub(crate) mod history;
pub(crate) mod info;
mod merge;
pub(crate) mod outbox;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod servers;
pub(crate) mod stock;
pub(crate) mod thread;
pub mod transcript;
