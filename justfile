# Each recipe is one plain command or a short list; building and testing need none of them.

# Arguments reach the programs as they were typed, spaces and quotes included.
set positional-arguments

@_default:
    just --list --unsorted

# Host a chat: `just run-server --help` lists the flags
run-server *args:
    cargo run --release --bin tinychat-server -- "$@"

# Chat: `just run-client --help` lists the flags
run-client *args:
    cargo run --release --bin tinychat -- "$@"

# See it work, in one go
demo:
    cargo run --release --example demo

# Run the tests: with cargo-nextest where it is installed, else with `cargo test`
test:
    #!/usr/bin/env bash
    set -euo pipefail
    # Tests mostly wait: running more at once than there are cores halves the time.
    export RUST_TEST_THREADS=${RUST_TEST_THREADS:-8} NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-8}
    if command -v cargo-nextest >/dev/null; then
        cargo nextest run
        cargo test --doc # the one kind that nextest does not run
    else
        cargo test
    fi

# Kill servers and clients and restore backups of theirs at random moments, `just crash 1000` a thousand times each; `just test` does a few
crash kills="500":
    TINYCHAT_CRASH_KILLS="$1" cargo test --test crash -- --nocapture

# Take the rules of delivery away one by one, and see that the rounds of `just crash` fail without each
rules:
    cargo test --test crash each_rule_is_missed -- --ignored --nocapture

# Run all tests repeatedly beside two busy loops and a busy disk; reports which failed how often
stress runs="20":
    tests/stress "$1"

# Soak a server in a year's traffic of 40 people, in some minutes: what it takes of disk, memory and files stays bounded; `just soak --days 30`
soak *args:
    cargo bench --bench year -- "$@"

# Explore the models of delivery and of devices: all small cases, `just model big [NAME]`, `just model only NAME`; `just model devices …`: the same of devices alone
model *args:
    #!/usr/bin/env bash
    set -euo pipefail
    mkdir -p target
    explore() { rustc --edition 2024 -O -o "target/$1" "$2" && "target/$1" "${@:3}"; }
    if [ "${1-}" = devices ]; then
        shift
    else
        explore model-delivery tests/model/delivery.rs "$@"
    fi
    explore model-devices tests/model/devices/main.rs "$@"

# Fuzz frames, signing in, what servers say to clients, what is sealed, operators' commands, backups and data folders, for so many seconds each; needs cargo-fuzz
fuzz seconds="60":
    #!/usr/bin/env bash
    set -euo pipefail
    # A stable compiler accepts the coverage flag only with RUSTC_BOOTSTRAP. Leak detection after each input would report
    # what threads that are still ending hold.
    export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="$PWD/target/fuzz"
    for target in codec sign_in client carry socks control backup proxy server_folder client_folder picture sealed; do
        found="target/fuzz/corpus/$target"
        mkdir -p "$found"
        cargo fuzz run --fuzz-dir tests/fuzz "$target" "$found" "tests/fuzz/corpus/$target" -- \
            -max_total_time="$1" -max_len=8192 -dict=tests/fuzz/dictionary -artifact_prefix=target/fuzz/ \
            -detect_leaks=0
    done

# Run the benchmarks of the server (`just bench --help` lists the flags), of files, of the client, and of a restart; `just bench hostile`: what attackers cost the others
bench *args:
    #!/usr/bin/env bash
    set -euo pipefail
    if [ "${1-}" = hostile ]; then
        cargo bench --bench hostile -- "${@:2}"
    else
        cargo bench --bench chat -- "$@"
        cargo bench --bench files
        cargo bench --bench client
        cargo bench --bench restart
    fi

# Take screenshots of the client in real terminals, in target/terminals, to be looked at (Debian; not in CI)
terminals *names:
    tests/terminals/run "$@"

# Run the NixOS module in virtual machines: two people, a restart, a renewed certificate; needs Nix and KVM
vm:
    nix --extra-experimental-features 'nix-command flakes' build --print-build-logs --no-link .#vm-test

# Make a Debian package, in target/debian; needs cargo-deb
deb:
    #!/usr/bin/env bash
    set -euo pipefail
    cargo build --release --locked
    share/pages "${CARGO_TARGET_DIR:-target}/release" target/share
    cargo deb --no-build

# All that must pass before a commit
check: fmt lint doc test nix

# Check the formatting
fmt:
    cargo fmt --check

# Clippy, warnings denied
lint:
    cargo clippy --all-targets -- -D warnings

# Build the documentation, warnings denied
doc:
    RUSTDOCFLAGS='-D warnings' cargo doc --no-deps

# Check the flake: offline if the kit for that exists, else with Nix, else not at all
nix:
    #!/usr/bin/env bash
    set -euo pipefail
    kit=../shared/nix-offline/check
    if [ -x "$kit" ]; then
        "$kit"
    elif command -v nix >/dev/null; then
        nix --extra-experimental-features 'nix-command flakes' flake check --print-build-logs
    else
        echo 'skipped: Nix is not installed'
    fi
