//! A short list that lives in the state and not on the heap, so that a state is copied in one go. It panics rather than
//! forget something.

use std::hash::{Hash, Hasher};
use std::ops::{Deref, DerefMut};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct List<T, const N: usize> {
    len: u8,
    /// What lies beyond `len` is `T::default()`, so that equal lists are equal bytes.
    items: [T; N],
}

impl<T: Copy + Default, const N: usize> List<T, N> {
    pub(crate) fn push(&mut self, item: T) {
        self.items[self.len as usize] = item;
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, at: usize) -> T {
        let item = self[at];
        let len = self.len as usize;
        self.items.copy_within(at + 1..len, at);
        self.len -= 1;
        self.items[self.len as usize] = T::default();
        item
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        let all = std::mem::take(self);
        for item in all.iter().filter(|it| keep(it)) {
            self.push(*item);
        }
    }
}

impl<T: Copy + Default, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        List { len: 0, items: [T::default(); N] }
    }
}

impl<T, const N: usize> Deref for List<T, N> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.items[..self.len as usize]
    }
}

impl<T, const N: usize> DerefMut for List<T, N> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.items[..self.len as usize]
    }
}

impl<T: Hash, const N: usize> Hash for List<T, N> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}
