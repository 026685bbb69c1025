//! A manual page from its parts: the command line, tables, prose.
//!
//! Owned by nobody. Pure. Invariant: what stands in a table stands in its page.

use argh::CommandInfoWithArgs;
use roff::{Roff, bold, roman};

use super::{command, markdown};
use crate::exit::Exit;

/// What a page is called, and where it stands.
#[derive(Clone, Copy, Debug)]
pub struct Title {
    /// The name behind `man`.
    pub name: &'static str,
    /// The number of the section, like `1`.
    pub section: &'static str,
    /// What it is about, in a line.
    pub summary: &'static str,
}

/// A section that is a table: what may stand there, and what it means.
#[derive(Clone, Debug)]
pub struct Table {
    /// The heading.
    pub heading: &'static str,
    /// The rows.
    pub rows: Vec<(String, String)>,
}

/// What a program's page is made of.
#[derive(Clone, Debug)]
pub struct Program<'a> {
    /// Its title.
    pub title: Title,
    /// Its command line.
    pub info: &'a CommandInfoWithArgs,
    /// Markdown: what stands before the options and, behind a rule, what stands at the end.
    pub prose: &'a str,
    /// What stands between.
    pub tables: &'a [Table],
    /// What it exits with.
    pub exits: &'a [Exit],
}

impl Program<'_> {
    /// The page.
    pub fn render(&self) -> String {
        let Self { title, info, prose, tables, exits } = self;
        let (before, behind) = prose.split_once("\n---\n").unwrap_or((prose, ""));
        let mut page = begin(title);
        command::write_synopsis(&mut page, title.name, info);
        markdown::write(&mut page, before);
        command::write_options(&mut page, info);
        command::write_commands(&mut page, title.name, info);
        tables.iter().for_each(|table| write_table(&mut page, table));
        write_table(&mut page, &exit_table(exits));
        markdown::write(&mut page, behind);
        page.render()
    }
}

/// A page of prose in Markdown, with tables behind it.
pub fn page(title: &Title, prose: &str, tables: &[Table]) -> String {
    let mut page = begin(title);
    markdown::write(&mut page, prose);
    tables.iter().for_each(|table| write_table(&mut page, table));
    page.render()
}

/// The protocol's page: the documentation of [`wire`](crate::wire) as it stands there.
pub fn protocol() -> String {
    let source = include_str!("../wire/mod.rs");
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    // Behind it stands what is of use to those alone who read the source.
    let lines = lines.take_while(|line| !line.starts_with(" # Rooms"));
    let prose: String =
        lines.map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line))).collect();
    let title = Title {
        name: "tinychat-protocol",
        section: "7",
        summary: "what TinyChat's client and server say to each other",
    };
    page(&title, &format!("# Description\n\n{prose}"), &[])
}

fn begin(title: &Title) -> Roff {
    let Title { name, section, summary } = title;
    let mut page = Roff::new();
    let version = concat!("TinyChat ", env!("CARGO_PKG_VERSION"));
    // Without a date; nothing at all would not be taken for one.
    page.control("TH", [&*name.to_uppercase(), section, " ", version, "TinyChat"]);
    page.control("SH", ["NAME"]);
    page.text([roman(format!("{name} - {summary}"))]);
    page
}

fn exit_table(exits: &[Exit]) -> Table {
    let rows = exits.iter().map(|exit| (exit.code().to_string(), exit.meaning().to_owned()));
    Table { heading: "Exit status", rows: rows.collect() }
}

fn write_table(page: &mut Roff, Table { heading, rows }: &Table) {
    page.control("SH", [&*heading.to_uppercase()]);
    for (what, meaning) in rows {
        page.control("TP", []).text([bold(what)]).text(markdown::inline(meaning));
    }
}
