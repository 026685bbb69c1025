//! The key of a data folder, which tells it from the other folders of the same person.
//!
//! Owned by the client that has the folder open. Invariant: it is made once, and never leaves the folder.

use super::statement::Statement;
use crate::folder::Folder;
use crate::trust::{Identity, IdentityError, KeyFile, PublicKey};

/// An Ed25519 key in OpenSSH's format, in a file for its owner alone.
#[derive(Debug)]
pub struct DeviceKey(Identity);

impl DeviceKey {
    /// What the file is called in its folder.
    pub const FILE: &str = "device_ed25519";

    /// A folder's key, made there if there is none.
    pub fn open_or_create(folder: &Folder) -> Result<Self, IdentityError> {
        let path = &folder.file(Self::FILE);
        Identity::open_or_create(KeyFile { path, agent: None, passphrase: None }).map(Self)
    }

    /// Signs a text for a purpose.
    pub(super) fn sign(&self, namespace: &str, text: String) -> Result<Statement, IdentityError> {
        Statement::sign(namespace, text, &self.0)
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.0.public()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_folder_has_one_key_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let made = DeviceKey::open_or_create(&folder).unwrap();
        let again = DeviceKey::open_or_create(&folder).unwrap();
        assert_eq!(made.public(), again.public());
        let path = place.path().join("device_ed25519");
        assert_eq!(fs::metadata(path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_is_damaged_is_not_replaced() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::open(place.path()).unwrap();
        let path = folder.file(DeviceKey::FILE);
        fs::write(&path, "garbage").unwrap();
        let error = DeviceKey::open_or_create(&folder).unwrap_err();
        assert!(error.to_string().contains("device_ed25519"), "{error}");
        assert_eq!(fs::read(path).unwrap(), b"garbage");
    }
}
