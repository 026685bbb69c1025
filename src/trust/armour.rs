//! The armour of OpenSSH's private keys and signatures: base64 between a begin line and an end line.
//!
//! Programs break its lines at 64, 70 or 76 characters, or not at all, and `ssh-keygen` reads all of that; `ssh-key`
//! reads only 70. Owned by nobody. Invariant: the contents stay as they were.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How many characters of base64 `ssh-key` wants in a line.
const WIDTH: usize = 70;

/// The same as `ssh-key` takes it, without what stands before and behind it; none if there is no such armour.
pub(super) fn rewrapped(text: &[u8], label: &str) -> Option<String> {
    let inside = inside(text, label)?;
    let mut armour = format!("-----BEGIN {label}-----\n");
    for (index, character) in inside.char_indices() {
        if index > 0 && index % WIDTH == 0 {
            armour.push('\n');
        }
        armour.push(character);
    }
    Some(armour + &format!("\n-----END {label}-----\n"))
}

/// The bytes inside; none if there is no such armour, or if it is damaged.
pub(super) fn bytes(text: &[u8], label: &str) -> Option<Vec<u8>> {
    STANDARD.decode(inside(text, label)?).ok()
}

/// The base64 inside, in one piece.
fn inside(text: &[u8], label: &str) -> Option<String> {
    // What stands before or behind may be in any encoding.
    let text = String::from_utf8_lossy(text);
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let is_blank = |it: char| it.is_whitespace() || it == MARK;
    let mut lines = text.split(['\n', '\r']).map(|line| line.trim_matches(is_blank));
    lines.find(|line| *line == begin)?;
    let mut inside = String::new();
    for line in lines {
        if line == end {
            return Some(inside);
        }
        inside.extend(line.split_whitespace());
    }
    None
}

/// What some editors put before a text, the byte-order mark.
pub(super) const MARK: char = '\u{feff}';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ssh_key::{HashAlg, LineEnding, PrivateKey, SshSig};

    use super::*;
    use crate::trust::Identity;

    const KEY: &str = "OPENSSH PRIVATE KEY";
    const SIGNATURE: &str = "SSH SIGNATURE";

    /// How a program may write it.
    fn written(armour: &str, width: usize, end: &str, blank: &str) -> String {
        let mut lines = armour.lines();
        let (begin, finish) = (lines.next().unwrap(), lines.next_back().unwrap());
        let inside: Vec<char> = lines.collect::<String>().chars().collect();
        let lines = inside.chunks(width).map(|line| line.iter().collect::<String>());
        let inside: String = lines.map(|line| format!("{blank}{line}{blank}{end}")).collect();
        format!("{begin}{end}{inside}{finish}{end}")
    }

    proptest! {
        #[test]
        fn lines_may_have_any_width_and_end(
            width in 1_usize..300,
            end in prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n"]),
            blank in prop::sample::select(vec!["", " ", "\t", " \t "]),
            before in prop::sample::select(vec!["", "\u{feff}", "\n\n", "a comment\n"]),
            behind in prop::sample::select(vec!["", "\n", "ssh-ed25519 AAAA\n"]),
        ) {
            let key = ssh_key::private::Ed25519Keypair::from_seed(&[7; 32]);
            let key = PrivateKey::from(key);
            let signature = key.sign("tinychat", HashAlg::Sha512, b"text").unwrap();
            let armour = key.to_openssh(LineEnding::LF).unwrap();
            let text = format!("{before}{}{behind}", written(&armour, width, end, blank));
            let read = PrivateKey::from_openssh(rewrapped(text.as_bytes(), KEY).unwrap()).unwrap();
            prop_assert_eq!(read.to_bytes().unwrap(), key.to_bytes().unwrap());
            prop_assert_eq!(bytes(text.as_bytes(), KEY).unwrap(), key.to_bytes().unwrap().to_vec());
            let armour = signature.to_pem(LineEnding::LF).unwrap();
            let text = format!("{before}{}{behind}", written(&armour, width, end, blank));
            let read = rewrapped(text.as_bytes(), SIGNATURE).unwrap();
            prop_assert_eq!(SshSig::from_pem(read).unwrap(), signature);
        }

        #[test]
        fn what_is_no_armour_is_none(text: Vec<u8>) {
            prop_assert_eq!(rewrapped(&text, KEY), None);
        }
    }

    #[test]
    fn half_an_armour_is_none() {
        let signature = Identity::generate().unwrap().sign("tinychat", "text").unwrap();
        let half = signature.rsplit_once('\n').and_then(|(rest, _)| rest.rsplit_once('\n'));
        assert_eq!(rewrapped(half.unwrap().0.as_bytes(), SIGNATURE), None);
        assert_eq!(rewrapped(signature.as_bytes(), KEY), None);
    }
}
