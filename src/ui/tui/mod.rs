//! The full screen: conversations on the left, the one that one talks to, its state, and what one is
//! writing.
//!
//! The `app` is pure; the `face` is what it lives on: the terminal, the clock, the client. Owned by whoever
//! runs it. Invariant: the terminal is as it was, however this ends.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                       the full screen from its beginning to its end
//! face                      what the app lives on: the terminal, the clock, the client, the disk
//! view, opener              how the app is drawn; addresses opened elsewhere
//! app, display              what is on the screen, and what keys and events make of it; the terminal as a screen
//! help, conversation        what F1 shows; a conversation as the screen has it
//! theme, find, jump, panel  colours and marks; what is in front; what there is to say
//! areas, memory, transfers  where each part is; what is remembered; files on their way
//! picture, words            pictures among the messages; what is special in a text
//! links                     addresses in a text
//! ```

mod app;
mod areas;
mod conversation;
mod display;
mod face;
mod find;
mod help;
mod jump;
mod links;
mod memory;
mod opener;
mod panel;
mod picture;
mod run;
mod theme;
mod transfers;
mod view;
mod words;

pub use run::{has_size, run};
