//! The plain face: lines in, lines out. Prompts when a person sits there, a Unix filter when not.
//!
//! Standard output has messages alone (`marie: hello`); everything else is on standard error. What is
//! printed, and how, is the `screen`'s; in `live` is what lines and events mean.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                      the plain face from its beginning to its end
//! live, show, end          what lines and events mean; what the client tells; what is still kept at the end
//! face, keyboard           what the face knows; lines of a script, or edited at a terminal
//! announcements, receipts  who waits to be heard, and what arrived, told a run at a time
//! editor                   the line that is being edited
//! ```

mod announcements;
mod editor;
mod end;
mod face;
mod keyboard;
mod live;
mod receipts;
mod run;
mod show;

pub use run::run;
