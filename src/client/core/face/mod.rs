//! What a face wants, and those beside it: obeyed at once, online or not.
//!
//! Each file has some of the core's methods. Invariant: what is answered is on the disk, and all that a batch of orders
//! writes is one transaction.
//!
//! # Rooms, from the top
//!
//! ```text
//! obey                        a batch of orders
//! commands, answer            command by command; what those beside the face ask
//! people, files, cancel       blocks and keys; files that go, come and are saved; thinking better of them
//! stock, telling              what lies here of files; what the face is told of what is in the store
//! ```

mod answer;
mod cancel;
mod commands;
mod files;
mod obey;
mod people;
mod stock;
mod telling;
