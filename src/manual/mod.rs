//! Manual pages, in roff: made of the tables that the programs obey, and of prose in `share/man`.
//!
//! Owned by nobody. Pure. Invariant: what stands in a table stands in its page: flags, commands, settings, keys, exit
//! codes, and the protocol as [`wire`](crate::wire) describes it.
//!
//! # Rooms, from the top
//!
//! ```text
//! page      a page from its parts
//! command   a program's command line, as sections of its page
//! markdown  prose in Markdown, as roff
//! ```

mod command;
mod markdown;
mod page;

pub use page::{Program, Table, Title, page, protocol};
