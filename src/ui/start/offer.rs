//! Offers to write what worked the first time into `config.toml`, so that nobody need say it again.
//!
//! Owned by the [first start](super::first). Invariants: it is asked once, of a person who has no such file; a file
//! that is there stays as it is; an invitation is not written down, for it is valid once.

use std::path::{Path, PathBuf, absolute};

use futures::future::Either;

use super::entry::{Error, Options};
use super::person::Person;
use crate::client::{HANDSHAKE, Seal, Target};
use crate::exit::Exit;
use crate::message::Name;
use crate::time_text;
use crate::ui::settings::{Set, Settings};

/// Asks. Gives an exit code if it is not answered, but by a signal.
pub(super) async fn make(
    person: &mut Person<'_>,
    options: &Options,
    user: &Name,
) -> Result<Option<Exit>, Error> {
    let (Ok(path), Some(set)) = (Settings::path(), worked(options, user)) else { return Ok(None) };
    // Also a link that leads nowhere is something.
    if path.symlink_metadata().is_ok() {
        return Ok(None);
    }
    match person.agrees(&question(&path, &set)).await? {
        Either::Left(false) => {}
        Either::Left(true) => match Settings::make(&path, &set) {
            Ok(()) => person.screen.note(&format!("written into {}", path.display())),
            Err(error) => person.screen.problem(&error.to_string()),
        },
        Either::Right(exit) => return Ok(Some(exit)),
    }
    Ok(None)
}

fn question(path: &Path, set: &[Set]) -> String {
    let keys: Vec<&str> = set.iter().map(|(key, _)| *key).collect();
    let keys = match keys.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => keys.concat(),
    };
    let path = path.display();
    format!("Write {keys} into {path}, so that the next start needs no flags? [Y/n] ")
}

/// What was said, or asked for, and is not so by itself. None if it is no text.
fn worked(options: &Options, user: &Name) -> Option<Vec<Set>> {
    let Options { server, tls, proxies, handshake, to, data, identity, seal, .. } = options;
    let mut set = vec![("server", address(server).into())];
    set.extend((!tls).then(|| ("tls", false.into())));
    set.extend(proxies.said().map(|proxy| ("proxy", proxy.into())));
    if *handshake != HANDSHAKE {
        let handshake = time_text::duration(*handshake);
        set.push(("handshake", handshake.into()));
    }
    set.extend((*seal == Seal::Always).then(|| ("seal", "always".into())));
    set.push(("user", user.as_str().into()));
    set.extend(to.as_ref().map(|to| ("to", to.as_str().into())));
    for (key, path) in [("data", data), ("identity", identity)] {
        if let Some(path) = path {
            set.push((key, text(path)?.into()));
        }
    }
    Some(set)
}

/// An address as it is written behind `--server`, without what was good once.
fn address(server: &Target) -> String {
    Target { invite: None, ..server.clone() }.to_string()
}

/// A path that means the same wherever the next start is.
fn text(path: &PathBuf) -> Option<String> {
    absolute(path).ok()?.into_os_string().into_string().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::Proxies;
    use crate::trust::{Fingerprint, Invite};
    use crate::ui::settings;

    /// What somebody says who says no more.
    pub(crate) fn options(server: &str) -> Options {
        Options {
            server: server.parse().unwrap(),
            misnamed: None,
            tls: true,
            proxies: Proxies::default(),
            handshake: HANDSHAKE,
            user: None,
            to: None,
            data: None,
            identity: None,
            commands: false,
            follow: false,
            receipts: false,
            seal: Seal::default(),
            read_receipts: false,
            timeout: Duration::ZERO,
            get_up_to: 0,
        }
    }

    fn john() -> Name {
        "john".parse().unwrap()
    }

    #[test]
    fn what_is_so_by_itself_is_not_written() {
        let set = worked(&options("host"), &john()).unwrap();
        assert_eq!(set, [("server", "host:7878".into()), ("user", "john".into())]);
        let question = question(Path::new("/home/config.toml"), &set);
        assert!(question.starts_with("Write server and user into /home/config.toml, so"));
    }

    #[test]
    fn what_was_said_is_written_but_no_invitation() {
        let (key, invite) = (Fingerprint::of(b"key"), Invite::generate());
        let mut options = options(&format!("tinychat://host:1?invite={invite}#{key}"));
        (options.tls, options.to) = (false, Some("marie".parse().unwrap()));
        (options.data, options.identity) = (Some("/data".into()), Some("key".into()));
        options.proxies = Proxies::new(Some("socks5h://127.0.0.1:9050".into()), None, |_| None);
        options.handshake = Duration::from_secs(90);
        let set = worked(&options, &john()).unwrap();
        let keys: Vec<&str> = set.iter().map(|(key, _)| *key).collect();
        let all = ["server", "tls", "proxy", "handshake", "user", "to", "data", "identity"];
        assert_eq!(keys, all);
        assert_eq!(set[2].1, "socks5h://127.0.0.1:9050".into());
        assert_eq!(settings::handshake(set[3].1.as_str().unwrap()), Ok(options.handshake));
        assert_eq!(set[0].1, format!("tinychat://host:1#{key}").into());
        let identity = std::env::current_dir().unwrap().join("key");
        assert_eq!(set[7].1, identity.to_str().unwrap().into());
        let server: Target = set[0].1.as_str().unwrap().parse().unwrap();
        assert_eq!(server, Target { invite: None, ..options.server });
    }

    #[test]
    fn what_is_no_text_cannot_be_written() {
        use std::os::unix::ffi::OsStringExt;
        let data = std::ffi::OsString::from_vec(vec![b'/', 0xff]).into();
        let options = Options { data: Some(data), ..options("host") };
        assert_eq!(worked(&options, &john()), None);
    }

    #[test]
    fn the_address_of_a_socket_is_written_as_it_is_read() {
        let key = Fingerprint::of(b"key");
        for text in [format!("unix:/run/chat#{key}"), "unix:/run/chat".into()] {
            assert_eq!(address(&text.parse().unwrap()), text);
        }
    }
}
