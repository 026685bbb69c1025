//! A person's settings: `config.toml` in the XDG config folder.
//!
//! Owned by whoever starts a face; the command line overrides it. Invariant: one table says which keys there are, what
//! each takes and how `tinychat config --init` explains it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;
use toml::Value;

use super::choices::{Bell, Pictures};
use super::values::{handshake, size, time};
use crate::args::{nearest, on_or_off};
use crate::client::Seal;
use crate::folder::default_settings_folder;
use crate::message::Name;

/// See the [module](super). None where nothing was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the keys, which the table explains")]
pub struct Settings {
    pub server: Option<String>,
    pub tls: Option<bool>,
    pub proxy: Option<String>,
    pub handshake: Option<Duration>,
    pub user: Option<Name>,
    pub to: Option<Name>,
    pub data: Option<PathBuf>,
    pub identity: Option<PathBuf>,
    pub plain: bool,
    pub follow: bool,
    pub receipts: bool,
    pub seal: Option<Seal>,
    pub read_receipts: bool,
    pub timeout: Option<Duration>,
    pub get_up_to: Option<u64>,
    pub pictures: Option<Pictures>,
    pub bell: Bell,
    pub mouse: bool,
}

/// Why the settings cannot be used. Made to be read by their owner.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "the messages say what each variant is")]
pub enum SettingsError {
    #[error("there is no home folder to look for settings in")]
    Homeless,
    #[error("cannot read {}: {cause}", path.display())]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {cause}", path.display())]
    Unwritable { path: PathBuf, cause: io::Error },
    #[error("{} is there already; it was left as it is", path.display())]
    Exists { path: PathBuf },
    #[error("{}: {what}", path.display())]
    Wrong { path: PathBuf, what: String },
}

/// A key of the table, and what it is set to.
pub(crate) type Set = (&'static str, Value);

/// One row of the table.
struct Setting {
    key: &'static str,
    comment: &'static str,
    /// As it stands, commented out, in a new file.
    example: &'static str,
    set: fn(&mut Settings, &Value) -> Result<(), String>,
}

const SETTINGS: &[Setting] = &[
    Setting {
        key: "server",
        comment: "The server: host, host:port, unix:PATH, or an address with its key behind # and people's behind ?, as /CARD prints it.",
        example: "\"chat.example.org\"",
        set: |it, value| {
            it.server = Some(string(value)?.into());
            Ok(())
        },
    },
    Setting {
        key: "tls",
        comment: "false for a server on this machine that was started with --tls off.",
        example: "true",
        set: |it, value| {
            it.tls = Some(boolean(value)?);
            Ok(())
        },
    },
    Setting {
        key: "proxy",
        comment: "A SOCKS5 proxy, which looks names up; \"none\" goes without one, whatever ALL_PROXY says.",
        example: "\"socks5h://127.0.0.1:9050\"",
        set: |it, value| {
            it.proxy = Some(string(value)?.into());
            Ok(())
        },
    },
    Setting {
        key: "handshake",
        comment: "How long signing in may take; longer on a bad line.",
        example: "\"60s\"",
        set: |it, value| {
            it.handshake = Some(handshake(string(value)?)?);
            Ok(())
        },
    },
    Setting {
        key: "user",
        comment: "Your name.",
        example: "\"john\"",
        set: |it, value| {
            it.user = Some(name(value)?);
            Ok(())
        },
    },
    Setting {
        key: "to",
        comment: "Whom to talk to first.",
        example: "\"marie\"",
        set: |it, value| {
            it.to = Some(name(value)?);
            Ok(())
        },
    },
    Setting {
        key: "data",
        comment: "Your data folder: key, outbox and history.",
        example: "\"/home/john/.local/share/tinychat/john\"",
        set: |it, value| {
            it.data = Some(string(value)?.into());
            Ok(())
        },
    },
    Setting {
        key: "identity",
        comment: "Your own Ed25519 key in OpenSSH's format.",
        example: "\"/home/john/.ssh/id_ed25519\"",
        set: |it, value| {
            it.identity = Some(string(value)?.into());
            Ok(())
        },
    },
    Setting {
        key: "plain",
        comment: "Lines in, lines out, also on a terminal.",
        example: "false",
        set: |it, value| {
            it.plain = boolean(value)?;
            Ok(())
        },
    },
    Setting {
        key: "bell",
        comment: "When the bell rings: \"off\"; \"direct\", when somebody you talk to writes; \"all\", also for requests.",
        example: "\"direct\"",
        set: |it, value| {
            it.bell = bell(value)?;
            Ok(())
        },
    },
    Setting {
        key: "mouse",
        comment: "The full screen: \"off\", the terminal selects as ever; \"on\", the wheel scrolls, and Shift-drag selects.",
        example: "\"off\"",
        set: |it, value| {
            it.mouse = on_or_off(string(value)?)?;
            Ok(())
        },
    },
    Setting {
        key: "follow",
        comment: "Lines in, lines out: keep listening after the end of input; without a terminal, only this shows you as online.",
        example: "false",
        set: |it, value| {
            it.follow = boolean(value)?;
            Ok(())
        },
    },
    Setting {
        key: "receipts",
        comment: "Lines in, lines out: say on standard error of each message when it is stored, delivered, refused, expired or sent anew.",
        example: "false",
        set: |it, value| {
            it.receipts = boolean(value)?;
            Ok(())
        },
    },
    Setting {
        key: "seal",
        comment: "Words for somebody who has no keys yet: \"auto\", they are sent as they are, and you are told who can read them; \"always\", they wait here.",
        example: "\"auto\"",
        set: |it, value| {
            it.seal = Some(string(value)?.parse().map_err(|error| format!("{error}"))?);
            Ok(())
        },
    },
    Setting {
        key: "read-receipts",
        comment: "Tell people that you have read what they wrote.",
        example: "false",
        set: |it, value| {
            it.read_receipts = boolean(value)?;
            Ok(())
        },
    },
    Setting {
        key: "get-up-to",
        comment: "Up to which size files come by themselves; \"0\" for none.",
        example: "\"5MiB\"",
        set: |it, value| {
            it.get_up_to = Some(size(string(value)?)?);
            Ok(())
        },
    },
    Setting {
        key: "pictures",
        comment: "How the full screen shows pictures: \"auto\", \"kitty\", \"iterm\", \"sixel\", \"blocks\" or \"off\".",
        example: "\"auto\"",
        set: |it, value| {
            it.pictures = Some(string(value)?.parse().map_err(|error| format!("{error}"))?);
            Ok(())
        },
    },
    Setting {
        key: "timeout",
        comment: "Without a terminal: give up after so long without progress.",
        example: "\"60s\"",
        set: |it, value| {
            it.timeout = Some(time(string(value)?)?);
            Ok(())
        },
    },
];

impl Settings {
    /// Where the file is, if there is one.
    pub fn path() -> Result<PathBuf, SettingsError> {
        let folder = default_settings_folder("tinychat").map_err(|_| SettingsError::Homeless)?;
        Ok(folder.join("config.toml"))
    }

    /// What a file says; nothing if there is none.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            read => read.map_err(|cause| SettingsError::Unreadable { path: path.into(), cause })?,
        };
        Self::parse(&text).map_err(|what| SettingsError::Wrong { path: path.into(), what })
    }

    /// Makes a file with every key explained and none set.
    pub fn init(path: &Path) -> Result<(), SettingsError> {
        Self::make(path, &[])
    }

    /// Makes a file with every key explained and these set.
    pub(crate) fn make(path: &Path, set: &[Set]) -> Result<(), SettingsError> {
        let unwritable = |cause| SettingsError::Unwritable { path: path.into(), cause };
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(unwritable)?;
        }
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(SettingsError::Exists { path: path.into() })
            }
            made => {
                made.and_then(|mut it| it.write_all(explained(set).as_bytes())).map_err(unwritable)
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
        let mut settings = Self::default();
        for (key, value) in &table {
            let setting = SETTINGS.iter().find(|it| it.key == key).ok_or_else(|| unknown(key))?;
            (setting.set)(&mut settings, value).map_err(|what| format!("{key}: {what}"))?;
        }
        Ok(settings)
    }
}

/// Every key, what it is for, and an example of its value.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SETTINGS.iter().map(|it| (it.key, it.comment, it.example))
}

fn explained(set: &[Set]) -> String {
    let mut text =
        String::from("# What TinyChat's client is to do. The command line goes before it.\n");
    for Setting { key, comment, example, .. } in SETTINGS {
        let line = match set.iter().find(|(it, _)| it == key) {
            Some((_, value)) => format!("{key} = {value}"),
            None => format!("#{key} = {example}"),
        };
        text += &format!("\n# {comment}\n{line}\n");
    }
    text
}

fn unknown(key: &str) -> String {
    let nearest = nearest(key, SETTINGS.iter().map(|it| it.key), 3);
    let meant = nearest.map(|it| format!("; did you mean {it}?")).unwrap_or_default();
    format!("there is no setting {key:?}{meant}")
}

fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| "a text in quotes is expected".into())
}

fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| "true or false is expected".into())
}

fn name(value: &Value) -> Result<Name, String> {
    string(value)?.parse().map_err(|error| format!("{error}"))
}

fn bell(value: &Value) -> Result<Bell, String> {
    match string(value)? {
        "off" => Ok(Bell::Off),
        "direct" => Ok(Bell::Direct),
        "all" => Ok(Bell::All),
        _ => Err("it is off, direct or all".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_explained_and_taken() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/config.toml");
        assert_eq!(Settings::read(&path).unwrap(), Settings::default());
        Settings::init(&path).unwrap();
        assert_eq!(Settings::read(&path).unwrap(), Settings::default());
        assert!(matches!(Settings::init(&path), Err(SettingsError::Exists { .. })));
        let text = fs::read_to_string(&path).unwrap();
        let set: String = { text.lines() }
            .map(|line| line.strip_prefix('#').filter(|it| !it.starts_with(' ')).unwrap_or(""))
            .map(|line| format!("{line}\n"))
            .collect();
        let settings = Settings::parse(&set).unwrap();
        assert_eq!(settings.user, Some("john".parse().unwrap()));
        assert_eq!((settings.tls, settings.bell), (Some(true), Bell::Direct));
        assert_eq!(settings.timeout, Some(Duration::from_secs(60)));
        assert_eq!(set.lines().filter(|line| line.contains('=')).count(), SETTINGS.len());
    }

    #[test]
    fn what_is_set_is_read_again_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let text = "/home/j\"o'hn\\ \n\u{7f}/é";
        let set = [("data", text.into()), ("tls", false.into()), ("user", "john".into())];
        Settings::make(&path, &set).unwrap();
        let (user, data) = (Some("john".parse().unwrap()), Some(text.into()));
        let expected = Settings { user, data, tls: Some(false), ..Settings::default() };
        assert_eq!(Settings::read(&path).unwrap(), expected);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\n# Whom to talk to first.\n#to = \"marie\"\n"), "{text}");
        assert!(matches!(Settings::make(&path, &set), Err(SettingsError::Exists { .. })));
    }

    #[test]
    fn a_mistake_is_told_with_what_may_have_been_meant() {
        for (text, what) in [
            ("bel = 'all'", "there is no setting \"bel\"; did you mean bell?"),
            ("something = 1", "there is no setting \"something\""),
            ("bell = 'loud'", "bell: it is off, direct or all"),
            ("tls = 'off'", "tls: true or false is expected"),
            ("handshake = '0'", "handshake: it is from 1s to 1h"),
            ("handshake = '2h'", "handshake: it is from 1s to 1h"),
            ("user = 'a b'", "user: a name has letters"),
            ("user = ", "user = "),
        ] {
            let error = Settings::parse(text).unwrap_err();
            assert!(error.contains(what), "{text}: {error}");
        }
    }
}
