//! Any bytes as one of the files in a server's data folder: an operator is told what is wrong with it, and nothing
//! panics.
//!
//! The mailbox's journal is a whole one in which some bytes are others: each five are an offset and a byte.

#![no_main]

mod common;

use std::fs;
use std::panic::{self, Location};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;
use tinychat::server::{Config, Server, StartError, Tls, control};
use tinychat::trust::CertificateFiles;
use tinychat::trust::tls::Certificates;

const JOURNAL: &str = "mailbox/0.jnl";

/// What the first byte chooses from, and who reads it.
const FILES: &[(&str, fn(&Path))] = &[
    ("names", operate),
    ("contacts", operate),
    ("mailbox.watermark", operate),
    ("blobs/00000000000000000000000000000001", operate),
    ("blobs/00000000000000000000000000000001.part", operate),
    ("key.pem", protect),
    ("certificate.pem", protect),
    ("addresses", start),
    (JOURNAL, operate),
    ("seen", start),
];

/// Where the mailbox's engine is, which has assertions on what it reads.
const ENGINE: [&str; 2] = ["/fjall-", "/lsm-tree-"];

/// How many of the zeros are kept that a journal is preallocated with.
const ZEROS: usize = 64;

/// A folder that a server has left.
static LEFT: LazyLock<TempDir> = LazyLock::new(|| {
    spare_the_engine();
    let folder = common::folder();
    let data = data(&folder);
    serve(&data, Tls::Own).unwrap();
    fs::create_dir_all(data.join("blobs")).unwrap();
    let mut journal = fs::read(data.join(JOURNAL)).unwrap();
    let written = journal.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    journal.truncate(written + ZEROS);
    fs::write(data.join(JOURNAL), journal).unwrap();
    folder
});

fn data(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, content)) = common::choice(bytes, FILES.len()) else { return };
    let (name, read) = FILES[which];
    let left = data(&LEFT);
    // Of its own: a mailbox that was opened for an operator may still be closing when that has failed.
    let folder = common::folder();
    let data = data(&folder);
    common::copy(&left, &data);
    let path = data.join(name);
    let content = if name == JOURNAL { common::changed(&path, content) } else { content.into() };
    fs::write(&path, content).unwrap();
    read(&data);
});

/// A panic of the engine is caught where the mailbox is opened, and is damage like other.
fn spare_the_engine() {
    let otherwise = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let is_engines = |at: &Location| ENGINE.iter().any(|name| at.file().contains(name));
        if !panic.location().is_some_and(is_engines) {
            otherwise(panic);
        }
    }));
}

fn operate(data: &Path) {
    let mut out = Vec::new();
    let _ = control::check(data, false, &mut out);
    let _ = control::operate(data, &["list"], &mut out);
}

fn protect(data: &Path) {
    let (certificate, key) = (data.join("certificate.pem"), data.join("key.pem"));
    let _ = Certificates::open(CertificateFiles { certificate, key });
}

fn start(data: &Path) {
    let _ = serve(data, Tls::Off);
}

/// Starts a server and ends it.
fn serve(data: &Path, tls: Tls) -> Result<(), StartError> {
    let listen = format!("unix:{}", data.with_file_name("socket").display());
    let config = Config { tls, ..Config::new(vec![listen], data.into()) };
    async_std::task::block_on(async {
        Server::bind(config).await?.run(async {}).await;
        Ok(())
    })
}
