//! The plain face: lines in, lines out. At a terminal it prompts; otherwise it is a Unix filter.
//!
//! Standard output has messages alone (`marie: hello`); everything else is on standard error. The `screen`
//! decides what is printed, and how; `live` has what lines and events mean.
//!
//! # Rooms, from the top
//!
//! ```text
//! run                      the plain face from its beginning to its end
//! live, show, end          what lines and events mean; printing events; what is still in the outbox at the end
//! face, keyboard           the face's state; lines of a script, or edited at a terminal
//! announcements, receipts  people with unread messages; receipts, reported in batches
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
