//! What a person wrote and received, on disk.
//!
//! One thread owns the database. It runs steps: functions that are given a transaction, in a file for each kind of
//! data. Invariant: what is answered is on disk.
//!
//! # Rooms, from the top
//!
//! ```text
//! thread, transcript        the thread that owns the database; a reader beside it
//! database                  its file: found or made, brought up to date, and whose it is
//! schema                    its layout, and the migrations of older ones
//! archive, contacts         messages, page by page; the keys of one's contacts
//! history, servers          received messages; the server that rows belong to
//! stock, merge              received files on this disk; merging two records of one server
//! files, search             outgoing and incoming files; full-text search
//! bounced, too_long         own messages that came back; those that a server does not take
//! unsealed                  what comes in the clear, and may not be its sender's
//! sealed                    messages are sealed and opened
//! devices, accounts         the lists of devices that are believed; the keys with which others seal for this folder
//! trusted, outbox           the keys of one's contacts, read; messages that are not known to have arrived
//! aside, clear              what was shown while the disk was full; which messages were in the clear
//! rows, scope, payload      rows as the rest of the client sees them; which rows are meant; hashes of messages
//! info                      what a message says of a file
//! ```

pub(crate) mod accounts;
pub(crate) mod archive;
mod aside;
pub(crate) mod bounced;
mod clear;
pub(crate) mod contacts;
pub(crate) mod database;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod history;
pub(crate) mod info;
mod merge;
pub(crate) mod outbox;
mod payload;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod scope;
pub(crate) mod sealed;
pub(crate) mod search;
pub(crate) mod servers;
pub(crate) mod stock;
pub(crate) mod thread;
pub(crate) mod too_long;
pub mod transcript;
mod trusted;
pub(crate) mod unsealed;
