//! The full screen: conversations on the left, the open one beside them, its state, and the text being
//! written.
//!
//! The `app` is pure; the `face` connects it to the terminal, the clock and the client. Owned by whoever
//! runs it. Invariant: the terminal is restored, however this ends.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                       the full screen from its beginning to its end
//! face                      connects the app to the terminal, the clock, the client and the disk
//! view, opener              how the app is drawn; opening links in another program
//! app, display              the state of the screen, and what keys and events do to it; the terminal as a screen
//! help, conversation        what F1 shows; a conversation on the screen
//! theme, find, jump, panel  colours and marks; search results; the list to jump from; answers and news
//! areas, memory, transfers  the layout; what is remembered; files in flight
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
