//! Who is there, as `ONLINE` says it.
//!
//! Owned by the [directory](super::presence). It is kept as the body of the answer, in which who comes and goes is
//! changed in place, and given out without copying as long as nobody did. Invariant: the names stand there in
//! order, each once, each on a line of its own.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use memchr::{memchr, memrchr};

use crate::message::Name;
use crate::wire::MAX_ONLINE_BODY;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Listing {
    text: String,
    count: u64,
    /// What of it fits into an answer; none since it was changed.
    shared: Option<Bytes>,
}

/// What stands behind a body.
const END: &[u8] = b"\r\n";

/// How many there are, and the names of as many as fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) count: u64,
    /// As a body, with the CR LF behind it.
    pub(crate) body: Bytes,
}

impl Listed {
    /// How long the body says that it is.
    pub(crate) fn length(&self) -> usize {
        self.body.len() - END.len()
    }
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

    /// How many bytes an answer has.
    pub(super) fn len(&self) -> usize {
        self.text.len().min(MAX_ONLINE_BODY)
    }

    /// All but these, which are in order.
    pub(super) fn but_for(&mut self, hidden: &[Name]) -> Listed {
        let hidden: Vec<_> = hidden.iter().filter_map(|name| self.find(name).ok()).collect();
        let count = self.count - hidden.len() as u64;
        let Self { text, shared, .. } = self;
        let body = match hidden.is_empty() {
            true => shared.get_or_insert_with(|| body(text, &[])).clone(),
            false => body(text, &hidden),
        };
        Listed { count, body }
    }

    /// The line of a name; or where it would begin.
    fn find(&self, name: &Name) -> Result<Range<usize>, usize> {
        let (text, name) = (self.text.as_bytes(), name.as_str().as_bytes());
        let (mut low, mut high) = (0, text.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let start = memrchr(b'\n', &text[low..middle]).map_or(low, |end| low + end + 1);
            let end = memchr(b'\n', &text[start..high]).map_or(high, |length| start + length);
            match text[start..end].cmp(name) {
                std::cmp::Ordering::Less => low = end + 1,
                std::cmp::Ordering::Equal => return Ok(start..end + 1),
                std::cmp::Ordering::Greater => high = start,
            }
        }
        Err(low)
    }
}

/// All lines but the hidden ones, as far as an answer has room for them.
fn body(text: &str, hidden: &[Range<usize>]) -> Bytes {
    let mut body = BytesMut::with_capacity(text.len() + END.len());
    let mut from = 0;
    for line in hidden {
        body.extend_from_slice(&text.as_bytes()[from..line.start]);
        from = line.end;
    }
    body.extend_from_slice(&text.as_bytes()[from..]);
    if body.len() > MAX_ONLINE_BODY {
        body.truncate(memrchr(b'\n', &body[..MAX_ONLINE_BODY]).map_or(0, |end| end + 1));
    }
    body.extend_from_slice(END);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn text(names: impl IntoIterator<Item = Name>) -> Bytes {
        let lines: String = names.into_iter().map(|name| format!("{name}\n")).collect();
        (lines + "\r\n").into()
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
            let all = listing.but_for(&[]);
            prop_assert_eq!(&all.body, &text(there.clone()));
            prop_assert_eq!(all.count, there.len() as u64);
            let mut hidden: Vec<Name> = hidden.iter().map(|it| name(it)).collect();
            hidden.sort_unstable();
            there.retain(|it| !hidden.contains(it));
            let some = listing.but_for(&hidden);
            prop_assert_eq!(&some.body, &text(there.clone()));
            prop_assert_eq!(some.length() + 2, some.body.len());
            prop_assert_eq!(some.count, there.len() as u64);
        }
    }

    #[test]
    fn asked_again_it_is_not_made_again() {
        let mut listing = Listing::default();
        listing.insert(&name("alice"));
        let first = listing.but_for(&[name("bob")]).body;
        assert_eq!(first.as_ptr(), listing.but_for(&[]).body.as_ptr(), "the same bytes");
        listing.insert(&name("alice"));
        assert_eq!(first.as_ptr(), listing.but_for(&[]).body.as_ptr(), "nobody came");
        listing.insert(&name("bob"));
        assert_eq!(listing.but_for(&[]).body, "alice\nbob\n\r\n");
        assert_eq!(first, "alice\n\r\n");
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_counted() {
        let mut listing = Listing::default();
        let many = MAX_ONLINE_BODY / 10 + 10;
        for number in 0..many {
            listing.insert(&name(&format!("guest{number:07}")));
        }
        let listed = listing.but_for(&[]);
        assert_eq!(listed.count, many as u64);
        assert!((MAX_ONLINE_BODY - 13..=MAX_ONLINE_BODY).contains(&listed.length()));
        assert!(listed.body.ends_with(b"\n\r\n"));
    }
}
