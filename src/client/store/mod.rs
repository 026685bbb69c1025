//! What a person wrote and received, on disk.
//!
//! One thread owns the database. What it does are steps of transactions: functions that are given one, a file for each
//! thing that is kept. Invariant: what is answered is on disk.
//!
//! # Rooms, from the top
//!
//! ```text
//! thread, transcript        the thread that owns the database; reading it beside that
//! database                  its file: found or made, brought up to date, and whose it is
//! schema                    how it is laid out, and how an older layout becomes today's
//! archive, contacts         what was said, page by page; the keys of those whom one talked to
//! history, servers          what others wrote; which server the rows belong to
//! stock, merge              what lies here of others' files; two lives of one server become one
//! files, search             files that go and come; finding what was said, by words
//! outbox                    what was written and is not known to have arrived
//! formers, aside            installations of before; what was shown while the disk was full
//! rows, scope               what a row is outside the store; whose rows are meant
//! info                      what a message says of a file
//! ```

pub(crate) mod archive;
mod aside;
pub(crate) mod contacts;
pub(crate) mod database;
pub(crate) mod files;
pub(crate) mod formers;
pub(crate) mod history;
pub(crate) mod info;
mod merge;
pub(crate) mod outbox;
pub(crate) mod rows;
pub(crate) mod schema;
pub(crate) mod scope;
pub(crate) mod search;
pub(crate) mod servers;
pub(crate) mod stock;
pub(crate) mod thread;
pub mod transcript;
