//! Commands of a face, and requests of processes beside it: obeyed at once, online or not.
//!
//! Each file has some of the core's methods. Invariant: what is answered is on the disk, and all that a batch of orders
//! writes is one transaction.
//!
//! # Rooms, from the top
//!
//! ```text
//! obey                        a batch of orders
//! commands, answer            each command; requests of processes beside the face
//! people, files, cancel       blocks and keys; sending, fetching and saving files; cancelling them
//! stock, telling              received files on this disk; what the face is told from the store
//! ```

mod answer;
mod cancel;
mod commands;
mod files;
mod obey;
mod people;
mod stock;
mod telling;
