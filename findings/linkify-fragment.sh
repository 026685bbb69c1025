#!/usr/bin/env bash
# linkify 0.11.0 cuts a fragment that follows the host or port directly.
#
# Expected: `https://example.org#part` is one link. RFC 3986, which linkify's source names as its base, lets the path be
# empty, the URL standard (crate url 2.5.8) reads the address with the fragment `part`, and linkify keeps `?a=b` there.
# Seen: the link ends before the `#`, so whoever follows it lands elsewhere. With a `/` or a query before the `#` the
# fragment is kept. It is so for schemes that need a host and for others alike.
# Output seen (address, fragment by url, link by linkify):
#   https://example.org#part       part  https://example.org
#   foo://host:7878#part           part  foo://host:7878
#   https://example.org/#part      part  https://example.org/#part
#   https://example.org?a=b#part   part  https://example.org?a=b#part
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
linkify = "=0.11.0"
url = "=2.5.8"
TOML
cat > src/main.rs <<'RUST'
fn main() {
    let cut = ["https://example.org#part", "http://example.org:7878#part", "foo://host:7878#part"];
    let whole = ["https://example.org/#part", "https://example.org?a=b#part", "https://example.org?a=b"];
    let as_described = cut.into_iter().all(|address| link_in(address) == address.strip_suffix("#part"))
        & whole.into_iter().all(|address| link_in(address) == Some(address));
    if !as_described {
        eprintln!("linkify no longer cuts just the fragments that follow the authority.");
        std::process::exit(1);
    }
}

fn link_in(address: &str) -> Option<&str> {
    let link = linkify::LinkFinder::new().links(address).next().map(|link| link.as_str());
    let url = url::Url::parse(address).expect("each address is a valid URL");
    println!("{address:<30} {:<5} {}", url.fragment().unwrap_or("-"), link.unwrap_or("-"));
    link
}
RUST
nice timeout 600 cargo build --quiet || { echo "The build failed: nothing is shown."; exit 1; }
timeout 30 "$work/target/debug/finding" || { echo "The behaviour has changed."; exit 1; }
echo "Shown: linkify drops a fragment that follows the authority directly."
