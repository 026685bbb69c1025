//! What goes to the server, and what comes from it.
//!
//! Each file has some of the core's methods. Invariant: messages and receipts go to disk first, then are acknowledged and
//! told.
//!
//! # Rooms, from the top
//!
//! ```text
//! connect                      getting to the server, and what is done meanwhile
//! inquiry                      what became of what was sent under a former installation
//! sending, places, carrying    what goes: messages; who has a place for that; files
//! frames, keys                 what comes: each frame; whose key a name has
//! intake                       what comes: messages and receipts
//! ```

mod carrying;
mod connect;
mod frames;
mod inquiry;
mod intake;
mod keys;
mod places;
mod sending;
