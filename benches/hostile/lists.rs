//! Device lists: asked for, and said, again and again.

use std::net::SocketAddr;

use tinychat::message::{Installation, Timestamp};
use tinychat::trust::Identity;
use tinychat::trust::devices::{Device, DeviceList, MAX_DEVICES, MAX_GONE, Owner, SignedList};

use super::Result;
use super::means::{Deed, mallory, shouts_as};

/// Each time the server reads it from the mailbox.
pub(crate) fn devices(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let mut mallory = mallory(server, &identity)?;
    mallory.socket.out.extend_from_slice(words(&identity)?.as_bytes());
    mallory.socket.flush()?;
    while !mallory.socket.next_line()?.starts_with(b"LISTED ") {}
    Ok(vec![shouts_as(server, identity, "DEVICES mallory\r\n".into())])
}

/// Each time the server verifies the signature.
pub(crate) fn list(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let words = words(&identity)?;
    Ok(vec![shouts_as(server, identity, words)])
}

/// What says mallory's list.
fn words(identity: &Identity) -> Result<String> {
    let list = longest(identity)?;
    let statement = std::str::from_utf8(list.bytes())?;
    Ok(format!("LIST {}\r\n{statement}\r\n", statement.len()))
}

/// A list with as many devices as there may be, and as many that are gone.
fn longest(identity: &Identity) -> Result<SignedList> {
    let device = |number| -> Result<Device> {
        let key = Identity::generate()?.public();
        Ok(Device { installation: Installation::from_u64(number), key })
    };
    let owner = Owner { server: None, name: "mallory".parse()?, identity: identity.public() };
    let mut list = DeviceList::first(owner, device(1)?, Timestamp(0));
    for number in 2..=(MAX_DEVICES + MAX_GONE) as u64 {
        list = list.with(device(number)?, Timestamp(0)).ok_or("there is no next version")?;
    }
    Ok(SignedList::sign(list, identity)?)
}
