//! `config.toml` and `tinychat config`.

use std::path::{Path, PathBuf};

use crate::programs::Launch;
use crate::world::{World, story};

/// With the settings of a folder.
fn with_config(launch: Launch, home: &Path) -> Launch {
    launch.variable("XDG_CONFIG_HOME", home)
}

/// A file that says this.
fn config(world: &World, text: &str) -> PathBuf {
    let home = world.path("config");
    std::fs::create_dir_all(home.join("tinychat")).unwrap();
    std::fs::write(home.join("tinychat/config.toml"), text).unwrap();
    home
}

#[test]
fn what_is_set_need_not_be_said_and_what_is_said_goes_first() {
    story(async |world| {
        let (server, data) = (world.address(), world.path("john"));
        let home = config(
            world,
            &format!(
                "server = \"{server}\"\ntls = false\nuser = \"john\"\nto = \"marie\"\ndata = {data:?}\n"
            ),
        );
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        with_config(Launch::tinychat(&[]), &home).pipe("hello\n").await.exited(0);
        marie.hears("john", 1, 1, "hello").await;
        let mut anna = world.sign_in("anna").await;
        anna.talk("john").await;
        with_config(Launch::tinychat(&["--to", "anna"]), &home).pipe("hi\n").await.exited(0);
        anna.hears("john", 1, 1, "hi").await;
        let history = with_config(Launch::tinychat(&["history", "--with", "anna"]), &home);
        assert!(history.pipe("").await.exited(0).text().ends_with("hi\n"));
    });
}

#[test]
fn a_mistake_is_told_with_the_file_and_what_may_have_been_meant() {
    story(async |world| {
        for (text, what) in [
            ("sevrer = \"x\"", "there is no setting \"sevrer\"; did you mean server?"),
            ("user = 7", "user: a text in quotes is expected"),
            ("bell = \"loud\"", "bell: it is off, direct or all"),
            ("user = ", "user = "),
        ] {
            let home = config(world, text);
            let ended = with_config(Launch::of(world, "john"), &home).pipe("").await;
            let path = home.join("tinychat/config.toml");
            ended.exited(2).said(&path.display().to_string()).said(what);
        }
    });
}

#[test]
fn the_file_is_made_once() {
    story(async |world| {
        let home = world.path("config");
        let config = |flags: &[&str]| with_config(Launch::tinychat(&["config"]).with(flags), &home);
        let path = home.join("tinychat/config.toml");
        let shown = path.display().to_string();
        config(&[]).pipe("").await.exited(0).printed(&[&shown]);
        assert!(!path.exists());
        config(&["--init"]).pipe("").await.exited(0).printed(&[&shown]);
        std::fs::write(&path, "user = \"john\"").unwrap();
        config(&["--init"]).pipe("").await.exited(1).said("there already");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "user = \"john\"");
    });
}

#[test]
fn every_flag_has_its_key() {
    story(async |world| {
        let home = world.path("config");
        with_config(Launch::tinychat(&["config", "--init"]), &home).pipe("").await.exited(0);
        let text = std::fs::read_to_string(home.join("tinychat/config.toml")).unwrap();
        let help = Launch::tinychat(&["--help"]).pipe("").await.exited(0).text();
        let words = help.split_whitespace().filter_map(|word| word.strip_prefix("--"));
        let flags = words.map(|word| word.trim_matches(|c: char| !c.is_ascii_lowercase()));
        for flag in flags.filter(|flag| !["help", "version", "commands"].contains(flag)) {
            assert!(text.contains(&format!("\n#{flag} = ")), "--{flag} has no key");
        }
    });
}
