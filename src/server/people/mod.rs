//! Who may come, who is there, and whom people want to hear.
//!
//! # Rooms, from the top
//!
//! ```text
//! names, presence, contacts, guests  whose a name is, who is there, who wants to hear whom, who came from where
//! roll, listing, book                the names as lines, who is there as `ONLINE` says it, a book on disk
//! likeness                           which names look alike
//! ```

mod book;
mod contacts;
mod guests;
mod likeness;
mod listing;
mod names;
mod presence;
mod roll;

pub use book::BookError;
pub(crate) use contacts::{Circle, Contacts, ContactsError};
pub(crate) use guests::Guests;
pub(crate) use listing::Listed;
pub(crate) use names::Names;
pub(crate) use presence::Directory;
pub use roll::{ChangeError, MAX_NAMES, Registration};
pub(crate) use roll::{INVITED, Member, Unwelcome};
