//! What operators do with a whole folder: check whether it is sound, restore a backup.
//!
//! Run in the operator's own process.

use std::io::{Read, Write};
use std::path::Path;

use super::ask::operate;
use super::deeds::Deed;
use super::error::ControlError;
use super::stock::inspect;
use super::subject::open_names;
use crate::folder::Folder;
use crate::mailbox::{OpenError, Salvage, Tally, backup};
use crate::server::people::check_former_contacts;

/// Checks whether a mailbox is sound and prints what is in it. With `accept`, a mailbox that was refused is used from
/// then on as it is.
pub fn check(data: &Path, accept: bool, out: &mut dyn Write) -> Result<(), ControlError> {
    match operate(data, &["check"], out) {
        Err(ControlError::Open(error @ OpenError::Damaged { .. })) => {
            let _folder = Folder::open(data)?;
            salvage(data, accept, &error, out)
        }
        checked => checked,
    }
}

/// Makes a server's folder from a backup. Returns what the backup says is in it; an old one does not say it.
pub fn restore(backup: impl Read, data: &Path) -> Result<Option<Tally>, ControlError> {
    backup::restore(backup, data, check_books)
}

/// Reads a backup back, and refuses what [`restore`] would. `scratch` is a folder that is made for it, and removed
/// afterwards.
pub fn verify(backup: impl Read, scratch: &Path) -> Result<(), ControlError> {
    backup::verify(backup, scratch, check_books)
}

/// Whether a server could start with the books in a folder.
fn check_books(folder: &Path) -> Result<(), ControlError> {
    open_names(folder)?;
    Ok(check_former_contacts(folder)?)
}

fn salvage(
    data: &Path,
    accept: bool,
    error: &OpenError,
    out: &mut dyn Write,
) -> Result<(), ControlError> {
    writeln!(out, "{error}")?;
    let salvage = Salvage::open(data)?;
    if let Some(image) = salvage.image() {
        match inspect(&image, out) {
            Ok(()) | Err(ControlError::Unsound) => {}
            Err(error) => return Err(error),
        }
    }
    if !accept {
        return Err(ControlError::Unsound);
    }
    let refused = salvage.accept()?;
    Deed::accept().write_down(data);
    writeln!(
        out,
        "accepted: the server starts with this; what was refused is in {}",
        refused.display()
    )?;
    Ok(())
}
