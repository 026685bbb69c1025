//! What goes to the server, and what comes from it.
//!
//! Each file has some of the core's methods. Invariant: messages and receipts go to disk first; then they are
//! acknowledged and the face is told.
//!
//! # Rooms, from the top
//!
//! ```text
//! connect                      connecting, and obeying orders meanwhile
//! sending, places, carrying    outgoing messages; which conversations are open for them; files
//! frames, keys, listing        incoming frames; the keys that names have; one's own list of devices
//! renewing                     another key for others to begin with
//! lists, intake, standing      others' lists of devices; incoming messages and receipts; how messages show whose they are
//! signing                      having something signed by a key that may ask its owner
//! ```

mod carrying;
mod connect;
mod frames;
mod intake;
mod keys;
mod listing;
mod lists;
mod places;
mod renewing;
mod sending;
mod signing;
mod standing;
