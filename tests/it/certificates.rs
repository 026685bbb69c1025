//! Certificates that operators bring to a server: which go, and what is said of those that do not. `openssl` makes them all.

use std::path::Path;

use tinychat::trust::CertificateFiles;
use tinychat::trust::tls::Certificates;

use crate::keys::{shell, with_programs};
use crate::programs::Launch;
use crate::world::story;

/// A certificate as `NAME.pem` for a new key as `NAME.key`.
fn make(folder: &Path, name: &str, key: &str) {
    let words = format!("-nodes -keyout {name}.key -out {name}.pem -days 30 -subj /CN=tinychat");
    shell(folder, &format!("openssl req -x509 -newkey {key} {words}"));
}

fn open(folder: &Path, certificate: &str, key: &str) -> Result<Certificates, String> {
    let (certificate, key) = (folder.join(certificate), folder.join(key));
    let opened = Certificates::open(CertificateFiles { certificate, key });
    opened.map_err(|error| error.to_string())
}

const P256: &str = "ec -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn the_kinds_of_keys_that_the_manual_names_go() {
    let Some(folder) = with_programs(&["openssl"]) else { return };
    let folder = folder.path();
    let p384 = "ec -pkeyopt ec_paramgen_curve:P-384";
    for (name, key) in [("rsa", "rsa:2048"), ("p256", P256), ("p384", p384), ("ed25519", "ed25519")]
    {
        make(folder, name, key);
        open(folder, &format!("{name}.pem"), &format!("{name}.key")).unwrap();
    }
    // An editor may have marked the text.
    for file in ["p256.pem", "p256.key"] {
        shell(folder, &format!("{{ printf '\\357\\273\\277'; cat {file}; }} > marked.{file}"));
    }
    open(folder, "marked.p256.pem", "marked.p256.key").unwrap();
}

#[test]
fn what_does_not_go_is_named() {
    let Some(folder) = with_programs(&["openssl", "iconv", "ssh-keygen"]) else { return };
    let folder = folder.path();
    make(folder, "own", P256);
    make(folder, "p521", "ec -pkeyopt ec_paramgen_curve:P-521");
    make(folder, "ed448", "ed448");
    make(folder, "short", "rsa:1024");
    shell(
        folder,
        "openssl req -new -key own.key -subj /CN=x -out request
        openssl x509 -req -in request -signkey own.key -days 3 -out first.pem
        openssl pkey -in own.key -aes256 -passout pass:word -out locked.key
        openssl ec -in own.key -aes256 -passout pass:word -out old.key
        openssl pkey -in own.key -outform der -out der.key
        openssl x509 -in own.pem -outform der -out der.pem
        openssl pkey -in own.key -pubout -out pub
        iconv -f UTF-8 -t UTF-16 own.pem > utf16.pem
        sed '$d' own.pem > half.pem
        ssh-keygen -q -t ed25519 -N '' -f ssh
        : > empty",
    );
    let is_first = shell(folder, "openssl x509 -in first.pem -noout -text").contains("Version: 1 ");
    for (certificate, key, said, helps) in [
        ("p521.pem", "p521.key", "p521.pem is for an ECDSA key on P-521", "P-256 or P-384"),
        ("ed448.pem", "ed448.key", "ed448.pem is for an Ed448 key", "openssl genpkey"),
        ("short.pem", "short.key", "of a kind that does not go", "2048"),
        ("own.pem", "locked.key", "locked.key is locked by a passphrase", "openssl pkey -in "),
        ("own.pem", "old.key", "old.key is locked by a passphrase", "openssl pkey -in "),
        ("own.pem", "der.key", "der.key is not in PEM", "openssl pkey -in "),
        ("own.pem", "ssh", "is a key of OpenSSH's", "openssl genpkey"),
        ("own.pem", "pub", "is a public key", "--key"),
        ("own.pem", "empty", "is empty", "--key"),
        ("request", "own.key", "is a request for a certificate", "signer"),
        ("der.pem", "own.key", "der.pem is not in PEM", "openssl x509 -inform der"),
        ("utf16.pem", "own.key", "is text in UTF-16", "iconv"),
        ("half.pem", "own.key", "is damaged: its end is missing", ""),
        ("empty", "own.key", "is empty", "--cert"),
        ("first.pem", "own.key", "is an X.509 certificate of version 1", "openssl req -x509"),
    ] {
        if certificate == "first.pem" && !is_first {
            eprintln!("SKIPPED: this openssl makes no certificates of version 1");
            continue;
        }
        let error = open(folder, certificate, key).unwrap_err();
        assert!(error.contains(said) && error.contains(helps), "{certificate}, {key}: {error}");
    }
    // What is told to help does.
    let error = open(folder, "own.pem", "locked.key").unwrap_err();
    let command = error.split_once("; ").unwrap().1.split_once(" unlocks").unwrap().0;
    shell(folder, &format!("{} -passin pass:word", command.replace("NEW", "new.key")));
    open(folder, "own.pem", "new.key").unwrap();
}

#[test]
fn a_server_that_asks_for_a_certificate_is_none_of_ours() {
    story(async |world| {
        let Some(folder) = with_programs(&["openssl"]) else { return };
        let folder = folder.path();
        make(folder, "own", P256);
        for ask in ["-verify", "-Verify"] {
            let (certificate, key) = (folder.join("own.pem"), folder.join("own.key"));
            let files = ["-cert", certificate.to_str().unwrap(), "-key", key.to_str().unwrap()];
            let launch = Launch::program("openssl").with(&["s_server", "-accept", "127.0.0.1:0"]);
            let launch = launch.with(&files).with(&["-tls1_3", "-alpn", "tinychat/2", ask, "1"]);
            let mut server = launch.start();
            let address = loop {
                let line = server.next_line().await;
                if let Some(address) = line.strip_prefix("ACCEPT ") {
                    break address.to_owned();
                }
            };
            let words = ["--user", "alice", "--to", "bob", "--server", &address];
            let alice = Launch::tinychat(&words).on(&world.path(ask)).pipe("hello\n").await;
            alice.exited(3).said("it asks for a certificate of yours").never_said("is away");
            server.kill().await;
        }
    });
}
