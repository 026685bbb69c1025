//! A value that may be replaced while others use it, as an operator changes a limit.
//!
//! Owned by whoever obeys it. Invariant: whoever asks gets one whole value, and nobody holds the lock.

use std::sync::{PoisonError, RwLock};

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Live<T>(RwLock<T>);

impl<T: Copy> Live<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }

    /// What it is now.
    pub(crate) fn get(&self) -> T {
        *self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces it.
    pub(crate) fn set(&self, value: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}
