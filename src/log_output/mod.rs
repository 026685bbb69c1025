//! The server's log: the names of its events, how its lines are written, and a standard output that takes them all.
//!
//! Two logs there are. `femme` prints sentences, as it always has. With `--log-format` a [logger](install) of ours prints
//! lines of fields, and escapes whatever is in them; so those who log do not. Owned by the program. Invariant: one event
//! is one line, whatever others have written into it.
//!
//! # Rooms, from the top
//!
//! ```text
//! logger       the logger that is installed, and what passes events on to it
//! line, event  how a line is written; the names of events
//! guard        a standard output that never fails and never blocks
//! ```

mod event;
mod guard;
mod line;
mod logger;

pub use event::Event;
pub use guard::Guard;
pub use line::Format;
pub(crate) use logger::of_refusal;
pub use logger::{Events, FieldsOnly, Foreign, install};
