//! Copies of data folders, as backup programs make them.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The database of a client, its log, and the index of that.
const DATABASE: [&str; 3] = ["messages.db", "messages.db-wal", "messages.db-shm"];

/// Copies the folder of a client. While it runs, SQLite itself copies the database, in one transaction (`VACUUM INTO`):
/// of database and log, copied one after the other, each could be of another moment, and the copy unreadable. When it
/// has ended or was killed, a copy of the files is as good.
pub(crate) fn copy_client(from: &Path, to: &Path, runs: bool) {
    DirBuilder::new().mode(0o700).create(to).unwrap();
    // Killed in its first moment, a client has made none yet.
    let files = fs::read_dir(from).into_iter().flatten().map(Result::unwrap);
    // Not its socket.
    for file in files.filter(|it| it.file_type().unwrap().is_file()) {
        let name = file.file_name();
        if !(runs && DATABASE.iter().any(|it| name == *it)) {
            fs::copy(file.path(), to.join(name)).unwrap();
        }
    }
    if runs && from.join(DATABASE[0]).exists() {
        vacuum_into(&from.join(DATABASE[0]), &to.join(DATABASE[0]));
    }
}

fn vacuum_into(database: &Path, copy: &Path) {
    let database =
        Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
    database.busy_timeout(crate::process::PATIENCE).unwrap();
    database.execute("VACUUM INTO ?", [copy.to_str().unwrap()]).unwrap();
}

/// Copies the folder of a server that does not run, and whatever is in it.
pub(crate) fn copy_server(from: &Path, to: &Path) {
    DirBuilder::new().mode(0o700).create(to).unwrap();
    for file in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let (kind, copy) = (file.file_type().unwrap(), to.join(file.file_name()));
        if kind.is_dir() {
            copy_server(&file.path(), &copy);
        } else if kind.is_file() {
            fs::copy(file.path(), copy).unwrap();
        }
    }
}
