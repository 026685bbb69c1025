//! Who may sign in, who is online, and who blocks whom.
//!
//! # Rooms, from the top
//!
//! ```text
//! names, presence, contacts, guests  owners of names; who is online; who accepts or blocks whom; addresses seen lately
//! roll, listing, book                the names as lines; who is online, as `ONLINE` says it; a text file on disk
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
