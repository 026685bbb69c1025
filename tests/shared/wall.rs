//! A wall clock that is wrong, for the real programs: a small library in front of the system's, which `cc` makes of
//! [`SHIFT`]. Where that cannot be, there is none, and what needs it is skipped aloud.
//!
//! Owned by a test. The monotonic clock stays true.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A wall clock that is off by the seconds in a file, which may change while a program runs.
const SHIFT: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *time) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, time);
    const char *name = getenv("SHIFT_FILE");
    FILE *file = id == CLOCK_REALTIME && name ? fopen(name, "r") : NULL;
    if (file) {
        long seconds = 0;
        if (fscanf(file, "%ld", &seconds) == 1) time->tv_sec += seconds;
        fclose(file);
    }
    return result;
}
"#;

const DAY: i64 = 24 * 60 * 60;

/// See the [module](self).
pub(crate) struct Wall {
    library: PathBuf,
    shift: PathBuf,
}

impl Wall {
    /// Makes the library in a folder. None where no library can be put in front of the system's.
    pub(crate) fn new(folder: &Path) -> Option<Self> {
        if !cfg!(all(target_os = "linux", target_env = "gnu")) {
            return None;
        }
        let (source, library) = (folder.join("shift.c"), folder.join("shift.so"));
        fs::write(&source, SHIFT).unwrap();
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl");
        let made = compiler.status().is_ok_and(|status| status.success());
        made.then(|| Self { library, shift: folder.join("shift") })
    }

    /// From now on it is off by so many days.
    pub(crate) fn is_off_by(&self, days: i64) {
        let fresh = self.shift.with_extension("new");
        fs::write(&fresh, (days * DAY).to_string()).unwrap();
        fs::rename(&fresh, &self.shift).unwrap();
    }

    /// What a program's environment must have so that this is its clock.
    pub(crate) fn variables(&self) -> [(&'static str, &Path); 2] {
        [("SHIFT_FILE", &self.shift), ("LD_PRELOAD", &self.library)]
    }
}
