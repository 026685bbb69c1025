#!/usr/bin/env bash
# ratatui 0.30.2 (ratatui-core 0.1.2): `Terminal::clear` fails while a crossterm 0.29.0 `EventStream` is polled.
#
# Expected: `clear` only writes, as its sibling `resize` does. Its documentation says that the cursor stays where it is,
# not that the terminal is asked for it; and the terminal here answers at once, so that would take milliseconds.
# Seen: `clear` asks for the cursor's position (`ESC [ 6 n`). The stream's thread holds crossterm's reader, takes the
# answer and keeps the lock, so `clear` stands still for 2 s and fails with nothing cleared. (crossterm documents
# that of `cursor::position`.) `resize` to the same area clears without asking: that is the way round.
# Output seen (last column: questions that the terminal answered):
#   clear, no stream      ok                                                                            7 ms  1
#   clear, polled stream  The cursor position could not be read within a normal duration             2003 ms  1
#   resize, polled stream ok                                                                            0 ms  0
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
ratatui = { version = "=0.30.2", default-features = false, features = ["crossterm"] }
ratatui-core = "=0.1.2"
ratatui-crossterm = "=0.1.2"
crossterm = { version = "=0.29.0", features = ["event-stream", "use-dev-tty"] }
futures-util = { version = "=0.3.31", default-features = false }
TOML
cat > src/main.rs <<'RUST'
use futures_util::{stream::StreamExt, FutureExt};
use ratatui::{backend::CrosstermBackend, Terminal};
use std::{io, thread, time::{Duration, Instant}};
fn main() -> io::Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    crossterm::terminal::enable_raw_mode()?;
    let mut terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    let area = terminal.size()?.into();
    let mut events = crossterm::event::EventStream::new();
    if mode != "clear, no stream" {
        assert!(events.next().now_or_never().is_none(), "nothing was typed");
        thread::sleep(Duration::from_millis(500)); // The stream's thread starts to wait for events.
    }
    let start = Instant::now();
    let result = if mode.starts_with("resize") { terminal.resize(area) } else { terminal.clear() };
    let ms = start.elapsed().as_millis();
    crossterm::terminal::disable_raw_mode()?;
    let result = result.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
    println!("\nresult:{mode:<21} {result:<75} {ms:>5} ms");
    Ok(())
}
RUST
cat > drive.py <<'PYTHON'
import fcntl, os, pty, struct, sys, termios
def run(mode):
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, 80, 0, 0))
        os.execv(sys.argv[1], [sys.argv[1], mode])
    output, answered = b"", 0
    while not (b"result:" in output and output.endswith(b"\n")):
        output += os.read(terminal, 4096)
        while output.count(b"\x1b[6n") > answered:
            os.write(terminal, b"\x1b[1;1R")
            answered += 1
    os.waitpid(child, 0)
    print(output.decode().split("result:")[1].strip(), answered, sep="  ")
    return "duration" in output.decode(), b"\x1b[2J" in output, answered
wanted = {"clear, no stream": (False, True, 1), "clear, polled stream": (True, False, 1), "resize, polled stream": (False, True, 0)}
sys.exit([run(mode) for mode in wanted] != list(wanted.values()))
PYTHON
nice timeout 900 cargo build --quiet || { echo "The build failed: nothing is shown."; exit 1; }
timeout 60 python3 drive.py "$work/target/debug/finding" || { echo "The behaviour has changed."; exit 1; }
echo "Shown: Terminal::clear fails beside a polled EventStream, Terminal::resize does not."
