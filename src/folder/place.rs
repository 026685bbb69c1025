//! Where a data folder is, unless somebody says where.
//!
//! Owned by nobody. Invariant: it only says where; nothing is made.

use std::path::PathBuf;

use etcetera::BaseStrategy;

use super::FolderError;

/// The folder `name` under `$XDG_DATA_HOME`, which is `~/.local/share` unless set.
pub fn default_data_folder(name: &str) -> Result<PathBuf, FolderError> {
    let base = etcetera::choose_base_strategy().map_err(|_| FolderError::Homeless)?;
    Ok(base.data_dir().join(name))
}
