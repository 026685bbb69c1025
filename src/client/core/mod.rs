//! The one task that owns connection, conversations and store, and connects them.
//!
//! Its methods are in two folders: `exchange` for the server, `face` for the face. Start reading at [`Core::run`];
//! `exchange/frames` handles what the server says, `face/commands` what the face wants.
//!
//! # Rooms, from the top
//!
//! ```text
//! life                        its main loop: connecting and being online, in turns
//! exchange, face, patience    what the server is sent and sends; commands of the face; timeouts
//! state                       its state
//! under_way, queue            files in flight; which conversations wait to be opened
//! blocks, likeness            people who are blocked; names that look like one already known
//! own_list, giving            one's own list of devices, and whether this folder is in it; giving lists to the server
//! renewal                     when others are to begin with another key
//! held, verdict               people to whom nothing is sent; what is believed of another's list of devices
//! standing, unopened          how messages show whose they are; sealed ones that cannot be opened yet
//! objections                  a rate limit for what a server has told again and again
//! order, exit                 what arrives in its queue; why a phase ends
//! ```

mod blocks;
mod exchange;
mod exit;
mod face;
mod giving;
mod held;
mod life;
mod likeness;
mod objections;
mod order;
mod own_list;
mod patience;
mod queue;
mod renewal;
mod standing;
mod state;
mod under_way;
mod unopened;
mod verdict;

pub(crate) use order::Order;
pub(crate) use state::Core;
