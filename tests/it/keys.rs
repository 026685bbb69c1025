//! Keys of every maker: those that sign in, and those that are named for what they are. All are made here, by the makers'
//! own programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use tinychat::trust::tls::Channel;
use tinychat::trust::{Identity, IdentityError, KeyFile};
use tinychat::wire::{SIGN_IN_NAMESPACE, sign_in_text};

use crate::world::story;

/// A folder for keys, if these programs are here to make them; else it is said which is not.
pub(crate) fn with_programs(programs: &[&str]) -> Option<TempDir> {
    let is_missing = |program: &&&str| {
        let look = ["-c", "command -v \"$1\" >/dev/null", "sh", **program];
        !Command::new("sh").args(look).status().unwrap().success()
    };
    if let Some(missing) = programs.iter().find(is_missing) {
        eprintln!("SKIPPED: there is no {missing} here");
        return None;
    }
    Some(tempfile::tempdir().unwrap())
}

/// Has a shell do something in a folder. What it prints.
#[track_caller]
pub(crate) fn shell(folder: &Path, script: &str) -> String {
    let mut command = Command::new("sh");
    command
        .args(["-e", "-c", &format!("umask 077; {script}")])
        .current_dir(folder)
        .stdin(Stdio::null());
    // Nothing of a person who runs the tests.
    command.env_remove("SSH_AUTH_SOCK").env_remove("DISPLAY");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const PASSPHRASE: &str = "open sesame";

fn open(path: &Path, passphrase: Option<&str>) -> Result<Identity, IdentityError> {
    Identity::open(KeyFile { path, agent: None, passphrase })
}

/// The key in a file is the one whose public half stands there.
#[track_caller]
fn is_read(folder: &Path, file: &str, public: &str) {
    let path = folder.join(file);
    let passphrase = Some(PASSPHRASE);
    let identity = open(&path, passphrase).unwrap_or_else(|error| panic!("{file}: {error}"));
    let line = std::fs::read(folder.join(public)).unwrap();
    let line = String::from_utf8_lossy(&line);
    assert_eq!(Some(identity.public().to_string().as_str()), line.split(' ').nth(1), "{file}");
    let signature = identity.sign("tinychat", "text").unwrap();
    assert!(identity.public().has_signed("tinychat", "text", signature.as_bytes()));
}

/// A key of OpenSSH's as `id`, with `id.pub` beside it.
const MAKE: &str = "ssh-keygen -q -t ed25519 -N '' -C alice -f id\n";

// Those that sign in.

#[test]
fn puttys_keys_are_read_once_they_are_exported() {
    let Some(folder) = with_programs(&["ssh-keygen", "puttygen"]) else { return };
    let folder = folder.path();
    shell(folder, &format!("{MAKE} echo {PASSPHRASE} > word; puttygen id -O private -o id.ppk"));
    shell(folder, "puttygen id.ppk -O private-openssh-new -o exported");
    shell(folder, "puttygen id.ppk -O private-openssh-new --new-passphrase word -o locked");
    is_read(folder, "exported", "id.pub");
    is_read(folder, "locked", "id.pub");
    let wrong = open(&folder.join("locked"), Some("open barley")).unwrap_err();
    assert!(matches!(wrong, IdentityError::Passphrase { .. }), "{wrong}");
}

#[test]
fn dropbears_keys_are_read_once_they_are_converted() {
    let Some(folder) = with_programs(&["dropbearkey", "dropbearconvert"]) else { return };
    let folder = folder.path();
    shell(folder, "dropbearkey -t ed25519 -f dropbear 2>&1 | grep ^ssh- > id.pub");
    shell(folder, "dropbearconvert dropbear openssh dropbear id");
    is_read(folder, "id", "id.pub");
}

#[test]
fn pythons_keys_are_read() {
    const SCRIPT: &str = "
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
key = Ed25519PrivateKey.generate()
def write(name, bytes): open(name, 'wb').write(bytes)
write('id', key.private_bytes(s.Encoding.PEM, s.PrivateFormat.OpenSSH, s.NoEncryption()))
write('id.pub', key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH) + b' me')
";
    let Some(folder) = with_programs(&["python3"]) else { return };
    let folder = folder.path();
    if !shell(folder, "python3 -c 'import cryptography' 2>&1 || true").is_empty() {
        eprintln!("SKIPPED: python3 has no cryptography here");
        return;
    }
    std::fs::write(folder.join("make.py"), SCRIPT).unwrap();
    shell(folder, "python3 make.py");
    is_read(folder, "id", "id.pub");
}

#[test]
fn keys_of_npms_ssh2_are_read() {
    const SCRIPT: &str = "
const { utils } = require('ssh2'), { writeFileSync } = require('fs');
for (const [name, how] of [['id', {}], ['locked', { passphrase: 'PASSPHRASE', cipher: 'aes256-ctr', rounds: 1 }]]) {
    const made = utils.generateKeyPairSync('ed25519', how);
    writeFileSync(name, made.private, { mode: 0o600 });
    writeFileSync(`${name}.pub`, made.public);
}
";
    let Some(folder) = with_programs(&["node"]) else { return };
    let folder = folder.path();
    if !shell(folder, "node -e 'require(\"ssh2\")' 2>&1 || true").is_empty() {
        eprintln!("SKIPPED: node has no ssh2 here");
        return;
    }
    std::fs::write(folder.join("make.js"), SCRIPT.replace("PASSPHRASE", PASSPHRASE)).unwrap();
    shell(folder, "node make.js");
    is_read(folder, "id", "id.pub");
    is_read(folder, "locked", "locked.pub");
}

#[test]
fn every_cipher_of_openssh_is_unlocked() {
    let Some(folder) = with_programs(&["ssh-keygen", "ssh"]) else { return };
    let folder = folder.path();
    shell(folder, MAKE);
    let ciphers = shell(folder, "ssh -Q cipher");
    assert!(ciphers.contains("3des-cbc"), "{ciphers}");
    for cipher in ciphers.lines() {
        let lock = format!("ssh-keygen -q -p -P '' -N '{PASSPHRASE}' -a 1 -Z {cipher} -f {cipher}");
        shell(folder, &format!("cp id {cipher}; {lock}"));
        is_read(folder, cipher, "id.pub");
        let wrong = open(&folder.join(cipher), Some("open barley")).unwrap_err();
        assert!(matches!(wrong, IdentityError::Passphrase { .. }), "{wrong}");
    }
}

#[test]
fn a_comment_may_be_in_any_encoding() {
    let Some(folder) = with_programs(&["ssh-keygen"]) else { return };
    let folder = folder.path();
    // "café" in Latin-1.
    let make = "ssh-keygen -q -t ed25519 -a 1 -C \"$(printf 'caf\\351')\"";
    shell(folder, &format!("{make} -N '' -f id"));
    is_read(folder, "id", "id.pub");
    for cipher in ["aes256-ctr", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        shell(folder, &format!("{make} -N '{PASSPHRASE}' -Z {cipher} -f {cipher}"));
        is_read(folder, cipher, &format!("{cipher}.pub"));
        let wrong = open(&folder.join(cipher), Some("open barley")).unwrap_err();
        assert!(matches!(wrong, IdentityError::Passphrase { .. }), "{wrong}");
    }
}

#[test]
fn what_stands_around_a_key_does_not_matter() {
    let Some(folder) = with_programs(&["ssh-keygen"]) else { return };
    let folder = folder.path();
    shell(folder, MAKE);
    for (name, script) in [
        ("with blank lines", "sed 's/$/\\n/' id"),
        ("from Windows", "sed 's/$/\\r/' id"),
        ("with the public half behind it", "cat id id.pub"),
        ("with the public half before it", "cat id.pub id"),
        ("in one line", "sed 1q id; sed '1d;$d' id | tr -d '\\n'; echo; tail -n 1 id"),
        ("without an end of its last line", "printf %s \"$(cat id)\""),
    ] {
        shell(folder, &format!("{{ {script}; }} > '{name}'"));
        is_read(folder, name, "id.pub");
    }
}

#[test]
fn a_public_key_may_stand_among_what_ssh_keygen_reads() {
    let Some(folder) = with_programs(&["ssh-keygen"]) else { return };
    let folder = folder.path();
    shell(folder, MAKE);
    for script in [
        "cat id.pub",
        "echo '# mine'; echo; cat id.pub",
        "sed 's/^/no-pty,command=\"echo \\\\\"ssh-rsa AAAA\" /' id.pub",
        "sed 's/ /\\t/g' id.pub",
        "sed 's/^/\\t /; s/ /   /g; s/$/\\r/' id.pub",
        "sed 's/^/host.example /' id.pub",
        "cat id.pub id.pub",
        "cut -d' ' -f1,2 id.pub",
        "printf '%s caf\\351\\n' \"$(cat id.pub)\"",
    ] {
        shell(folder, &format!("{{ {script}; }} > other.pub; ssh-keygen -lf other.pub"));
        let error = open(&folder.join("other.pub"), None).unwrap_err();
        assert!(matches!(error, IdentityError::Public { .. }), "{script}: {error}");
    }
}

#[test]
fn a_signature_may_have_lines_of_any_width() {
    story(async |world| {
        let identity = world.identity("alice");
        for (width, end) in [(64, "\n"), (70, "\n"), (76, "\r\n"), (1_000, "\n")] {
            let mut peer = world.connect().await;
            peer.send(&format!(
                "HELLO tinychat/2 alice {} 0000000000000001 online",
                identity.public()
            ))
            .await;
            let nonce = peer.challenge().await;
            let text = sign_in_text(&"alice".parse().unwrap(), &nonce, &Channel::Plain);
            let signature = identity.sign(SIGN_IN_NAMESPACE, &text).unwrap();
            let mut lines = signature.lines();
            let (begin, finish) = (lines.next().unwrap(), lines.next_back().unwrap());
            let inside: Vec<char> = lines.collect::<String>().chars().collect();
            let inside = inside.chunks(width).map(|it| it.iter().collect::<String>() + end);
            let inside: String = inside.collect();
            peer.send_proof(&format!("{begin}{end}{inside}{finish}{end}")).await;
            peer.expect("WELCOME alice").await;
        }
    });
}

// What is none.

/// What is said of a file.
#[track_caller]
fn refusal(path: &Path) -> String {
    open(path, None).unwrap_err().to_string()
}

#[test]
fn what_openssh_has_beside_ed25519_keys_is_named() {
    let Some(folder) = with_programs(&["ssh-keygen"]) else { return };
    let folder = folder.path();
    shell(folder, MAKE);
    shell(
        folder,
        "ssh-keygen -q -t ecdsa -N '' -f ecdsa; ssh-keygen -q -t rsa -b 2048 -N '' -f rsa",
    );
    shell(
        folder,
        "ssh-keygen -q -s id -I me -n alice ecdsa.pub; ssh-keygen -q -s ecdsa -I me id.pub",
    );
    shell(
        folder,
        "ssh-keygen -q -p -P '' -N word -a 1 -f ecdsa; ssh-keygen -e -f id.pub > rfc4716",
    );
    shell(folder, "cp rsa pem; ssh-keygen -q -p -P '' -N '' -m PEM -f pem; : > empty");
    let sk = "sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29t me";
    std::fs::write(folder.join("sk.pub"), sk).unwrap();
    for (file, is, helps) in [
        ("ecdsa", "is an ECDSA key", "ssh-keygen -t ed25519"),
        ("ecdsa.pub", "is an ECDSA key", "only Ed25519 keys can sign in"),
        ("rsa", "is an RSA key", "only Ed25519 keys can sign in"),
        ("rsa.pub", "is an RSA key", "only Ed25519 keys can sign in"),
        ("pem", "is an RSA key in PEM", "only Ed25519 keys can sign in"),
        ("id-cert.pub", "is a certificate from OpenSSH", "without -cert"),
        ("ecdsa-cert.pub", "is an ECDSA key", "only Ed25519 keys can sign in"),
        ("sk.pub", "is a FIDO key", "without such a device"),
        ("rfc4716", "is a public key as RFC 4716 has it", "ssh-keygen -i"),
        ("empty", "is empty", "ssh-keygen -t ed25519"),
    ] {
        let said = refusal(&folder.join(file));
        assert!(said.contains(is) && said.contains(helps), "{file}: {said}");
    }
}

#[test]
fn an_ed25519_key_of_openssl_is_read() {
    let Some(folder) = with_programs(&["openssl"]) else { return };
    let folder = folder.path();
    shell(folder, "openssl genpkey -algorithm ed25519 -out key");
    shell(folder, "openssl pkey -in key -pubout -outform der -out public");
    let word = open(&folder.join("key"), None).unwrap().public().to_string();
    let public = ssh_key::PublicKey::from_openssh(&format!("ssh-ed25519 {word}")).unwrap();
    let public = public.key_data().ed25519().unwrap().0;
    assert!(std::fs::read(folder.join("public")).unwrap().ends_with(&public));
}

#[test]
fn what_else_openssl_makes_is_named() {
    let Some(folder) = with_programs(&["openssl"]) else { return };
    let folder = folder.path();
    shell(
        folder,
        "openssl genpkey -algorithm ed25519 -out key; openssl pkey -in key -pubout -out public",
    );
    shell(folder, "openssl pkey -in key -aes256 -passout pass:word -out locked");
    shell(folder, "openssl req -x509 -key key -subj /CN=alice -out certificate");
    shell(
        folder,
        "openssl ecparam -name prime256v1 -genkey -out ec; openssl pkey -in ec -out p256",
    );
    for (file, is, helps) in [
        ("locked", "is a locked private key in PKCS#8", "openssl pkey -in "),
        ("public", "is a public key in PEM", "ssh-keygen -t ed25519"),
        ("certificate", "is an X.509 certificate", "ssh-keygen -t ed25519"),
        ("ec", "is an ECDSA key in PEM", "ssh-keygen -t ed25519"),
        ("p256", "is a private key in PKCS#8, and not an Ed25519 key", "ssh-keygen -t ed25519"),
    ] {
        let said = refusal(&folder.join(file));
        assert!(said.contains(is) && said.contains(helps), "{file}: {said}");
    }
    let said = refusal(&folder.join("locked"));
    let command = said.split_once(", openssl").unwrap().1.split_once(" unlocks").unwrap().0;
    let command = command.replace("NEW", "unlocked");
    shell(folder, &format!("openssl{command} -passin pass:word"));
    assert!(open(&folder.join("unlocked"), None).is_ok());
}

/// The command that was told to help, up to the words behind it, has made a key of this file.
#[track_caller]
fn is_helped(path: &Path, until: &str, made: &str) -> PathBuf {
    let said = refusal(path);
    let helps = said.split_once(": ").unwrap().1;
    let command = helps.split_once(until).unwrap_or_else(|| panic!("{said}")).0;
    shell(path.parent().unwrap(), command);
    PathBuf::from(format!("{}{made}", path.display()))
}

#[test]
fn the_commands_that_are_told_help() {
    let Some(folder) = with_programs(&["ssh-keygen", "puttygen", "dropbearkey"]) else { return };
    let folder = folder.path().join("my keys");
    std::fs::create_dir(&folder).unwrap();
    shell(
        &folder,
        &format!("{MAKE} puttygen id -O private -o id.ppk; ssh-keygen -e -f id.pub > id.4716"),
    );
    shell(&folder, "dropbearkey -t ed25519 -f dropbear");
    let exported = is_helped(&folder.join("id.ppk"), " makes one", ".openssh");
    assert!(open(&exported, None).is_ok());
    let converted = is_helped(&folder.join("dropbear"), " makes one", ".openssh");
    assert!(open(&converted, None).is_ok());
    let public = is_helped(&folder.join("id.4716"), " puts it", ".pub");
    assert!(matches!(open(&public, None), Err(IdentityError::Public { .. })));
}
