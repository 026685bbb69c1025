//! The file of the server's options: where it is, and that the command line goes before it.
//!
//! Owned by the program. Invariant: only a file that nobody named may be missing.

use std::env;
use std::error::Error;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tinychat::args::{self, FileError, Settings, Stop};
use tinychat::exit::Exit;

use crate::commands::PROGRAM;
use crate::flags::Flags;
use crate::keys;

/// Where the file is unless somebody says where, and the variable that says it.
const USUAL: &str = "/etc/tinychat/server.toml";
const VARIABLE: &str = "TINYCHAT_SERVER_CONFIG";

/// The word for no file at all.
const NONE: &str = "none";

/// Where the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nobody is to look for one.
    Nowhere,
    /// There may be one.
    Usual(PathBuf),
    /// There has to be one.
    Named(PathBuf),
}

impl Place {
    /// As `--config` says, or else the environment.
    pub(crate) fn of(named: Option<&PathBuf>) -> Self {
        match (named, env::var_os(VARIABLE).filter(|it| !it.is_empty())) {
            (Some(path), _) if is_none(path) => Self::Nowhere,
            (Some(path), _) => Self::Named(path.clone()),
            (None, Some(path)) if is_none(Path::new(&path)) => Self::Nowhere,
            (None, Some(path)) => Self::Named(path.into()),
            (None, None) => Self::Usual(USUAL.into()),
        }
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Nowhere => None,
            Self::Usual(path) | Self::Named(path) => Some(path),
        }
    }

    /// A file that is there now has to stay: without it a server would be open to whom it says nothing of.
    pub(crate) fn found(self) -> Self {
        match self {
            Self::Usual(path) if path.exists() => Self::Named(path),
            place => place,
        }
    }

    /// What the file says.
    pub(crate) fn read(&self) -> Result<Settings, FileError> {
        self.read_with(|path| Settings::read::<Flags>(path, &keys::names()))
    }

    /// What it says of the server's folder, whatever else is wrong in it.
    pub(crate) fn read_data(&self) -> Result<Settings, FileError> {
        self.read_with(|path| Settings::read_only::<Flags>(path, "data"))
    }

    fn read_with(
        &self,
        read: impl FnOnce(&Path) -> Result<Settings, FileError>,
    ) -> Result<Settings, FileError> {
        let Some(path) = self.path() else { return Ok(Settings::default()) };
        match read(path) {
            Err(FileError::Unreadable { cause, .. })
                if matches!(self, Self::Usual(_)) && cause.kind() == io::ErrorKind::NotFound =>
            {
                Ok(Settings::default())
            }
            read => read,
        }
    }

    /// Makes a file with every key explained and none set, for everybody to read.
    pub(crate) fn init(&self) -> Result<(), Box<dyn Error>> {
        let path = self.path().ok_or("there is no file: --config says none")?;
        match make(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(format!("{} is there already; it was left as it is", path.display()).into())
            }
            made => Ok(made.map_err(|error| format!("cannot write {}: {error}", path.display()))?),
        }
    }
}

fn is_none(path: &Path) -> bool {
    path == Path::new(NONE)
}

/// Whatever the program makes else is for its owner alone; this is read by whoever the server runs as.
fn make(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty() && !it.exists());
    if let Some(folder) = folder {
        fs::create_dir(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.set_permissions(Permissions::from_mode(0o644))?;
    file.write_all(keys::explained().as_bytes())
}

/// The command line, which goes before the file.
#[derive(Clone, Debug)]
pub(crate) struct CommandLine(Vec<OsString>);

impl CommandLine {
    pub(crate) fn new(words: impl IntoIterator<Item = OsString>) -> Self {
        Self(words.into_iter().collect())
    }

    /// The flags: those that were given, and what the file says of others.
    pub(crate) fn over(&self, settings: &Settings) -> Result<Flags, Stop> {
        args::parse_over(PROGRAM, self.0.iter().cloned(), settings, Exit::SERVER)
    }

    /// Whether it says this of a key.
    pub(crate) fn says(&self, key: &str) -> bool {
        let given = args::given::<Flags>(self.0.iter().cloned());
        given.iter().any(|flag| flag.strip_prefix("--") == Some(key))
    }
}
