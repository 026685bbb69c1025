//! Lists of a person's devices: who signs which, and that `ssh-keygen` makes and checks them.

use std::fs;
use std::path::Path;

use tinychat::message::{Installation, Timestamp};
use tinychat::trust::devices::{Device, DeviceList, Owner, SignedList, SignedListError};
use tinychat::trust::{Fingerprint, Identity, KeyFile};

use crate::keys::{shell, with_programs};

/// Has `ssh-keygen` check the list in the file `statement` as john's, whose key is beside it.
pub(crate) const VERIFY: &str = "echo \"john $(cat id.pub)\" > allowed
    ssh-keygen -Y verify -f allowed -I john -n tinychat-devices -s text.sig < text";

/// What a statement is taken apart into: a text and its signature.
pub(crate) const SPLIT: &str = "sed '/^-----BEGIN SSH SIGNATURE-----$/,$d' statement > text
                     sed -n '/^-----BEGIN SSH SIGNATURE-----$/,$p' statement > text.sig\n";

/// Made with `ssh-keygen`, in a folder where it is `id`.
fn key(folder: &Path) -> Identity {
    shell(folder, "ssh-keygen -q -t ed25519 -N '' -C john -f id");
    let path = &folder.join("id");
    Identity::open(KeyFile { path, agent: None, passphrase: None }).unwrap()
}

fn list(identity: &Identity) -> DeviceList {
    let owner = Owner {
        server: Some(Fingerprint::of(b"a server")),
        name: "john".parse().unwrap(),
        identity: identity.public(),
    };
    let device = |number| Device {
        installation: Installation::from_u64(number),
        key: Identity::generate().unwrap().public(),
    };
    let first = DeviceList::first(owner, device(1), Timestamp::now());
    first.with(device(2), Timestamp::now()).unwrap()
}

#[test]
fn ssh_keygen_checks_a_list() {
    let Some(folder) = with_programs(&["ssh-keygen", "sed"]) else { return };
    let folder = folder.path();
    let identity = key(folder);
    let signed = SignedList::sign(list(&identity), &identity).unwrap();
    fs::write(folder.join("statement"), signed.bytes()).unwrap();
    let said = shell(folder, &format!("{SPLIT}{VERIFY}"));
    assert!(said.starts_with("Good \"tinychat-devices\" signature for john"), "{said}");
    let spoil = "sed -i 's/^version 2$/version 3/' text";
    shell(folder, &format!("{SPLIT}{spoil}\n! {{ {VERIFY}; }}"));
    let hash =
        "sed '/^-----BEGIN SSH/,$d' statement | openssl dgst -sha256 -binary | base64 | tr -d =";
    if with_programs(&["openssl"]).is_some() {
        assert_eq!(format!("SHA256:{}", shell(folder, hash).trim()), signed.hash().to_string());
    }
}

#[test]
fn a_list_may_be_signed_by_ssh_keygen() {
    let Some(folder) = with_programs(&["ssh-keygen"]) else { return };
    let folder = folder.path();
    let identity = key(folder);
    let list = list(&identity);
    fs::write(folder.join("text"), list.to_string()).unwrap();
    let sign =
        "ssh-keygen -q -Y sign -n tinychat-devices -f id text; cat text text.sig > statement";
    shell(folder, sign);
    let statement = fs::read(folder.join("statement")).unwrap();
    let signed = SignedList::read(statement.into()).unwrap();
    assert_eq!((signed.list(), signed.hash()), (&list, list.hash()));
    shell(folder, &format!("rm text.sig; {}", sign.replace("-n tinychat-devices", "-n file")));
    let statement = fs::read(folder.join("statement")).unwrap();
    let refused = SignedList::read(statement.into());
    assert!(matches!(refused, Err(SignedListError::Statement(_))), "{refused:?}");
}
