//! The manual pages that `tinychat man` prints: the program, its settings, the protocol, upgrades.

use std::str::FromStr;

use argh::CommandInfoWithArgs;

use super::settings;
use super::typing::command::COMMANDS;
use super::typing::keys;
use crate::exit::Exit;
use crate::manual::{self, Program, Table, Title};

/// One of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Page {
    /// `tinychat(1)`.
    #[default]
    Program,
    /// `tinychat-config(5)`.
    Settings,
    /// `tinychat-protocol(7)`.
    Protocol,
    /// `tinychat-upgrade(7)`.
    Upgrade,
}

impl Page {
    /// What they are called.
    pub const NAMES: [&str; 4] = ["tinychat", "config", "protocol", "upgrade"];
}

impl FromStr for Page {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name.strip_prefix("tinychat-").unwrap_or(name) {
            "tinychat" => Ok(Self::Program),
            "config" => Ok(Self::Settings),
            "protocol" => Ok(Self::Protocol),
            "upgrade" => Ok(Self::Upgrade),
            _ => Err("the pages are tinychat, config, protocol and upgrade"),
        }
    }
}

impl Page {
    /// The page in roff; `info` is the program's command line.
    pub fn render(self, info: &CommandInfoWithArgs) -> String {
        match self {
            Self::Program => program(info),
            Self::Settings => settings_page(),
            Self::Protocol => manual::protocol(),
            Self::Upgrade => upgrade(),
        }
    }
}

fn program(info: &CommandInfoWithArgs) -> String {
    let summary = "a chat in which messages wait for people";
    let title = Title { name: "tinychat", section: "1", summary };
    let typed = COMMANDS.iter().map(|it| (it.usage.into(), it.help.into()));
    let keys = keys::explained().map(|(name, help)| (name.into(), help.into()));
    let tables = [
        Table { heading: "What may be typed", rows: typed.collect() },
        Table { heading: "Keys on the full screen", rows: keys.collect() },
    ];
    let prose = include_str!("../../share/man/tinychat.1.md");
    Program { title, info, prose, tables: &tables, exits: Exit::CLIENT }.render()
}

fn settings_page() -> String {
    let summary = "settings of the TinyChat client";
    let title = Title { name: "tinychat-config", section: "5", summary };
    let rows = settings::keys()
        .map(|(key, comment, example)| (format!("{key} = {example}"), comment.to_owned()));
    let table = Table { heading: "Keys", rows: rows.collect() };
    manual::page(&title, include_str!("../../share/man/tinychat-config.5.md"), &[table])
}

fn upgrade() -> String {
    let summary = "which versions of TinyChat talk, and what may be replaced when";
    let title = Title { name: "tinychat-upgrade", section: "7", summary };
    manual::page(&title, include_str!("../../share/man/tinychat-upgrade.7.md"), &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_settings_has_its_line() {
        let page = Page::Settings.render(&CommandInfoWithArgs::default());
        for (key, ..) in settings::keys() {
            let key = key.replace('-', "\\-");
            assert!(page.contains(&format!("\n\\fB{key} = ")), "{key}: {page}");
        }
    }

    #[test]
    fn pages_are_asked_for_with_and_without_the_program_before() {
        assert_eq!("protocol".parse(), Ok(Page::Protocol));
        assert_eq!("tinychat-config".parse(), Ok(Page::Settings));
        assert!("nonsense".parse::<Page>().is_err());
    }
}
