//! The keys of the server's file, one for each of its options: what each stands for unless it is set, and whether it may
//! change while the server runs.
//!
//! Pure. Invariant: whatever option there is has its key here, except `--config` itself; what it is for says
//! [`Flags`] alone.

use argh::{ArgsInfo, FlagInfo};
use tinychat::manual::Table;

use crate::flags::Flags;

/// How wide comments in a new file are.
const WIDTH: usize = 100;

/// One row.
#[derive(Clone, Copy, Debug)]
struct Key {
    key: &'static str,
    /// A value, in TOML.
    value: &'static str,
    /// It is what the option has unless somebody says something else.
    is_default: bool,
    /// SIGHUP changes it.
    is_live: bool,
}

impl Key {
    const fn of(key: &'static str, value: &'static str) -> Self {
        Self { key, value, is_default: true, is_live: false }
    }

    const fn live(self) -> Self {
        Self { is_live: true, ..self }
    }

    const fn example(self) -> Self {
        Self { is_default: false, ..self }
    }

    fn moment(self) -> &'static str {
        if self.is_live { "SIGHUP changes it" } else { "a change takes effect at the next start" }
    }
}

const KEYS: &[Key] = &[
    Key::of("listen", "[\"127.0.0.1:7878\"]"),
    Key::of("tls", "\"on\""),
    Key::of("proxy-protocol", "[\"127.0.0.1\", \"10.0.0.0/8\"]").example(),
    Key::of("cert", "\"/etc/tinychat/certificate.pem\"").example(),
    Key::of("key", "\"/etc/tinychat/key.pem\"").example(),
    Key::of("metrics", "\"127.0.0.1:9464\"").example(),
    Key::of("data", "\"/var/lib/tinychat-server\"").example(),
    Key::of("registration", "\"open\"").live(),
    Key::of("session-backlog", "\"10000,16MiB\"").live(),
    Key::of("recipient-backlog", "\"100000,256MiB\"").live(),
    Key::of("first-contact", "1000").live(),
    Key::of("strangers", "100").live(),
    Key::of("file-size", "\"2GiB\"").live(),
    Key::of("person-files", "\"4GiB\"").live(),
    Key::of("all-files", "\"64GiB\"").live(),
    Key::of("reserve", "\"1GiB\"").live(),
    Key::of("file-rate", "\"16MiB,3GiB\"").live(),
    Key::of("transfers", "64"),
    Key::of("connections", "50000"),
    Key::of("address-connections", "500").live(),
    Key::of("address-handshakes", "600").live(),
    Key::of("handshake", "\"60s\""),
    Key::of("address-names", "50").live(),
    Key::of("message-rate", "\"100,20000\"").live(),
    Key::of("byte-rate", "\"1MiB,32MiB\"").live(),
    Key::of("memory", "\"256MiB\""),
    Key::of("keep", "\"30d\"").live(),
    Key::of("threads", "1"),
    Key::of("log-level", "\"info\"").live(),
    Key::of("log-format", "\"json\"").example(),
];

/// All of them.
pub(crate) fn names() -> Vec<&'static str> {
    KEYS.iter().map(|it| it.key).collect()
}

/// Whether SIGHUP changes it.
pub(crate) fn is_live(key: &str) -> bool {
    KEYS.iter().any(|it| it.key == key && it.is_live)
}

/// A file with every key explained and none set.
pub(crate) fn explained() -> String {
    let mut text = String::from(
        "# Options of tinychat-server. What its command line says goes first. SIGHUP has it read this again.\n",
    );
    for (flag, row) in rows() {
        let what = format!("{}; {}.", flag.description, row.moment());
        text += &format!("\n{}\n#{} = {}\n", comment(&what), row.key, row.value);
    }
    text
}

/// The same for the manual.
pub(crate) fn table() -> Table {
    let row = |row: &Key| {
        let word = if row.is_default { "default" } else { "for example" };
        (row.key.to_owned(), format!("{word} `{}`; {}", row.value, row.moment()))
    };
    Table { heading: "Keys of server.toml", rows: KEYS.iter().map(row).collect() }
}

fn rows() -> impl Iterator<Item = (&'static FlagInfo<'static>, &'static Key)> {
    let flags = Flags::get_args_info().flags;
    KEYS.iter().filter_map(move |row| {
        let is_its = |flag: &&FlagInfo<'_>| flag.long.strip_prefix("--") == Some(row.key);
        Some((flags.iter().find(is_its)?, row))
    })
}

/// Lines that are no wider than can be read.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let last = lines.len() - 1;
        if lines[last].len() + word.len() >= WIDTH {
            lines.push(format!("# {word}"));
        } else {
            lines[last] += &format!(" {word}");
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use argh::FlagInfoKind;
    use tinychat::args::{self, Settings};

    use super::*;

    fn read(text: &str) -> Settings {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        std::fs::write(&path, text).unwrap();
        Settings::read::<Flags>(&path, &names()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn flags(settings: &Settings) -> Flags {
        let words = ["--data", "somewhere"].map(OsString::from);
        args::parse_over("tinychat-server", words, settings, &[])
            .unwrap_or_else(|stop| panic!("{stop:?}"))
    }

    #[test]
    fn every_option_has_its_key_in_the_order_of_help() {
        let flags = Flags::get_args_info().flags.iter();
        let options = flags.filter(|flag| matches!(flag.kind, FlagInfoKind::Option { .. }));
        let options: Vec<_> =
            options.map(|flag| flag.long).filter(|it| *it != "--config").collect();
        let keys: Vec<_> = names().into_iter().map(|key| format!("--{key}")).collect();
        assert_eq!(options, keys);
    }

    #[test]
    fn a_new_file_says_nothing_and_its_defaults_are_the_defaults() {
        let text = explained();
        assert_eq!(read(&text), Settings::default());
        assert!(text.lines().all(|line| line.len() <= 2 * WIDTH), "{text}");
        let rows = KEYS.iter().filter(|row| row.is_default);
        let set: String = rows.map(|row| format!("{} = {}\n", row.key, row.value)).collect();
        let (plain, set) = (flags(&Settings::default()), flags(&read(&set)));
        assert_eq!((plain.threads, plain.log_level), (set.threads, set.log_level));
        let config = |flags: Flags| format!("{:?}", flags.config(false).unwrap());
        assert_eq!(config(plain), config(set));
        let all: String = KEYS.iter().map(|row| format!("{} = {}\n", row.key, row.value)).collect();
        assert_eq!(read(&all).said().count(), KEYS.len());
    }
}
