//! Device lists with all prekeys: asked for, and said, again and again.

use std::net::SocketAddr;

use tinychat::folder::Folder;
use tinychat::message::{Installation, Timestamp};
use tinychat::trust::devices::{
    Bundle, Device, DeviceKey, DeviceList, MAX_DEVICES, MAX_GONE, Owner, Prekey, SignedList,
    SignedPrekey,
};
use tinychat::trust::{CurveKey, Identity};

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

/// Each time the server verifies all signatures.
pub(crate) fn list(server: SocketAddr) -> Result<Vec<Deed>> {
    let identity = Identity::generate()?;
    let words = words(&identity)?;
    Ok(vec![shouts_as(server, identity, words)])
}

/// What says mallory's list.
fn words(identity: &Identity) -> Result<String> {
    let bundle = longest(identity)?;
    let text = std::str::from_utf8(bundle.bytes())?;
    Ok(format!("LIST {}\r\n{text}\r\n", text.len()))
}

/// A list with as many devices as there may be, each with a prekey, and as many that are gone.
fn longest(identity: &Identity) -> Result<Bundle> {
    let keys = (0..MAX_DEVICES + MAX_GONE).map(|_| device_key()).collect::<Result<Vec<_>>>()?;
    let devices = (1..).zip(&keys).map(|(number, key)| device(number, key));
    let owner = Owner { server: None, name: "mallory".parse()?, identity: identity.public() };
    let mut list = DeviceList::first(owner, device(1, &keys[0]), Timestamp(0));
    for device in devices.skip(1) {
        list = list.with(device, Timestamp(0)).ok_or("there is no next version")?;
    }
    let mut bundle = Bundle::of(SignedList::sign(list.clone(), identity)?);
    for (device, key) in list.devices().iter().zip(&keys[MAX_GONE..]) {
        bundle = bundle.with(prekey(list.owner(), device, key)?)?;
    }
    Ok(bundle)
}

fn device_key() -> Result<DeviceKey> {
    let place = tempfile::tempdir()?;
    Ok(DeviceKey::open_or_create(&Folder::open(place.path())?)?)
}

fn device(number: u64, key: &DeviceKey) -> Device {
    Device { installation: Installation::from_u64(number), key: key.public() }
}

fn prekey(owner: &Owner, device: &Device, key: &DeviceKey) -> Result<SignedPrekey> {
    let prekey = Prekey {
        server: owner.server,
        name: owner.name.clone(),
        identity: owner.identity.fingerprint(),
        installation: device.installation,
        curve: CurveKey::from_bytes([1; 32]),
        fallback: CurveKey::from_bytes([2; 32]),
        number: 1,
        time: Timestamp(0),
    };
    Ok(SignedPrekey::sign(prekey, key)?)
}
