//! What shells complete, by the shells themselves; those that are not there are skipped, aloud.

use std::path::Path;
use std::process::Command;

use crate::programs::Launch;
use crate::world::{World, story};

/// A shell, how one line of it is completed, and how it says so. In a script stand `@LINE@`, a command line up to where the cursor
/// is, and `@WORDS@`, its words in quotes.
struct Shell {
    name: &'static str,
    /// What runs a script that stands in a file.
    program: &'static str,
    script: &'static str,
}

const SHELLS: &[Shell] = &[
    Shell {
        name: "bash",
        program: "bash",
        script: "source \"$COMPLETIONS\"; COMP_WORDS=(@WORDS@); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _complete_tinychat 2> /dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"",
    },
    Shell {
        name: "fish",
        program: "fish",
        script: "source $COMPLETIONS; complete -C '@LINE@' | string replace -r '\\t.*' ''",
    },
    // Zsh completes at a terminal alone.
    Shell {
        name: "zsh",
        program: "zsh",
        script: "zmodload zsh/zpty; zpty shell zsh -f -i
            zpty -w shell 'autoload -U compinit; compinit -u -D; source $COMPLETIONS; COLUMNS=500; PS1=rea\"\"dy'
            zpty -r shell text '*ready*' && zpty -w -n shell '@LINE@'$'\\t\\t'
            zpty -w -n shell $'\\C-u'; zpty -w shell 'echo do\"\"ne'
            zpty -r shell text '*done*' && print -r -- $text; zpty -d shell",
    },
    Shell {
        name: "nushell",
        program: "nu",
        script: "source COMPLETIONS\nlet offered = (do $env.config.completions.external.completer [@WORDS@])
            if $offered != null { $offered | each {|it| print $it.value } | ignore }",
    },
];

fn is_there(shell: &Shell) -> bool {
    let there = Command::new(shell.program).arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: {} is not there", shell.name);
    }
    there
}

/// What a shell says when a line is to be completed.
async fn completed(shell: &Shell, words: &[&str], folder: &Path) -> String {
    let completions = folder.join(format!("{}.nu", shell.name));
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    let script = { shell.script }
        .replace("@LINE@", &words.join(" "))
        .replace("@WORDS@", &quoted.join(" "))
        .replace("source COMPLETIONS", &format!("source {}", completions.display()));
    let file = folder.join("script");
    std::fs::write(&file, script).unwrap();
    let client = Path::new(env!("CARGO_BIN_EXE_tinychat")).parent().unwrap();
    let path = format!("{}:{}", client.display(), std::env::var("PATH").unwrap_or_default());
    let ran = Launch::program(shell.program)
        .with_group()
        .with(&[file.to_str().unwrap()])
        .variable("PATH", path)
        .variable("COMPLETIONS", &completions)
        .variable("HOME", folder)
        .variable("XDG_CONFIG_HOME", folder)
        .variable("XDG_DATA_HOME", folder);
    ran.pipe("").await.text()
}

/// A folder with john's settings, who has talked to marie, and with the scripts.
async fn prepare(world: &World, folder: &Path) {
    std::fs::create_dir_all(folder.join("tinychat")).unwrap();
    let (server, data) = (world.address(), world.path("john"));
    let settings =
        format!("server = \"{server}\"\ntls = false\nuser = \"john\"\ndata = {data:?}\n");
    std::fs::write(folder.join("tinychat/config.toml"), settings).unwrap();
    Launch::of(world, "john").to("marie").pipe("hello\n").await.exited(0);
    for shell in SHELLS {
        let script = Launch::tinychat(&["completions", shell.name]).pipe("").await.exited(0).text();
        std::fs::write(folder.join(format!("{}.nu", shell.name)), script).unwrap();
    }
}

#[test]
fn each_shell_completes_options_their_values_commands_and_people() {
    story(async |world| {
        let folder = world.path("shells");
        prepare(world, &folder).await;
        for shell in SHELLS.iter().filter(|shell| is_there(shell)) {
            for (words, expected) in [
                (&["tinychat", "--pict"][..], &["--pictures"][..]),
                (&["tinychat", "--pictures", ""], &["kitty", "sixel", "off"]),
                (&["tinychat", "stat"], &["status"]),
                (&["tinychat", "send", "--to", ""], &["marie"]),
                (&["tinychat", "tail", "--with", "ma"], &["marie"]),
            ] {
                let said = completed(shell, words, &folder).await;
                for word in expected {
                    assert!(said.contains(word), "{} {words:?}: {said}", shell.name);
                }
            }
        }
    });
}
