//! How far files are, drawn at the bottom of a terminal's standard error. Elsewhere nothing is drawn.
//!
//! Owned by the plain face's [screen](super::screen). Invariant: whoever prints does it [beside](Bars::beside) the
//! bars, so that neither spoils the other.

use std::cell::RefCell;
use std::collections::BTreeMap;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::client::{FileState, Transfer, Way};
use crate::text;
use crate::ui::phrases::files;

/// How a bar looks; indicatif has the words.
const LOOK: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}";

/// See the [module](self).
#[derive(Default)]
pub(super) struct Bars {
    all: MultiProgress,
    bars: RefCell<BTreeMap<(Way, i64), ProgressBar>>,
}

impl Bars {
    /// Draws how far a file is that is on its way, and no longer one that is not.
    pub(super) fn take(&self, transfer: &Transfer) {
        let key = (transfer.way, transfer.id);
        if transfer.state != FileState::Coming {
            if let Some(bar) = self.bars.borrow_mut().remove(&key) {
                bar.finish_and_clear();
            }
            return;
        }
        if transfer.done == 0 {
            // It waits.
            return;
        }
        let mut bars = self.bars.borrow_mut();
        let bar = bars.entry(key).or_insert_with(|| self.begin(transfer));
        bar.set_position(transfer.done);
    }

    fn begin(&self, transfer: &Transfer) -> ProgressBar {
        let bar = ProgressBar::new(transfer.size).with_message(message(transfer));
        // The text above is one that it knows.
        let style =
            ProgressStyle::with_template(LOOK).unwrap_or_else(|_| ProgressStyle::default_bar());
        // What was there before has taken no time now.
        self.all.add(bar.with_style(style).with_position(transfer.done))
    }

    /// Whether there are any: then the cursor is at the end of the last one.
    pub(super) fn are_there(&self) -> bool {
        !self.bars.borrow().is_empty()
    }

    /// Prints something.
    pub(super) fn beside<T>(&self, print: impl FnOnce() -> T) -> T {
        if self.are_there() { self.all.suspend(print) } else { print() }
    }
}

fn message(transfer: &Transfer) -> String {
    text::clean(&files::which(transfer).replace('\n', " ")).into_owned()
}
