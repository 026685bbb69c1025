//! The one task that owns connection, conversations and store, and brings them together.
//!
//! Its methods are in the files of its two halves: what goes to the server and comes from it, and what a face wants. Start
//! reading at [`Core::run`]; `exchange/frames` has what the server says, `face/commands` what the face wants.
//!
//! # Rooms, from the top
//!
//! ```text
//! life                        its life: connecting and being online, in turns
//! exchange, face, patience    what goes and comes; what a face wants of it; how long it waits
//! state                       what it has
//! under_way, queue            which files are on their way; who waits for a place
//! blocks, likeness            whom one blocks; who looks like somebody whom one knows
//! objections                  how many of the server's objections are told
//! order, exit                 what it is told; why a phase ends
//! ```

mod blocks;
mod exchange;
mod exit;
mod face;
mod life;
mod likeness;
mod objections;
mod order;
mod patience;
mod queue;
mod state;
mod under_way;

pub(crate) use order::Order;
pub(crate) use state::Core;
