//! Paths of any length and of any bytes, and folders in which nobody can be: each works, or is refused at the start with
//! what is wrong.

use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::keys::with_programs;
use crate::operators::operate;
use crate::programs::{Launch, free_address};
use crate::tls::make_key;
use crate::world::{World, story};

/// Makes a folder for its owner alone.
pub(crate) fn make_private(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    fs::set_permissions(folder, Permissions::from_mode(0o700)).unwrap();
}

/// Bytes that are no UTF-8.
fn no_text() -> OsString {
    OsString::from_vec(vec![0xff, b'a', b' ', b'\''])
}

/// A path with so many bytes more than others have, not all of which are text.
fn long(world: &World, bytes: usize) -> PathBuf {
    let mut path = world.path("long");
    let end = path.as_os_str().len() + bytes;
    while path.as_os_str().len() < end {
        path.push(no_text());
        path.push("x".repeat(90));
    }
    path
}

#[test]
fn a_persons_folder_may_have_any_path() {
    story(async |world| {
        for (name, bytes) in [("alice", 1), ("bob", 300)] {
            let data = long(world, bytes).join(name);
            let somebody = || Launch::at(world.address(), name, &data);
            let mut tail = somebody().with(&["tail"]).start();
            tail.says("following what others write").await;
            // Both ask the one that has the folder.
            somebody().with(&["send", "--to", "marie", "one"]).pipe("").await.exited(0);
            let status = somebody().with(&["status", "--json"]).pipe("").await;
            assert!(status.exited(0).text().contains("\"running\":true"), "{}", status.text());
            tail.signal("INT");
            tail.end().await.exited(130);
            somebody().to("marie").pipe("two\n").await.exited(0);
            let history = Launch::tinychat(&["history", "--user", name]).on(&data);
            assert_eq!(history.pipe("").await.exited(0).lines().len(), 2);
        }
        let too_long = long(world, 600);
        let john = Launch::at(world.address(), "john", &too_long).to("marie").pipe("x\n").await;
        john.exited(1).said("and a message store's at most").said("choose another with --data");
        assert!(!too_long.exists());
    });
}

#[test]
fn a_servers_folder_may_have_any_path_and_so_may_its_backup() {
    story(async |world| {
        for bytes in [1, 900] {
            let (data, address) = (long(world, bytes), free_address());
            let mut server = Launch::server(address, &data).start();
            server.says("listening on").await;
            operate(&["status"], &data).await.exited(0);
            let mut file = world.path("backup").into_os_string();
            file.push(no_text());
            file.push(bytes.to_string());
            let backup = Launch::operator(&["backup"]).on(&data).with_word(&file);
            backup.pipe("").await.exited(0);
            server.signal("TERM");
            server.end().await.exited(0);
            operate(&["check"], &data).await.exited(0);
            let mut other = data.into_os_string();
            other.push("-restored");
            let restore = Launch::operator(&["restore"]).on(Path::new(&other)).with_word(&file);
            restore.pipe("").await.exited(0);
            operate(&["check"], Path::new(&other)).await.exited(0);
        }
    });
}

#[test]
fn a_servers_socket_may_have_a_path_of_any_length() {
    story(async |world| {
        let folder = world.path(&"x".repeat(120));
        make_private(&folder);
        let address = format!("unix:{}", folder.join("socket").display());
        for _ in 0..2 {
            let launch = Launch::operator(&["--tls", "off", "--listen", &address]);
            let mut server = launch.on(&world.path("server-1")).start();
            server.says("listening on unix:").await;
            let john = Launch::at(&address, "john", &world.path("john")).to("marie");
            john.pipe("hi\n").await.exited(0);
            // The next one clears away what is left of its socket.
            server.kill().await;
        }
    });
}

#[test]
fn keys_and_certificates_may_have_any_path() {
    if Command::new("ssh-keygen").arg("-?").output().is_err() {
        return eprintln!("SKIPPED: there is no ssh-keygen here");
    }
    story(async |world| {
        let (key, made) = (world.path("").join(no_text()), world.path("key"));
        make_key(made.to_str().unwrap(), "");
        fs::rename(&made, &key).unwrap();
        let john =
            Launch::of(world, "john").to("marie").with(&["--identity"]).with_word(key.as_os_str());
        john.pipe("hi\n").await.exited(0);
        let server = Launch::operator(&["--listen", "127.0.0.1:0", "--cert"]);
        let server = server.with_word(key.as_os_str()).with(&["--key"]).with_word(key.as_os_str());
        let refused = server.on(&world.path("server-1")).pipe("").await;
        // It is found, and is none.
        refused.exited(1).never_said("No such file").never_said("UTF-8");
        let other = Launch::tinychat(&["--user"]).with_word(&no_text());
        other.pipe("").await.exited(2).said("is not UTF-8");
    });
}

#[test]
fn what_stands_in_the_place_of_a_folder_is_named() {
    story(async |world| {
        let (file, link) = (world.path("file"), world.path("link"));
        fs::write(&file, "").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", &link).unwrap();
        for (data, what) in [
            (file.clone(), format!("{} is not a folder", file.display())),
            (file.join("below"), format!("{} is not a folder", file.display())),
            (link.clone(), format!("{} is a link that leads nowhere", link.display())),
            (world.path(&"x".repeat(300)), "its path is too long".into()),
        ] {
            refuses_both(world, &data, &what).await;
        }
    });
}

#[test]
fn a_folder_that_can_have_no_socket_is_refused_at_the_start() {
    story(async |world| {
        // Something that is no socket, and does not go for one.
        for name in ["socket", "control", "control.new"] {
            fs::create_dir_all(world.path("data").join(name).join("deeper")).unwrap();
        }
        make_private(&world.path("data"));
        let what = "cannot have a Unix socket in the data folder";
        refuses_both(world, &world.path("data"), what).await;
    });
}

/// Neither program starts with this folder, and both say why.
async fn refuses_both(world: &World, data: &Path, what: &str) {
    let john = Launch::at(world.address(), "john", data).to("marie").pipe("x\n").await;
    john.exited(1).printed(&[]).said(what).said("with --data").never_said("another process");
    let server = Launch::server(free_address(), data).pipe("").await;
    server.exited(1).said(what).said("with --data").never_said("listening on");
}

/// A disk of its own; none if this system lets nobody mount one here.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: PathBuf, options: &str) -> Option<Self> {
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tinychat-test"]).arg(&at);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("SKIPPED: cannot mount a tmpfs");
        None
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_takes_nothing_is_named() {
    story(async |world| {
        for (options, what) in
            [("size=4k,mode=700", "its disk is full"), ("ro,mode=700", "its disk is read-only")]
        {
            let Some(disk) = Disk::mount(world.path("disk"), options) else { return };
            // The one has room for that, the other does not take it.
            let _ = fs::write(disk.0.join("filler"), [1; 4096]);
            refuses_both(world, &disk.0.join("data"), what).await;
            refuses_both(world, &disk.0, what).await;
            assert!(!disk.0.join("probe").exists());
            drop(disk);
            fs::remove_dir(world.path("disk")).unwrap();
        }
    });
}

#[test]
fn what_was_said_can_be_read_on_a_disk_that_takes_nothing() {
    story(async |world| {
        let Some(disk) = Disk::mount(world.path("disk"), "size=4m,mode=700") else { return };
        let data = disk.0.join(no_text());
        Launch::at(world.address(), "john", &data).to("marie").pipe("hi\n").await.exited(0);
        let reads = async || {
            let history = Launch::tinychat(&["history", "--user", "john"]).on(&data);
            let text = history.pipe("").await.exited(0).text();
            assert!(text.ends_with("john to marie (stored, in the clear): hi\n"), "{text}");
        };
        let filler = disk.0.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
        reads().await;
        drop(file);
        fs::remove_file(&filler).unwrap();
        // Readers leave these where they can.
        for log in ["messages.db-wal", "messages.db-shm"] {
            let _ = fs::remove_file(data.join(log));
        }
        let remount = Command::new("mount").args(["-o", "remount,ro"]).arg(&disk.0).status();
        assert!(remount.unwrap().success());
        reads().await;
    });
}

#[test]
fn a_folder_of_somebody_else_is_named() {
    story(async |world| {
        if !rustix::process::geteuid().is_root() {
            return eprintln!("SKIPPED: only root can be somebody else");
        }
        if with_programs(&["setpriv"]).is_none() {
            return;
        }
        // Others may pass, and find a folder that is root's, and then one in which a file is.
        let place = Path::new("/tmp").join(format!("tinychat-test-{}", std::process::id()));
        fs::create_dir(&place).unwrap();
        let somebody = async |data: &Path| {
            let command = Launch::at(world.address(), "john", data).to("marie").into_command();
            let mut words = vec!["--reuid=65534", "--regid=65534", "--clear-groups"];
            words.push(command.get_program().to_str().unwrap());
            words.extend(command.get_args().map(|word| word.to_str().unwrap()));
            Launch::program("setpriv").with(&words).pipe("").await
        };
        let (roots, own) = (place.join("roots"), place.join("own"));
        make_private(&roots);
        make_private(&own);
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
        // As in a sandbox.
        if let Err(error) = std::os::unix::fs::chown(&own, Some(65534), Some(65534)) {
            fs::remove_dir_all(&place).unwrap();
            return eprintln!("SKIPPED: nothing can be made somebody else's: {error}");
        }
        fs::write(own.join("lock"), "").unwrap();
        fs::set_permissions(own.join("lock"), Permissions::from_mode(0o600)).unwrap();
        let refused = [somebody(&roots).await, somebody(&own).await];
        fs::remove_dir_all(&place).unwrap();
        if refused[0].err.contains("setpriv") {
            return eprintln!("SKIPPED: {}", refused[0].err);
        }
        refused[0].exited(1).said("it belongs to somebody else");
        refused[1].exited(1).said("own/lock belongs to somebody else");
    });
}
