//! Device lists: which data folders receive what is written to a person, signed by the person's key; and which ones
//! write without that.
//!
//! A list is a text, one version after the other. With its signature right behind it, it is a *statement*. The form of
//! both is in [the specification](crate::wire#device-lists), and `ssh-keygen -Y verify` checks them. A *prekey* is a
//! [statement of a device](crate::seal#prekeys); a list and those of its devices are a *bundle*.
//!
//! # Rooms, from the top
//!
//! ```text
//! bundle                    a list with the prekeys of its devices
//! signed, prekey, writer    a list with its signature; what others need to seal for a folder; one that only writes
//! parsing                   a list's text, read
//! list, key                 a list, and how the next version follows; the key of a data folder
//! device, owner, statement  one data folder of a person; whose a statement is; a text with its signature
//! lines                     a word, and what belongs to it
//! ```

mod bundle;
mod device;
mod key;
mod lines;
mod list;
mod owner;
mod parsing;
mod prekey;
mod signed;
mod statement;
#[cfg(test)]
mod tests;
mod writer;

#[cfg(test)]
pub(crate) use bundle::tests::{device_key, prekey_of};
pub use bundle::{Bundle, BundleError, MAX_BUNDLE, MAX_PREKEY};
pub use device::Device;
pub use key::DeviceKey;
pub use list::{DeviceList, MAX_DEVICES, MAX_GONE, MAX_VERSION};
pub use owner::Owner;
pub use parsing::{ListError, server_of};
pub use prekey::{PREKEY_NAMESPACE, Prekey, PrekeyError, SignedPrekey};
pub use signed::{DEVICES_NAMESPACE, SignedList, SignedListError};
pub use statement::{MAX_STATEMENT, MAX_TEXT, StatementError};
pub use writer::{MAX_WRITER, SignedWriter, WRITER_NAMESPACE, Writer, WriterError};
