//! Unix sockets in a folder, however long its path is: the system takes no more than 107 bytes of one.
//!
//! Owned by nobody. Where a path is longer, the socket is reached through the folder, which is opened for it, by
//! `/proc/self/fd`. Invariant: as long as a [`Way`] lives, its path leads to the folder that it was made for.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The longest path of a socket that systems take, in bytes: Linux takes four more.
const LONGEST: usize = 103;

/// Where a system shows the files that a process has open.
const OPEN_FILES: &str = "/proc/self/fd";

/// See the [module](self).
pub(crate) struct Way {
    path: PathBuf,
    /// What the path leads through.
    _folder: Option<File>,
}

impl Way {
    /// The way to a socket that is there, or is to be.
    pub(crate) fn to(socket: &Path) -> io::Result<Self> {
        let parts = socket.parent().zip(socket.file_name());
        let Some((folder, name)) = parts.filter(|_| socket.as_os_str().len() > LONGEST) else {
            return Ok(Self { path: socket.into(), _folder: None });
        };
        let folder = File::open(folder)?;
        let path = Path::new(OPEN_FILES).join(folder.as_raw_fd().to_string()).join(name);
        Ok(Self { path, _folder: Some(folder) })
    }

    /// A path that a system takes.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_is_reached_however_long_its_path_is() {
        let place = tempfile::tempdir().unwrap();
        let before = place.path().as_os_str().len();
        for length in [before + 10, LONGEST - 1, LONGEST, LONGEST + 1, 108, 109, 400, 1_000] {
            let mut folder = place.path().to_path_buf();
            while folder.as_os_str().len() + 3 < length {
                let room = length - folder.as_os_str().len() - 3;
                let mut name = vec![0xff; 1];
                name.resize(room.min(100), b'x');
                folder.push(OsString::from_vec(name));
            }
            fs::create_dir_all(&folder).unwrap();
            let socket = folder.join("s");
            let listener = UnixListener::bind(Way::to(&socket).unwrap().path()).unwrap();
            assert!(socket.exists(), "of {} bytes", socket.as_os_str().len());
            UnixStream::connect(Way::to(&socket).unwrap().path()).unwrap();
            listener.accept().unwrap();
            fs::remove_file(&socket).unwrap();
        }
    }

    #[test]
    fn what_is_short_stays_as_it_is() {
        assert_eq!(Way::to(Path::new("data/socket")).unwrap().path(), Path::new("data/socket"));
    }
}
