//! Any bytes as one of the files in a server's data folder: an operator is told what is wrong with it, and nothing
//! panics.

#![no_main]

mod common;

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tinychat::server::{Config, Server, Tls, control};
use tinychat::trust::CertificateFiles;
use tinychat::trust::tls::Certificates;

/// What the first byte chooses from.
const FILES: &[&str] = &[
    "names",
    "contacts",
    "mailbox.watermark",
    "blobs/00000000000000000000000000000001",
    "blobs/00000000000000000000000000000001.part",
    "key.pem",
    "certificate.pem",
];

/// A folder that a server has left.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = common::folder();
    let listen = format!("unix:{}", folder.path().join("socket").display());
    let config = Config { tls: Tls::Own, ..Config::new(vec![listen], data(&folder)) };
    async_std::task::block_on(async {
        Server::bind(config).await.unwrap().run(async {}).await;
    });
    fs::create_dir_all(data(&folder).join("blobs")).unwrap();
    folder
});

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, content)) = common::choice(bytes, FILES.len()) else { return };
    let data = data(&FOLDER);
    let path = data.join(FILES[which]);
    let before = fs::read(&path).ok();
    fs::write(&path, content).unwrap();
    if FILES[which].ends_with(".pem") {
        let (certificate, key) = (data.join("certificate.pem"), data.join("key.pem"));
        let _ = Certificates::open(CertificateFiles { certificate, key });
    } else {
        let mut out = Vec::new();
        let _ = control::check(&data, false, &mut out);
        let _ = control::operate(&data, &["list"], &mut out);
    }
    match before {
        Some(before) => fs::write(&path, before).unwrap(),
        None => drop(fs::remove_file(&path)),
    }
});
