//! A data folder: made on first use, for its owner alone, and in use by one process at a time.
//!
//! Owned by whoever opened it, server or client; the lock ends with the value, also when the
//! process is killed. Invariant: nobody else may enter a folder that is open, so the files in it need no
//! protection of their own.
//!
//! # Rooms, from the top
//!
//! ```text
//! locked           a folder that only this process uses
//! tight            a folder that others could enter is restricted to its owner, or refused
//! place            the default places of the folder and of the settings
//! error            why a folder cannot be used
//! wrong            what is in its place, whose it is, what its disk says
//! owners           the owners of what is in a folder
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
pub use private::{create_private, write_private};
pub(crate) use private::{free_space, put_private, sync_name, used_space};
pub use tight::{Tightened, tighten};
