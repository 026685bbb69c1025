//! Who is online, as `ONLINE` says it.
//!
//! Owned by the [directory](super::presence). It is kept as the body of the answer, which is changed in place when
//! somebody comes or goes, and handed out without copying until the next change. Invariant: the names are in order,
//! each once, each on a line of its own.

use std::ops::Range;

use bytes::Bytes;

use super::lines::{END, Lines, find};
use crate::message::Name;
use crate::wire::MAX_ONLINE_BODY;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Listing {
    text: String,
    count: u64,
    /// The same as the body of an answer; none after a change.
    shared: Option<Bytes>,
}

/// All who are online at a moment.
pub(super) struct Everybody {
    count: u64,
    body: Bytes,
}

/// How many there are, and the names of as many as fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) count: u64,
    pub(crate) names: Lines,
}

impl Listing {
    pub(super) fn insert(&mut self, name: &Name) {
        if let Err(at) = self.find(name) {
            self.text.insert_str(at, &format!("{name}\n"));
            self.count += 1;
            self.shared = None;
        }
    }

    pub(super) fn remove(&mut self, name: &Name) {
        if let Ok(line) = self.find(name) {
            self.text.replace_range(line, "");
            self.count -= 1;
            self.shared = None;
        }
    }

    /// How many they are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes an answer has.
    pub(super) fn len(&self) -> usize {
        self.text.len().min(MAX_ONLINE_BODY)
    }

    /// All of them, without copying until the next change.
    pub(super) fn everybody(&mut self) -> Everybody {
        let Self { text, count, shared } = self;
        let body = shared.get_or_insert_with(|| [text.as_str(), END].concat().into()).clone();
        Everybody { count: *count, body }
    }

    fn find(&self, name: &Name) -> Result<Range<usize>, usize> {
        find(self.text.as_bytes(), name)
    }
}

impl Everybody {
    /// All but these, which are in order.
    pub(super) fn but_for(self, hidden: &[Name]) -> Listed {
        let Self { count, body } = self;
        let lines = &body[..body.len() - END.len()];
        let hidden: Vec<_> = hidden.iter().filter_map(|name| find(lines, name).ok()).collect();
        let count = count - hidden.len() as u64;
        Listed { count, names: Lines::all_but(body, &hidden) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn text(names: impl IntoIterator<Item = Name>) -> Bytes {
        let lines: String = names.into_iter().map(|name| format!("{name}\n")).collect();
        (lines + END).into()
    }

    fn written(mut names: Lines) -> Bytes {
        let mut out = BytesMut::new();
        names.move_to(&mut out, usize::MAX);
        out.freeze()
    }

    proptest! {
        #[test]
        fn it_lists_who_came_and_did_not_leave(
            changes in prop::collection::vec(("[a-cé]{1,3}", any::<bool>()), 0..60),
            hidden in prop::collection::btree_set("[a-cé]{1,3}", 0..5),
        ) {
            let (mut listing, mut there) = (Listing::default(), BTreeSet::new());
            for (who, comes) in changes {
                let who = name(&who);
                if comes { listing.insert(&who) } else { listing.remove(&who) }
                if comes { there.insert(who) } else { there.remove(&who) };
            }
            let all = listing.everybody().but_for(&[]);
            prop_assert_eq!(written(all.names), text(there.clone()));
            prop_assert_eq!(all.count, there.len() as u64);
            let mut hidden: Vec<Name> = hidden.iter().map(|it| name(it)).collect();
            hidden.sort_unstable();
            there.retain(|it| !hidden.contains(it));
            let some = listing.everybody().but_for(&hidden);
            prop_assert_eq!(some.count, there.len() as u64);
            let length = some.names.length();
            let some = written(some.names);
            prop_assert_eq!(length + 2, some.len());
            prop_assert_eq!(some, text(there));
        }
    }

    #[test]
    fn asked_again_it_is_not_made_again_whoever_is_hidden() {
        let mut listing = Listing::default();
        let guests: Vec<_> = (0..2_000).map(|number| name(&format!("guest{number:04}"))).collect();
        guests.iter().for_each(|guest| listing.insert(guest));
        let first = listing.everybody().but_for(&[name("bob")]).names;
        let asked = |listing: &mut Listing, hidden: &[Name], left: u64| {
            let Listed { count, names } = listing.everybody().but_for(hidden);
            assert_eq!((count, names.length() as u64), (left, left * 10));
            assert_eq!(names.text().as_ptr(), first.text().as_ptr(), "the same bytes");
        };
        asked(&mut listing, &[], 2_000);
        asked(&mut listing, &guests[..1], 1_999);
        let half: Vec<_> = guests.iter().step_by(2).cloned().collect();
        asked(&mut listing, &half, 1_000);
        listing.insert(&guests[0]);
        asked(&mut listing, &[], 2_000);
        listing.remove(&guests[0]);
        assert_eq!(written(listing.everybody().but_for(&[]).names), text(guests[1..].to_vec()));
        assert_eq!(written(first), text(guests));
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let mut listing = Listing::default();
        let many = MAX_ONLINE_BODY / 10 + 10;
        let guest = |number| name(&format!("guest{number:07}"));
        (0..many).for_each(|number| listing.insert(&guest(number)));
        // Whoever is hidden leaves room for somebody else.
        let first: Vec<_> = (0..100).map(guest).collect();
        for hidden in [&first[..0], &first[..]] {
            let Listed { count, names } = listing.everybody().but_for(hidden);
            assert_eq!(count, (many - hidden.len()) as u64);
            assert!((MAX_ONLINE_BODY - 13..=MAX_ONLINE_BODY).contains(&names.length()));
            assert!(written(names).ends_with(b"\n\r\n"));
        }
    }
}
