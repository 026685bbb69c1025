//! The list of search results, as one types. Pure.

use crate::client::{Hit, Query};

/// How many hits are wanted.
pub(super) const HITS: usize = 50;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Find {
    pub(super) typed: String,
    pub(super) selected: usize,
    pub(super) hits: Vec<Hit>,
    /// For what they were found; none before the first answer.
    answered: Option<Query>,
    /// The first hit was wanted before it was found.
    is_wanted: bool,
}

impl Find {
    /// What was typed, as a query; none if there is no word in it.
    pub(super) fn query(&self) -> Option<Query> {
        Query::new(&self.typed)
    }

    /// Whether the hits are those of what was typed.
    pub(super) fn is_answered(&self) -> bool {
        let query = self.query();
        query.is_none() || self.answered == query
    }

    pub(super) fn type_text(&mut self, text: &str) {
        self.is_wanted = false;
        self.typed.extend(text.chars().filter(|c| !c.is_control()));
    }

    pub(super) fn backspace(&mut self) {
        self.is_wanted = false;
        self.typed.pop();
    }

    /// An answer may be one to what was typed before. If it is not, and a hit was chosen already, which one that is.
    pub(super) fn take(&mut self, query: Query, hits: Vec<Hit>) -> Option<&Hit> {
        if self.query().as_ref() != Some(&query) {
            return None;
        }
        (self.answered, self.hits, self.selected) = (Some(query), hits, 0);
        std::mem::take(&mut self.is_wanted).then(|| self.hits.first()).flatten()
    }

    /// Which hit is chosen; while none is there yet, the first is, once it is.
    pub(super) fn choose(&mut self) -> Option<&Hit> {
        self.is_wanted = !self.is_answered();
        self.hits.get(self.selected).filter(|_| !self.is_wanted)
    }

    pub(super) fn move_by(&mut self, down: bool) {
        self.is_wanted = false;
        let last = self.hits.len().saturating_sub(1);
        self.selected =
            if down { (self.selected + 1).min(last) } else { self.selected.saturating_sub(1) };
    }
}
