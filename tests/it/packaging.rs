//! What installs the programs: systemd's units, the NixOS module, a Debian package, the folder of pages and completions.
//! They agree with the programs and with each other. Those who read them are asked where they are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::with_programs;
use crate::operators::restore;
use crate::places::make_private;
use crate::programs::{Launch, free_address};
use crate::world::story;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const SERVER: &str = env!("CARGO_BIN_EXE_tinychat-server");

const SERVICE: &str = include_str!("../../share/systemd/tinychat-server.service");
const BACKUP: &str = include_str!("../../share/systemd/tinychat-server-backup.service");
const MODULE: &str = include_str!("../../share/nixos/module.nix");
const MANIFEST: &str = include_str!("../../Cargo.toml");

/// What `systemd-analyze security` may say of a service, in tenths: 0 is closed, 100 is open.
const EXPOSURE: u32 = 15;

fn share(path: &str) -> PathBuf {
    Path::new(ROOT).join("share").join(path)
}

/// The folder of the programs.
fn programs() -> &'static Path {
    Path::new(SERVER).parent().unwrap()
}

/// Everything in a folder, however deep, by its path in there.
fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_path_buf()];
    let mut at = 0;
    while at < found.len() {
        if found[at].is_dir() {
            let inside = fs::read_dir(&found[at]).unwrap();
            found.extend(inside.map(|entry| entry.unwrap().path()));
        }
        at += 1;
    }
    let files = found.iter().filter(|path| path.is_file());
    files.map(|path| path.strip_prefix(folder).unwrap().to_owned()).collect()
}

/// The settings of a service, but for its commands, its user and its folders.
fn settings(unit: &str) -> Vec<(&str, &str)> {
    let (_, service) = unit.split_once("[Service]").unwrap();
    let service = service.split("[Install]").next().unwrap();
    let settings = service.lines().filter_map(|line| line.split_once('='));
    let others = ["ExecStart", "ExecReload", "User", "StateDirectory"];
    let is_one = |key: &str| key.chars().all(char::is_alphabetic) && !others.contains(&key);
    settings.filter(|(key, _)| is_one(key)).collect()
}

// systemd.

/// The units, with the program that is tested.
fn copy_units(to: &Path) -> Vec<PathBuf> {
    let copy = |name: PathBuf| {
        let unit = fs::read_to_string(share("systemd").join(&name)).unwrap();
        let tested = unit.replace("ExecStart=tinychat-server", &format!("ExecStart={SERVER}"));
        fs::write(to.join(&name), tested).unwrap();
        to.join(name)
    };
    files_in(&share("systemd")).into_iter().map(copy).collect()
}

#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    let Some(folder) = with_programs(&["systemd-analyze"]) else { return };
    let units = copy_units(folder.path());
    let verify = Command::new("systemd-analyze").args(["verify", "--man=no"]).args(&units).output();
    // What else is wrong on this machine is none of ours.
    let said = String::from_utf8_lossy(&verify.unwrap().stderr).into_owned();
    let ours: Vec<_> = said.lines().filter(|line| line.contains("tinychat")).collect();
    assert!(ours.is_empty(), "{ours:#?}");
    for unit in units.iter().filter(|unit| unit.extension().is_some_and(|it| it == "service")) {
        let threshold = format!("--threshold={EXPOSURE}");
        let words = ["security", "--no-pager", "--offline=true", &threshold];
        let rated = Command::new("systemd-analyze").args(words).arg(unit).output().unwrap();
        if String::from_utf8_lossy(&rated.stderr).contains("unrecognized option") {
            return eprintln!("SKIPPED: this systemd-analyze rates no files");
        }
        assert!(rated.status.success(), "{}", String::from_utf8_lossy(&rated.stdout));
    }
}

#[test]
fn the_units_command_starts_a_server_on_its_state_directory() {
    story(async |world| {
        let (data, address) = (world.path("state"), free_address().to_string());
        let command = SERVICE.lines().find_map(|it| it.strip_prefix("ExecStart=tinychat-server "));
        let command = format!("exec {SERVER} {}", command.unwrap().replace("[::]:7878", &address));
        let server = Launch::program("sh").with(&["-c", &command]);
        let mut server = server.variable("STATE_DIRECTORY", &data).start();
        server.says(&address).await;
        server.signal("TERM");
        server.finish().await.exited(0);
        assert!(data.join("mailbox").exists());
    });
}

/// What the unit for backups does, one after another, with another folder for state.
fn backup_script(state: &Path) -> String {
    let commands = BACKUP.lines().filter_map(|it| it.strip_prefix("ExecStart=tinychat-server "));
    let commands: Vec<_> = commands.map(|words| format!("{SERVER} {words}")).collect();
    assert_eq!(commands.len(), 2, "{commands:?}");
    commands.join("\n").replace("%S", state.to_str().unwrap())
}

#[test]
fn the_unit_for_backups_keeps_the_newest_and_removes_what_was_cut_short() {
    story(async |world| {
        let state = world.path("state");
        let backups = state.join("tinychat-server-backups");
        make_private(&backups);
        for day in 1..=14 {
            let name = format!("tinychat-2020-01-{day:02}T00-00-00Z.backup");
            fs::write(backups.join(name), "").unwrap();
        }
        fs::write(backups.join("tinychat.backup.partial"), "").unwrap();
        fs::create_dir(backups.join("tinychat.backup.partial.check")).unwrap();
        let mut server = Launch::server(free_address(), &state.join("tinychat-server")).start();
        server.says("listening on").await;
        let script = Launch::program("sh").with(&["-ec", &backup_script(&state)]);
        let printed = script.pipe("").await.exited(0).text();
        server.signal("TERM");
        server.finish().await.exited(0);
        assert!(printed.contains(" can be restored, of 20"), "{printed}");
        let names = fs::read_dir(&backups).unwrap().map(|it| it.unwrap().path());
        let is_lock = |path: &Path| path.extension().is_some_and(|it| it == "lock");
        let left: BTreeSet<_> = names.filter(|it| !is_lock(it)).collect();
        assert_eq!(left.len(), 14, "{left:?}");
        let first = left.first().unwrap();
        assert!(first.ends_with("tinychat-2020-01-02T00-00-00Z.backup"), "{left:?}");
        restore(&world.path("restored"), left.last().unwrap()).await.exited(0);
    });
}

// Nix.

#[test]
fn readme_runs_the_image_of_this_version() {
    let Ok(readme) = fs::read_to_string(Path::new(ROOT).join("README.md")) else {
        return eprintln!("SKIPPED: there is no README beside these sources");
    };
    let image = concat!(" tinychat-server:", env!("CARGO_PKG_VERSION"), "`");
    assert!(readme.contains(image), "{image} is not in README");
}

#[test]
fn nix_reads_the_module_and_its_test() {
    if with_programs(&["nix-instantiate"]).is_none() {
        return;
    }
    for file in ["share/nixos/module.nix", "tests/nixos.nix"] {
        let mut nix = Command::new("nix-instantiate");
        nix.args(["--parse", "--store", "dummy://"]).arg(Path::new(ROOT).join(file));
        let parsed = nix.output().unwrap();
        assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    }
}

#[test]
fn the_module_sets_what_the_units_set() {
    for (key, value) in settings(SERVICE).into_iter().chain(settings(BACKUP)) {
        let says = |word: &str| {
            let word = if word == "yes" { "true" } else { word };
            let [plain, quoted] = [format!("{key} = {word};"), format!("\"{word}\"")];
            MODULE.contains(&plain) || MODULE.contains(&quoted)
        };
        let is_set = MODULE.contains(&format!(" {key} = "));
        assert!(is_set && value.split_whitespace().all(says), "{key}={value} is not in the module");
    }
}

#[test]
fn the_modules_options_stand_for_flags_that_there_are() {
    story(async |_| {
        let help = Launch::operator(&["--help"]).pipe("").await.exited(0).text();
        let (_, taken) = MODULE.split_once("taken = [").unwrap();
        let (taken, _) = taken.split_once(']').unwrap();
        let flags: Vec<_> = taken.split('"').skip(1).step_by(2).collect();
        assert!(flags.len() > 5, "{flags:?}");
        for flag in flags {
            assert!(help.contains(&format!("  --{flag} ")), "--{flag} is not in:\n{help}");
        }
    });
}

// Debian.

/// What Cargo.toml says of the Debian package.
fn debian() -> toml::Value {
    let manifest: toml::Table = MANIFEST.parse().unwrap();
    manifest["package"]["metadata"]["deb"].clone()
}

#[test]
fn the_debian_package_takes_all_pages_and_completions_from_where_they_are_put() {
    story(async |world| {
        let made = world.path("share");
        let pages = Launch::program("sh").with(&[share("pages").to_str().unwrap()]);
        let pages = pages.with_word(programs().as_os_str()).with_word(made.as_os_str());
        pages.pipe("").await.exited(0).was_quiet();
        let page = Launch::tinychat(&["man", "upgrade"]).pipe("").await.exited(0).text();
        let installed = fs::read_to_string(made.join("man/man7/tinychat-upgrade.7")).unwrap();
        assert_eq!(installed, page);
        let folder =
            |file: &PathBuf| format!("target/share/{}/*", file.parent().unwrap().display());
        let folders: BTreeSet<_> = files_in(&made).iter().map(folder).collect();
        let package = debian();
        let assets = package["assets"].as_array().unwrap().iter();
        let sources: Vec<_> = assets.map(|asset| asset[0].as_str().unwrap().to_owned()).collect();
        let pages = sources.iter().filter(|it| it.starts_with("target/share/")).cloned();
        assert_eq!(pages.collect::<BTreeSet<_>>(), folders);
        for source in sources.iter().filter(|it| it.starts_with("share/")) {
            assert!(Path::new(ROOT).join(source).is_file(), "there is no {source}");
        }
    });
}

#[test]
fn the_debian_package_has_all_units_and_starts_none() {
    let package = debian();
    let units = package["systemd-units"].as_array().unwrap();
    let is_off = |unit: &toml::Value, key: &str| unit[key].as_bool() == Some(false);
    assert!(units.iter().all(|unit| is_off(unit, "enable") && is_off(unit, "start")));
    let named: BTreeSet<_> = units.iter().map(|it| it["unit-name"].as_str().unwrap()).collect();
    let files = files_in(&share("systemd"));
    let there: BTreeSet<_> =
        files.iter().map(|it| it.file_stem().unwrap().to_str().unwrap()).collect();
    assert_eq!(named, there);
}
