#!/usr/bin/env bash
# rustyline 19.0.0: `ExternalPrinter::print` blocks its caller for as long as reverse search (Ctrl-R) is open.
#
# Expected: `print` is there to write from another thread while a line is edited, and returns at once: at the plain prompt
# it does, and the text shows. Its documentation names an I/O error as all that can go wrong.
# Seen: while the search is open, printed lines are not shown. The first waits in a channel with room for one; the second
# call returns when the user leaves the search. A program that prints from the task that reads its network reads no more.
# Output seen (here the search is left after 3 s):
#   call 1, at the prompt       0 ms
#   call 2, during the search   0 ms
#   call 3, during the search   3003 ms
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
rustyline = { version = "=19.0.0", default-features = false }
TOML
cat > src/main.rs <<'RUST'
use rustyline::{DefaultEditor, ExternalPrinter};
use std::{fs, io::{BufRead, BufReader, Write}, time::Instant};
fn main() -> rustyline::Result<()> {
    let mut editor = DefaultEditor::new()?;
    editor.add_history_entry("an older line")?;
    let mut printer = editor.create_external_printer()?;
    std::thread::spawn(move || {
        let mut times = fs::File::create("times").expect("the folder is ours");
        let lines = BufReader::new(fs::File::open("to-print").expect("the pipe is there")).lines();
        for line in lines.map_while(Result::ok) {
            let start = Instant::now();
            printer.print(format!("{line}\n")).expect("the editor is alive");
            writeln!(times, "{}", start.elapsed().as_millis()).expect("the folder is ours");
        }
    });
    editor.readline("> ").map(drop)
}
RUST
cat > drive.py <<'PYTHON'
import os, pty, sys, time
os.mkfifo("to-print")
child, terminal = pty.fork()
if child == 0:
    os.execve(sys.argv[1], sys.argv[1:], {"TERM": "xterm"})
output = b""
def wait_for(text):
    global output
    while text not in output:
        output += os.read(terminal, 4096)
    output = output.split(text, 1)[1]
times = lambda: [int(ms) for ms in open("times").read().split()]
wait_for(b"> ")
pipe = open("to-print", "w", buffering=1)
print("first", file=pipe)
wait_for(b"first")
os.write(terminal, b"\x12")  # Ctrl-R
wait_for(b"reverse-i-search")
print("second\nthird", file=pipe)
time.sleep(3)  # This is what is measured: the search stays open.
returned = len(times())
os.write(terminal, b"\x07")  # Ctrl-G leaves the search.
wait_for(b"third")
while len(times()) < 3:
    time.sleep(0.05)
places = ["at the prompt", "during the search", "during the search"]
for call, (where, ms) in enumerate(zip(places, times()), 1):
    print(f"call {call}, {where:<19} {ms} ms")
os.write(terminal, b"\r")
sys.exit(not (returned == 2 and max(times()[:2]) < 1000 and times()[2] >= 2500))
PYTHON
nice timeout 600 cargo build --quiet || { echo "The build failed: nothing is shown."; exit 1; }
timeout 60 python3 drive.py "$work/target/debug/finding" || { echo "The behaviour has changed: no call is held up."; exit 1; }
echo "Shown: print does not return while reverse search is open."
