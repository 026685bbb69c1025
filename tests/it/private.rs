//! What others on the machine cannot read: data folders that they could enter, files in folders where they write.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::operators::{operate, serve, sign_in, stop};
use crate::programs::Launch;
use crate::world::{World, story};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o777
}

/// A folder as somebody makes it who does not think of others.
fn open_folder(world: &World, name: &str, mode: u32) -> PathBuf {
    let folder = world.path(name);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    folder
}

/// Whatever others may read or write below a folder.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|it| it.unwrap().path()) {
        if entry.is_dir() {
            found.extend(open_to_others(&entry));
        }
        found.extend((mode(&entry) & 0o077 != 0).then_some(entry));
    }
    found
}

#[test]
fn a_persons_folder_that_others_could_enter_is_theirs_alone_from_then_on() {
    story(async |world| {
        let folder = open_folder(world, "john", 0o755);
        let johns = || Launch::of(world, "john").to("marie").pipe("hello\n");
        let told = "others could enter the data folder ";
        johns().await.exited(0).said(told).said("(mode 755); it is yours alone now");
        assert_eq!(mode(&folder), 0o700);
        johns().await.exited(0).was_quiet();
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).unwrap();
        let send = Launch::of(world, "john").with(&["send", "--to", "marie", "again"]);
        send.pipe("").await.exited(0).said(told);
        assert_eq!(mode(&folder), 0o700);
    });
}

#[test]
fn a_folder_that_is_for_others_too_is_refused_and_left_as_it_is() {
    story(async |world| {
        let folder = open_folder(world, "shared", 0o1777);
        let john = Launch::at(world.address(), "john", &folder).to("marie").pipe("hello\n").await;
        john.exited(1).said("others may enter").said("everybody puts things there");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("letter"), "").unwrap();
        let listen = ["--listen", "127.0.0.1:0", "--tls", "off"];
        let refused = operate(&listen, &folder).await;
        refused.exited(1).said("it has other things").said("chmod 700");
        assert_eq!((mode(&folder), fs::read_dir(&folder).unwrap().count()), (0o755, 1));
    });
}

#[test]
fn nobody_else_reads_what_waits_on_a_server_whoever_made_its_folder() {
    story(async |world| {
        let data = open_folder(world, "server-1", 0o755);
        let (mut server, address) = serve(&data, &[]).await;
        server.logs("others could enter the data folder").await;
        let mut john = sign_in(world, address, "john").await;
        john.talk("marie").await;
        john.say("marie", 1, "between us").await;
        john.expect("STORED marie 1").await;
        assert_eq!(mode(&data), 0o700);
        assert_eq!(open_to_others(&data), Vec::<PathBuf>::new());
        stop(server).await;
        // Nor what an operator does there without a server.
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        operate(&["check"], &data).await.exited(0).said("others could enter the data folder");
        assert_eq!(mode(&data), 0o700);
    });
}

#[test]
fn whoever_made_the_file_of_a_backup_first_reads_nothing_of_it() {
    story(async |world| {
        let place = open_folder(world, "place", 0o777);
        let (file, partial) = (place.join("backup"), place.join("backup.partial"));
        let backup = || async {
            let words = ["backup", file.to_str().unwrap()];
            operate(&words, &world.path("server")).await.exited(0);
            assert!(fs::read_dir(&place).unwrap().all(|it| it.unwrap().path() == file));
            assert_eq!(mode(&file), 0o600);
            fs::remove_file(&file).unwrap();
        };
        fs::write(&partial, "").unwrap();
        let mut planted = File::open(&partial).unwrap();
        backup().await;
        let mut read = Vec::new();
        planted.read_to_end(&mut read).unwrap();
        assert_eq!(read, b"");
        // Nor is it written wherever somebody wants it.
        let elsewhere = world.path("elsewhere");
        std::os::unix::fs::symlink(&elsewhere, &partial).unwrap();
        backup().await;
        assert!(!elsewhere.exists());
    });
}

#[test]
fn a_socket_is_not_put_where_anybody_may_put_something_else_in_its_place() {
    story(async |world| {
        let (place, data) = (open_folder(world, "place", 0o777), world.path("server-1"));
        let address = format!("unix:{}", place.join("socket").display());
        let listen = ["--listen", &address, "--tls", "off"];
        let refused = operate(&listen, &data).await;
        refused.exited(1).said("cannot listen on").said("anybody may put something else");
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
        // As in /tmp.
        fs::set_permissions(&place, Permissions::from_mode(0o1777)).unwrap();
        let mut server = Launch::operator(&listen).on(&data).start();
        server.says("listening on").await;
        stop(server).await;
    });
}
