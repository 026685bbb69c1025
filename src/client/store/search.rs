//! Finding what was said, by words: an index (SQLite's FTS5) over every message of the store.
//!
//! Each function is one step of a transaction of the `store`. The index follows the messages: what
//! is above its mark is looked through as it is, so that nothing waits for the index and nothing is lost
//! with it. Invariant: an index that is thrown away is built again from the messages.
//!
//! A *word* is one of Unicode's (UAX #29), or a part of one between apostrophes, underscores and other punctuation,
//! folded: without case (so that ß is ss), without the marks that are put on Latin, Greek and Cyrillic letters (U+0300
//! to U+036F), in compatibility form. Scripts that are written without spaces have words of one letter; what is asked
//! for stands together then. An emoji is a word too, whatever its colour.

use std::collections::BTreeMap;
use std::ops::Range;

use rusqlite::{Transaction, params};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_properties::UnicodeEmoji;
use unicode_segmentation::UnicodeSegmentation;

use super::info;
use super::scope::Server;
use crate::message::{Kind, Name, Timestamp};

type Result<T> = rusqlite::Result<T>;

/// The index keeps no text: that is in the messages. A token is what has no space in it.
pub(crate) const LAYOUT: &str = "
    CREATE VIRTUAL TABLE word USING fts5 (
        text, content = '', contentless_delete = 1, detail = full, prefix = '2 3',
        tokenize = \"unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co'\"
    );

    -- Messages up to this id are in the index, whose words were made so: another number whenever other words are made
    -- of the same text.
    CREATE TABLE indexed (up_to INTEGER NOT NULL, words INTEGER NOT NULL) STRICT;
    INSERT INTO indexed VALUES (0, 2);
";

/// How words are made today.
const WORDS: i64 = 2;

/// The kinds of messages that have words.
const SEARCHABLE: [&str; 2] = ["text", "file"];

/// How many of the newest messages that fit are weighed against each other.
const WEIGHED: u32 = 500;

/// How many messages that are not in the index yet are looked through, the newest first.
const LOOKED_THROUGH: u32 = 4_096;

/// The shortest word that may be the beginning of a longer one. Others would be in too many.
const MIN_BEGINNING: usize = 2;

/// The longest word that is told from others by all of its letters.
const MAX_WORD: usize = 64;

/// The most words that are looked for at once.
const MAX_WORDS: usize = 16;

/// How much stands before what was found, and in all, in characters.
const EXCERPT: (usize, usize) = (24, 120);

/// What is looked for: phrases, all of which have to be there. The last word may be the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    phrases: Vec<Vec<String>>,
}

/// A message that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Its place in the history.
    pub id: i64,
    /// With whom it was exchanged.
    pub peer: Name,
    /// Whether one wrote it oneself.
    pub own: bool,
    /// When it was written here, or when another's reached the server.
    pub time: Timestamp,
    /// A part of it with what was looked for. Data from others: not to be shown as it is.
    pub excerpt: String,
}

/// A message whose words may fit.
struct Candidate {
    hit: Hit,
    text: String,
}

impl Query {
    /// What somebody typed: words apart by spaces. None if there is no word in it.
    pub fn new(text: &str) -> Option<Self> {
        let phrases = text.split_whitespace().map(|phrase| words(phrase).collect());
        let mut phrases: Vec<Vec<String>> = phrases.filter(|it: &Vec<_>| !it.is_empty()).collect();
        phrases.truncate(MAX_WORDS);
        (!phrases.is_empty()).then_some(Self { phrases })
    }

    /// Whether a text has all of it.
    pub fn fits(&self, text: &str) -> bool {
        let words: Vec<String> = words(text).collect();
        let last = self.phrases.len() - 1;
        let is_there = |(index, phrase): (usize, &Vec<String>)| {
            words.windows(phrase.len()).any(|here| stands_here(phrase, here, index == last))
        };
        self.phrases.iter().enumerate().all(is_there)
    }

    /// Where its words are in a text, in their order.
    pub fn places(&self, text: &str) -> Vec<Range<usize>> {
        let (places, words): (Vec<Range<usize>>, Vec<String>) = words_at(text).unzip();
        let last = self.phrases.len() - 1;
        let begins = |at: usize| {
            let stands = |(index, phrase): (usize, &Vec<String>)| {
                let here = words.get(at..at + phrase.len())?;
                stands_here(phrase, here, index == last).then_some(phrase.len())
            };
            self.phrases.iter().enumerate().filter_map(stands).max()
        };
        let phrases = (0..words.len()).filter_map(|at| Some((at, begins(at)?)));
        phrases.map(|(at, length)| places[at].start..places[at + length - 1].end).collect()
    }

    /// How well it fits: whole words count more than beginnings, and short texts more than long ones.
    fn weight(&self, text: &str) -> u64 {
        let words: Vec<String> = words(text).collect();
        let all: Vec<&String> = self.phrases.iter().flatten().collect();
        let whole = all.iter().filter(|word| words.contains(word)).count() as u64;
        let brevity = 100 / (words.len() as u64 + 9);
        whole * 20 + brevity
    }

    /// The part of a text in which the first of it is, in one line.
    fn excerpt(&self, text: &str) -> String {
        let (before, all) = EXCERPT;
        let (places, words): (Vec<Range<usize>>, Vec<String>) = words_at(text).unzip();
        let first = self.phrases.first().map_or(&[][..], Vec::as_slice);
        let is_last = self.phrases.len() == 1;
        let mut heres = words.windows(first.len().max(1));
        let found = heres.position(|here| stands_here(first, here, is_last)).unwrap_or(0);
        let at = places.get(found).map_or(0, |place| place.start);
        let (from, _) = text[..at].char_indices().rev().take(before).last().unwrap_or((at, ' '));
        let rest = &text[from..];
        let to = rest.char_indices().nth(all).map_or(rest.len(), |(to, _)| to);
        let part = rest[..to].split_whitespace().collect::<Vec<_>>().join(" ");
        let begin = if from > 0 { "…" } else { "" };
        let end = if to < rest.len() { "…" } else { "" };
        format!("{begin}{part}{end}")
    }

    /// In the language of FTS5.
    fn expression(&self) -> String {
        let phrases = self
            .phrases
            .iter()
            .map(|phrase| format!("\"{}\"", phrase.join(" ").replace('"', "\"\"")));
        let all = phrases.collect::<Vec<_>>().join(" AND ");
        let last = self.phrases.last().and_then(|phrase| phrase.last());
        let begins = last.is_some_and(|word| may_begin(word));
        all + if begins { " *" } else { "" }
    }
}

/// The messages that fit best, of equals the newest first.
pub(crate) fn find(
    tx: &Transaction<'_>,
    server: &Server,
    query: &Query,
    limit: usize,
) -> Result<Vec<Hit>> {
    let mut found = BTreeMap::new();
    for Candidate { hit, text } in
        unindexed(tx, server)?.into_iter().chain(indexed(tx, server, query)?)
    {
        // The index knows a beginning of long words only.
        if query.fits(&text) {
            found.insert(
                hit.id,
                (query.weight(&text), Hit { excerpt: query.excerpt(&text), ..hit }),
            );
        }
    }
    let mut found: Vec<(u64, Hit)> = found.into_values().collect();
    found.sort_by_key(|(weight, hit)| std::cmp::Reverse((*weight, hit.id)));
    found.truncate(limit);
    Ok(found.into_iter().map(|(_, hit)| hit).collect())
}

/// Puts more messages into the index. Returns whether there may be still more.
pub(crate) fn advance(tx: &Transaction<'_>, limit: u32) -> Result<bool> {
    let rows: Vec<(i64, String, Vec<u8>)> = tx
        .prepare_cached(
            "SELECT id, kind, body FROM message
             WHERE id > (SELECT up_to FROM indexed) ORDER BY id LIMIT ?",
        )?
        .query_map([limit], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_>>()?;
    let Some((last, ..)) = rows.last() else { return Ok(false) };
    let mut insert = tx.prepare_cached("INSERT INTO word (rowid, text) VALUES (?, ?)")?;
    for (id, kind, body) in &rows {
        let kind = parse_kind(kind)?;
        if SEARCHABLE.contains(&kind.as_str()) {
            let text = info::words(&kind, body);
            let words = words(&text).collect::<Vec<_>>().join(" ");
            insert.execute(params![id, words])?;
        }
    }
    tx.execute("UPDATE indexed SET up_to = ?", [last])?;
    Ok(rows.len() == limit as usize)
}

/// Throws the index away. It is built again by [`advance`].
pub(crate) fn reset(tx: &Transaction<'_>) -> Result<()> {
    tx.execute_batch("DROP TABLE word; DROP TABLE indexed;")?;
    tx.execute_batch(LAYOUT)
}

/// Throws an index away that has other words than today's.
pub(crate) fn renew(tx: &Transaction<'_>) -> Result<()> {
    let words = tx.prepare("SELECT words FROM indexed");
    let words = words.and_then(|mut it| it.query_row((), |row| row.get::<_, i64>(0)));
    // The first did not say which it has.
    if words.is_ok_and(|words| words == WORDS) { Ok(()) } else { reset(tx) }
}

/// The newest messages that the index finds.
fn indexed(tx: &Transaction<'_>, server: &Server, query: &Query) -> Result<Vec<Candidate>> {
    // CROSS has SQLite begin with what was found.
    let mut found = tx.prepare_cached(
        "SELECT message.id, peer, own, time, body, kind FROM
             (SELECT rowid FROM word WHERE word MATCH ?1 ORDER BY rowid DESC LIMIT ?2) AS hit
             CROSS JOIN message ON message.id = hit.rowid
         WHERE server = ?3",
    )?;
    let rows = found.query_map(params![query.expression(), WEIGHED, server.as_str()], candidate)?;
    rows.collect()
}

/// The newest messages that are not in the index.
fn unindexed(tx: &Transaction<'_>, server: &Server) -> Result<Vec<Candidate>> {
    // The plus has SQLite go by the id, not through all that the server has.
    let mut rest = tx.prepare_cached(
        "SELECT id, peer, own, time, body, kind FROM message
         WHERE id > (SELECT up_to FROM indexed) AND +server = ? AND kind IN (?, ?)
         ORDER BY id DESC LIMIT ?",
    )?;
    let [text, file] = SEARCHABLE;
    rest.query_map(params![server.as_str(), text, file, LOOKED_THROUGH], candidate)?.collect()
}

fn candidate(row: &rusqlite::Row<'_>) -> Result<Candidate> {
    let (peer, time): (String, i64) = (row.get(1)?, row.get(3)?);
    let body: Vec<u8> = row.get(4)?;
    let hit = Hit {
        id: row.get(0)?,
        peer: peer.parse().map_err(|_| rusqlite::Error::InvalidQuery)?,
        own: row.get(2)?,
        time: Timestamp(time.cast_unsigned()),
        excerpt: String::new(),
    };
    let kind = parse_kind(&row.get::<_, String>(5)?)?;
    Ok(Candidate { hit, text: info::words(&kind, &body).into_owned() })
}

fn parse_kind(kind: &str) -> Result<Kind> {
    kind.parse().map_err(|_| rusqlite::Error::InvalidQuery)
}

/// Whether a phrase is what stands here; as the last one it may end with a beginning.
fn stands_here(phrase: &[String], here: &[String], is_last: bool) -> bool {
    let end = phrase.len() - 1;
    phrase.iter().zip(here).enumerate().all(|(index, (wanted, word))| {
        let may_go_on = is_last && index == end && may_begin(wanted);
        if may_go_on { word.starts_with(wanted.as_str()) } else { word == wanted }
    })
}

fn may_begin(word: &str) -> bool {
    word.chars().count() >= MIN_BEGINNING
}

fn words(text: &str) -> impl Iterator<Item = String> {
    words_at(text).map(|(_, word)| word)
}

/// The words of a text, each folded and with its place.
fn words_at(text: &str) -> impl Iterator<Item = (Range<usize>, String)> {
    text.split_word_bound_indices().flat_map(|(at, piece)| {
        let has_letters = piece.contains(char::is_alphanumeric);
        let letters = if has_letters { piece } else { "" };
        let emoji = if has_letters { "" } else { piece };
        let emoji = emoji.chars().filter_map(emoji_word);
        let parts = parts(letters).map(move |(from, part)| {
            let from = at + from;
            (from..from + part.len(), fold(part))
        });
        parts.chain(emoji.map(move |word| (at..at + piece.len(), word)))
    })
}

/// The parts of what Unicode takes for one word: of `snake_case`, `l’eau` and `cat.png` two.
fn parts(word: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut next = 0;
    let pieces = word.split_inclusive(divides).map(move |piece| {
        let at = next;
        next += piece.len();
        (at, piece.trim_end_matches(divides))
    });
    pieces.filter(|(_, part)| part.contains(char::is_alphanumeric))
}

/// Whether it stands between parts of a word. U+02BC is an apostrophe that Unicode takes for a letter.
fn divides(c: char) -> bool {
    c == '\u{2bc}' || !(c.is_alphanumeric() || is_combining_mark(c) || is_unseen(c))
}

/// An emoji as a word that SQLite does not take apart and nobody writes; none for its colour, and for any other sign.
fn emoji_word(c: char) -> Option<String> {
    let is_colour = ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    let is_emoji = c.is_emoji_char() && !c.is_ascii() && !is_colour;
    is_emoji.then(|| format!("_{:x}_", u32::from(c)))
}

/// A soft hyphen, a variation selector, and what else is in a word without being seen.
fn is_unseen(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{fe00}'..='\u{fe0f}')
}

/// See the [module](self).
fn fold(word: &str) -> String {
    let is_kept = |c: &char| !matches!(c, '\u{300}'..='\u{36f}') && !is_unseen(*c);
    let letters = word.nfkd().filter(is_kept);
    // Capitals first: ß has two, and both sigmas have the same.
    let letters = letters.flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    letters.take(MAX_WORD).collect()
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
