//! Where a data folder is, and where settings are, unless somebody says where.
//!
//! Owned by nobody. Invariant: it only says where; nothing is made.

use std::env;
use std::path::PathBuf;

use super::FolderError;

/// The folder `name` under `$XDG_DATA_HOME`, which is `~/.local/share` unless set.
pub fn default_data_folder(name: &str) -> Result<PathBuf, FolderError> {
    Ok(base("XDG_DATA_HOME", ".local/share")?.join(name))
}

/// The folder `name` under `$XDG_CONFIG_HOME`, which is `~/.config` unless set.
pub(crate) fn default_settings_folder(name: &str) -> Result<PathBuf, FolderError> {
    Ok(base("XDG_CONFIG_HOME", ".config")?.join(name))
}

/// A folder of the XDG Base Directory Specification, on every system. A path that does not begin at the root is not taken.
fn base(variable: &str, below_home: &str) -> Result<PathBuf, FolderError> {
    let set = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let default = || Some(dirs::home_dir()?.join(below_home));
    set.or_else(default).ok_or(FolderError::Homeless)
}
