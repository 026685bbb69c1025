//! A data folder: made on first use, for its owner alone, and in use by one process at a time.
//!
//! Owned by whoever opened it, server or client; the lock goes with the value, also when the
//! process is killed. Invariant: nobody else may enter a folder that is open, so what is in it needs no care
//! of its own.
//!
//! # Rooms, from the top
//!
//! ```text
//! locked           a folder that is in use by this process alone
//! tight            one that others could enter becomes its owner's alone, or is refused
//! place            where it is, and where settings are, unless somebody says where
//! error            why a folder cannot be used
//! wrong            what is in its place, whose it is, what its disk says
//! owners           whose things lie in a folder
//! private, socket  files for their owner alone; Unix sockets, however long their path is
//! ```

mod error;
mod locked;
mod owners;
mod place;
mod private;
pub(crate) mod socket;
mod tight;
mod wrong;

pub use error::FolderError;
pub use locked::Folder;
pub use place::default_data_folder;
pub(crate) use place::default_settings_folder;
pub(crate) use private::free_space;
pub use private::{create_private, write_private};
pub use tight::{Tightened, tighten};
