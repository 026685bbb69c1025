//! TinyChat
pub mod args;
pub mod client;
pub mod folder;
pub mod mailbox;
pub mod message;
pub mod server;
pub mod signals;
pub mod task;
pub mod trust;
pub mod ui;
pub mod wire;
