//! Any bytes as a picture that somebody sent: whatever is wrong with it, who looks at it goes on, and what is shown
//! fits. The decoder is private to the client: its files are compiled into this target.

#![no_main]

mod common;
#[path = "../../src/ui/tui/picture/decode.rs"]
mod decode;
#[path = "../../src/ui/tui/picture/jpeg.rs"]
mod jpeg;
#[path = "../../src/ui/tui/picture/limits.rs"]
mod limits;
#[path = "../../src/ui/tui/picture/refusal.rs"]
mod refusal;

use std::sync::LazyLock;
use std::{fs, panic};

use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

/// How many pixels there are for it.
const AREA: (u32, u32) = (384, 224);

static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let otherwise = panic::take_hook();
    // A panic of the libraries that decode is a refusal.
    panic::set_hook(Box::new(move |panic| {
        if !decode::is_guarded() {
            otherwise(panic);
        }
    }));
    common::folder()
});

fuzz_target!(|bytes: &[u8]| {
    let path = FOLDER.path().join("picture");
    fs::write(&path, bytes).unwrap();
    if let Ok(image) = decode::decode(&path, AREA.0, AREA.1) {
        let size = (image.width(), image.height());
        assert!(size.0 <= AREA.0 && size.1 <= AREA.1, "{size:?}");
    }
});
