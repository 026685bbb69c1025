//! Text with its special parts: links, and matches of a search. Pure.

use std::ops::Range;

use super::links;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Words {
    pub(super) text: String,
    /// What is special about bytes of it.
    pub(super) marks: Vec<(Range<usize>, Mark)>,
}

/// What may be special about words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// They were looked for.
    Found,
    /// They are an address, or a part of one; all its parts have the same id.
    Link { id: String, address: String },
}

impl Words {
    /// A part of a text, and what of its marks is in that.
    pub(super) fn part(text: &str, marks: &[(Range<usize>, Mark)], part: Range<usize>) -> Self {
        let cut = |(range, mark): &(Range<usize>, Mark)| {
            let (start, end) = (range.start.max(part.start), range.end.min(part.end));
            (start < end).then(|| (start - part.start..end - part.start, mark.clone()))
        };
        let marks = marks.iter().filter_map(cut).collect();
        Self { marks, text: text[part].to_string() }
    }
}

/// The addresses in a text, whose ids begin so.
pub(super) fn links(text: &str, id: &str) -> Vec<(Range<usize>, Mark)> {
    let addresses = links::addresses(text).into_iter().enumerate();
    let link = |(index, (range, address)): (usize, (Range<usize>, links::Address))| {
        (range, Mark::Link { id: format!("{id}-{index}"), address: address.text })
    };
    addresses.map(link).collect()
}
