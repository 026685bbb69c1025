//! Whom one knows, by how their names look: who is new may want to be mistaken for them.
//!
//! Owned by the core. Whom one knows is read from the store once, when somebody new is met. Invariant: whoever looks like
//! somebody known is told to the face before one has written to them, and once.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::looks::Skeleton;
use crate::message::Name;

/// Of how many people it is remembered that they look like others. For one more another is forgotten, and told again.
const REMEMBERED: usize = 1_000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Likeness {
    pub(super) known: Option<Known>,
    /// Who looks like whom.
    alike: BTreeMap<Name, Name>,
}

#[derive(Debug, Default)]
pub(super) struct Known {
    names: BTreeSet<Name>,
    by_look: HashMap<Skeleton, Name>,
}

impl Known {
    pub(super) fn add(&mut self, name: &Name) {
        if self.names.insert(name.clone()) {
            self.by_look.entry(Skeleton::of(name)).or_insert_with(|| name.clone());
        }
    }
}

impl Likeness {
    /// Whom somebody new looks like.
    pub(super) fn of(&self, name: &Name) -> Option<&Name> {
        self.alike.get(name)
    }

    /// Who is new and whom they look like.
    pub(super) fn all(&self) -> &BTreeMap<Name, Name> {
        &self.alike
    }

    /// Somebody was met. Says whom they look like, if they are new and it is.
    pub(super) fn meet(&mut self, name: &Name) -> Option<Name> {
        let known = self.known.get_or_insert_default();
        if known.names.contains(name) || self.alike.contains_key(name) {
            return None;
        }
        let other = known.by_look.get(&Skeleton::of(name))?.clone();
        if self.alike.len() >= REMEMBERED {
            self.alike.pop_first();
        }
        self.alike.insert(name.clone(), other.clone());
        Some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn who_is_new_and_looks_like_somebody_known_is_told_once() {
        let mut known = Known::default();
        ["marn", "axa"].iter().for_each(|it| known.add(&name(it)));
        let mut likeness = Likeness { known: Some(known), ..Likeness::default() };
        assert_eq!(likeness.meet(&name("marn")), None);
        assert_eq!(likeness.meet(&name("bob")), None);
        assert_eq!(likeness.meet(&name("mam")), Some(name("marn")));
        assert_eq!(likeness.meet(&name("mam")), None);
        assert_eq!(likeness.meet(&name("аха")), Some(name("axa")));
        assert_eq!(likeness.of(&name("mam")), Some(&name("marn")));
    }

    #[test]
    fn whom_one_talks_to_is_known() {
        let mut likeness = Likeness::default();
        assert_eq!(likeness.meet(&name("mam")), None);
        likeness.known.as_mut().unwrap().add(&name("mam"));
        assert_eq!(likeness.meet(&name("marn")), Some(name("mam")));
    }
}
