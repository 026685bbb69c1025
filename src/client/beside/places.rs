//! How many guests are served at once.
//!
//! Owned by the listener; each guest has its place as long as it is served.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many guests are served at once. The next one is told so.
const MAX_GUESTS: usize = 64;

/// One of the places for guests.
pub(super) struct Place(Arc<AtomicUsize>);

impl Place {
    /// None if all are taken.
    pub(super) fn take(guests: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(guests.clone());
        (guests.fetch_add(1, Ordering::Relaxed) < MAX_GUESTS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
