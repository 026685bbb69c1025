//! The manual: the pages that both programs print, and a README that stays short because they have the rest.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use rusqlite::Connection;

use crate::programs::{Launch, free_address};
use crate::world::story;

/// What README may have at most.
const WORDS: usize = 2_500;
const LINES: usize = 250;

/// A page, as a program prints it.
async fn page(program: Launch, words: &[&str]) -> String {
    program.with(words).pipe("").await.exited(0).was_quiet().text()
}

async fn pages() -> [String; 5] {
    [
        page(Launch::tinychat(&[]), &["man"]).await,
        page(Launch::tinychat(&[]), &["man", "config"]).await,
        page(Launch::tinychat(&[]), &["man", "protocol"]).await,
        page(Launch::tinychat(&[]), &["man", "upgrade"]).await,
        page(Launch::operator(&[]), &["man"]).await,
    ]
}

/// The flags and commands that `--help` lists.
fn listed(help: &str) -> Vec<String> {
    let entries = help.lines().filter_map(|line| line.strip_prefix("  "));
    let words = entries
        .filter_map(|line| line.split_whitespace().next().filter(|_| !line.starts_with(' ')));
    words.filter(|word| word.parse::<u8>().is_err()).map(String::from).collect()
}

#[test]
fn every_flag_and_command_of_help_stands_in_the_manual() {
    story(async |_| {
        let [client, _, _, _, server] = pages().await;
        for (program, page) in [(Launch::tinychat(&[]), client), (Launch::operator(&[]), server)] {
            let help = program.with(&["--help"]).pipe("").await.exited(0).text();
            let listed = listed(&help);
            assert!(listed.len() > 10, "{listed:?}");
            for word in listed {
                let word = word.replace('-', "\\-");
                assert!(page.contains(&word), "{word} is not in:\n{page}");
            }
        }
    });
}

#[test]
fn an_unknown_page_is_wrong_usage() {
    story(async |_| {
        let wrong = Launch::tinychat(&["man", "nonsense"]).pipe("").await;
        wrong.exited(2).said("the pages are tinychat, config, protocol and upgrade");
    });
}

#[test]
fn nothing_in_a_page_is_wrong_roff() {
    story(async |_| {
        for page in pages().await {
            assert!(page.starts_with(".ie \\n(.g"), "{page}");
            let mut groff = Command::new("groff");
            groff
                .args(["-man", "-Tutf8", "-Kutf8", "-ww", "-z"])
                .stdin(Stdio::piped())
                .stderr(Stdio::piped());
            let Ok(mut groff) = groff.spawn() else {
                return eprintln!("SKIPPED: groff is not there");
            };
            std::io::Write::write_all(&mut groff.stdin.take().unwrap(), page.as_bytes()).unwrap();
            let told = groff.wait_with_output().unwrap();
            assert!(told.stderr.is_empty(), "{}", String::from_utf8_lossy(&told.stderr));
        }
    });
}

/// The version of a backup's table, and of the mailbox in it: what its first entry says, behind that entry's header.
fn version_of(backup: &Path) -> String {
    let bytes = fs::read(backup).unwrap();
    String::from_utf8(bytes[512..].iter().copied().take_while(|it| *it != 0).collect()).unwrap()
}

/// What somebody's message store says of its layout.
fn layout_of(folder: &Path) -> u32 {
    let store = Connection::open(folder.join("messages.db")).unwrap();
    store.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

#[test]
fn the_page_on_upgrades_has_the_numbers_that_this_version_writes() {
    story(async |world| {
        Launch::of(world, "john").to("marie").pipe("hi\n").await.exited(0);
        let (data, file) = (world.path("hosted"), world.path("backup"));
        let mut server = Launch::server(free_address(), &data).start();
        server.says("listening on").await;
        let backup = Launch::operator(&["backup"]).on(&data).with_word(file.as_os_str());
        backup.pipe("").await.exited(0);
        server.signal("TERM");
        server.finish().await.exited(0);
        let (version, backup) = (env!("CARGO_PKG_VERSION"), version_of(&file));
        let (_, mailbox) = backup.split_once(' ').unwrap();
        let (layout, protocol) = (layout_of(&world.path("john")), tinychat::wire::VERSION);
        let row = format!("| {version} | {mailbox} | {backup} | {layout} | `{protocol}` |\n");
        let page = include_str!("../../share/man/tinychat-upgrade.7.md");
        assert!(page.contains(&row), "{row} is not in:\n{page}");
    });
}

#[test]
fn readme_stays_short() {
    let Ok(readme) = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")) else {
        return eprintln!("SKIPPED: there is no README beside these sources");
    };
    let (words, lines) = (readme.split_whitespace().count(), readme.lines().count());
    assert!(words <= WORDS && lines <= LINES, "{words} words, {lines} lines");
}
