//! The manual: the pages that both programs print, and a README that stays short because they have the rest.

use std::fs;
use std::process::{Command, Stdio};

use crate::programs::Launch;
use crate::world::story;

/// What README may have at most.
const WORDS: usize = 2_500;
const LINES: usize = 250;

/// A page, as a program prints it.
async fn page(program: Launch, words: &[&str]) -> String {
    program.with(words).pipe("").await.exited(0).was_quiet().text()
}

async fn pages() -> [String; 4] {
    [
        page(Launch::tinychat(&[]), &["man"]).await,
        page(Launch::tinychat(&[]), &["man", "config"]).await,
        page(Launch::tinychat(&[]), &["man", "protocol"]).await,
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
        let [client, _, _, server] = pages().await;
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
        wrong.exited(2).said("the pages are tinychat, config and protocol");
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

#[test]
fn readme_stays_short() {
    let Ok(readme) = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")) else {
        return eprintln!("SKIPPED: there is no README beside these sources");
    };
    let (words, lines) = (readme.split_whitespace().count(), readme.lines().count());
    assert!(words <= WORDS && lines <= LINES, "{words} words, {lines} lines");
}
