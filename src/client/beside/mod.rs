//! Beside the face: other processes of the same person ask the one that owns the data folder, the *owner*,
//! over the Unix socket `socket` in that folder.
//!
//! A *guest* says one request, a line of JSON, and the owner answers with lines of JSON until one
//! of them hangs up. A guest whose owner goes away asks the next one, or becomes the owner itself; so an
//! answer is made from what is on disk, and nothing is written twice: what is to be written has a token.
//!
//! Owned by the client. Invariant: the face loses nothing to a guest. Messages stay unread until the face
//! has shown them, or a guest says that it has printed them for somebody who reads.
//!
//! # Rooms, from the top
//!
//! ```text
//! listener       the owner's end of the socket
//! stock          what guests are told of files that lie here, and what they free
//! host, guest    what serves one guest; the other end
//! ask, places    what the owner's core is asked; how many guests are served at once
//! words          what is said on the socket
//! path           a path in JSON
//! ```

mod ask;
mod guest;
mod host;
mod listener;
mod path;
mod places;
mod stock;
mod words;

pub(crate) use ask::{Ask, Standing};
pub use guest::{Guest, GuestError};
pub(crate) use listener::Listener;
pub(crate) use words::SOCKET;
pub use words::{Line, Reply, Request, Shelf, Snapshot};
