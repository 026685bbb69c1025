//! Which of the names that are owned look like another.
//!
//! Owned by the [roll](super::roll), which tells it of every name that comes and goes. Pure. Names of ASCII alone may
//! look alike among themselves, for so they always did; beside any other name that is owned nobody may claim one that
//! looks like it. Invariant: it has each owned name once.

use std::collections::HashMap;

use crate::looks::Skeleton;
use crate::message::Name;

/// See the [module](self).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Likeness(HashMap<Skeleton, Vec<Name>>);

impl Likeness {
    pub(super) fn insert(&mut self, name: &Name) {
        let alike = self.0.entry(Skeleton::of(name)).or_insert_with(|| Vec::with_capacity(1));
        if let Err(at) = alike.binary_search(name) {
            alike.insert(at, name.clone());
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        let skeleton = Skeleton::of(name);
        if let Some(alike) = self.0.get_mut(&skeleton) {
            alike.retain(|it| it != name);
            if alike.is_empty() {
                self.0.remove(&skeleton);
            }
        }
    }

    /// A name that is owned, and that nobody may be mistaken for who claims `name`.
    pub(super) fn of(&self, name: &Name) -> Option<&Name> {
        let is_ascii = |name: &Name| name.as_str().is_ascii();
        let alike = self.0.get(&Skeleton::of(name))?;
        alike.iter().find(|it| *it != name && !(is_ascii(name) && is_ascii(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn only_names_of_ascii_may_look_alike() {
        let mut likeness = Likeness::default();
        for owned in ["axa", "marn", "мария"] {
            likeness.insert(&name(owned));
        }
        assert_eq!(likeness.of(&name("аха")), Some(&name("axa")));
        assert_eq!(likeness.of(&name("axa")), None);
        assert_eq!(likeness.of(&name("mam")), None);
        likeness.remove(&name("axa"));
        assert_eq!(likeness.of(&name("аха")), None);
        likeness.insert(&name("аха"));
        assert_eq!(likeness.of(&name("axa")), Some(&name("аха")), "also the other way round");
        for owned in ["аха", "marn", "мария"] {
            likeness.remove(&name(owned));
        }
        assert_eq!(likeness, Likeness::default());
    }
}
