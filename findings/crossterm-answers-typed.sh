#!/usr/bin/env bash
# crossterm 0.29.0 hands terminal answers that its parser does not know to the program as typed keys.
#
# Expected: an answer is one well-formed control sequence, its end known by its form (ECMA-48), so one that a parser
# does not understand can be dropped whole. The answer to DA1, which crossterm knows, never reaches the program.
# Seen: only the first bytes are dropped, or become a key with Alt; the rest arrives as single key presses. A program
# that asks a terminal for its version or its background colour finds the answer in its input line.
# Output seen (keys of plain characters, A- for Alt):
#   DA1         none
#   DA2         1 ; 4 0 0 0 ; 3 2 c
#   XTVERSION   A-P > | k i t t y ( 0 . 3 2 . 2 ) A-\
#   OSC 11      A-] 1 1 ; r g b : 0 0 / 0 0 / 0 0 A-\
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_TARGET_DIR="$work/target"
cd "$work"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
crossterm = { version = "=0.29.0", default-features = false, features = ["events"] }
TOML
cat > src/main.rs <<'RUST'
use crossterm::event::{read, Event, KeyCode, KeyModifiers};
fn main() -> std::io::Result<()> {
    crossterm::terminal::enable_raw_mode()?;
    println!("ready\r");
    let mut keys = Vec::new();
    loop {
        match read()? {
            Event::Key(key) if key.code == KeyCode::Enter => break,
            Event::Key(key) => {
                let alt = if key.modifiers.contains(KeyModifiers::ALT) { "A-" } else { "" };
                keys.push(format!("{alt}{}", key.code));
            }
            other => keys.push(format!("{other:?}")),
        }
    }
    println!("keys:{}\r", keys.join(" "));
    crossterm::terminal::disable_raw_mode()
}
RUST
cat > drive.py <<'PYTHON'
import os, pty, sys
answers = [
    ("DA1", b"\x1b[?62;22c", ""),
    ("DA2", b"\x1b[>1;4000;32c", "1 ; 4 0 0 0 ; 3 2 c"),
    ("XTVERSION", b"\x1bP>|kitty(0.32.2)\x1b\\", "A-P > | k i t t y ( 0 . 3 2 . 2 ) A-\\"),
    ("OSC 11", b"\x1b]11;rgb:00/00/00\x1b\\", "A-] 1 1 ; r g b : 0 0 / 0 0 / 0 0 A-\\"),
]
def keys_for(answer):
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.argv[1], sys.argv[1:])
    output = b""
    while not (b"keys:" in output and output.endswith(b"\n")):
        if b"ready" in output and answer:
            os.write(terminal, answer + b"\r")  # Enter ends the program.
            answer = None
        output += os.read(terminal, 4096)
    os.close(terminal)
    os.waitpid(child, 0)
    return output.decode().split("keys:")[1].strip()
seen = {name: keys_for(answer) for name, answer, _ in answers}
for name, keys in seen.items():
    print(f"{name:<11} {keys or 'none'}")
sys.exit(any(seen[name] != keys for name, _, keys in answers))
PYTHON
nice timeout 600 cargo build --quiet || { echo "The build failed: nothing is shown."; exit 1; }
timeout 30 python3 drive.py "$work/target/debug/finding" || { echo "The behaviour has changed: other keys arrive."; exit 1; }
echo "Shown: answers that crossterm does not know arrive as key presses."
