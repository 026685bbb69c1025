//! Who may sign in, with which devices, who is online, and who blocks whom.
//!
//! # Rooms, from the top
//!
//! ```text
//! lists                                    which device list counts for each name
//! names, presence, contacts, guests, seen  owners of names; who is online; who blocks whom; addresses; who was here
//! roll, listing, former_contacts           the names as lines; who is online, as `ONLINE` says it; earlier contacts
//! book, lines                              a text file on disk; names as the body of an answer
//! versions                                 of which device lists somebody has to know the newest version
//! likeness, member                         which names look alike; what is known of one
//! bans, invitations, own_limits            bans; invitations; limits of one person
//! ```

mod bans;
mod book;
mod contacts;
mod former_contacts;
mod guests;
mod invitations;
mod likeness;
mod lines;
mod listing;
mod lists;
mod member;
mod names;
mod own_limits;
mod presence;
mod roll;
mod seen;
mod versions;

pub(crate) use bans::Ban;
pub use bans::Whom;
pub use book::BookError;
pub(crate) use contacts::{Circle, Contacts, ContactsError, WRITING};
pub use former_contacts::UnknownContacts;
pub(crate) use former_contacts::check as check_former_contacts;
pub(crate) use guests::Guests;
pub(crate) use invitations::{InviteId, Terms};
pub(crate) use lines::Lines;
pub(crate) use listing::Listed;
pub(crate) use lists::{Lists, NotTaken, ServerKey};
pub(crate) use member::Member;
pub(crate) use names::Names;
pub(crate) use own_limits::{Limit, OwnLimits};
pub(crate) use presence::Directory;
pub use roll::{ChangeError, MAX_NAMES, Registration};
pub(crate) use roll::{Invited, Unwelcome};
pub(crate) use seen::Seen;
pub(crate) use versions::{Versions, Watch, Watched};
