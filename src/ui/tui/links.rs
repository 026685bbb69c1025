//! Addresses in what people write: where they are, and what may be done with one. Pure.
//!
//! Owned by the [app](super::app). Invariants: an address is what a browser would take, its host in ASCII, so that
//! what is shown is what is opened; only `http` and `https` are opened, and only behind a question.

use std::ops::Range;
use std::path::Path;

use linkify::{LinkFinder, LinkKind};
use url::Url;

use crate::client::Target;
use crate::message::Name;

/// The longest address that is a link. Terminals take no longer ones.
const LONGEST: usize = 2_000;

/// How many are listed, the newest first.
pub(super) const LISTED: usize = 200;

/// What a browser opens.
const BROWSED: [&str; 2] = ["http", "https"];

/// How the address of a server begins.
const SERVER: &str = "tinychat://";

/// An address in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// Printable ASCII.
    pub(super) text: String,
    /// Whether a browser opens it.
    pub(super) opens: bool,
}

/// The addresses of a text, and where they are, in their order.
pub(super) fn addresses(text: &str) -> Vec<(Range<usize>, Address)> {
    // Most texts have none.
    if !text.contains("://") {
        return Vec::new();
    }
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let pages =
        finder.links(text).filter_map(|it| Some((it.start()..it.end(), page(it.as_str())?)));
    let mut all: Vec<_> = pages.chain(servers(text)).collect();
    all.sort_by_key(|(range, _)| range.start);
    all
}

/// The address of a file on this machine, from the root on.
pub(super) fn file(path: &Path) -> Option<String> {
    Url::from_file_path(path).ok().map(String::from).filter(|text| is_plain(text))
}

fn page(text: &str) -> Option<Address> {
    let url = Url::parse(text).ok().filter(|url| BROWSED.contains(&url.scheme()))?;
    let text = String::from(url);
    is_plain(&text).then_some(Address { text, opens: true })
}

/// Addresses of servers, as far as this client takes them.
fn servers(text: &str) -> impl Iterator<Item = (Range<usize>, Address)> {
    let ends = |c: char| !c.is_ascii_graphic() || matches!(c, '\'' | '"' | '<' | '>');
    text.match_indices(SERVER).filter_map(move |(start, _)| {
        let rest = &text[start..];
        let word = &rest[..rest.find(ends).unwrap_or(rest.len())];
        let word = word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')']);
        let is_address = is_plain(word) && word.parse::<Target>().is_ok();
        let address = Address { text: word.into(), opens: false };
        is_address.then(|| (start..start + word.len(), address))
    })
}

fn is_plain(text: &str) -> bool {
    text.len() <= LONGEST && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The list of a conversation's addresses, and the question about one.
#[derive(Debug)]
pub(super) struct Links {
    /// Each with who wrote it; the newest first.
    pub(super) all: Vec<(Name, Address)>,
    pub(super) selected: usize,
    /// The one that was chosen is shown whole, and asked about.
    pub(super) asks: bool,
}

impl Links {
    /// A list of addresses; each is in it once.
    pub(super) fn new(found: impl IntoIterator<Item = (Name, Address)>) -> Self {
        let mut all: Vec<(Name, Address)> = Vec::new();
        for (name, address) in found {
            if all.len() < LISTED && all.iter().all(|(_, it)| *it != address) {
                all.push((name, address));
            }
        }
        Self { all, selected: 0, asks: false }
    }

    pub(super) fn chosen(&self) -> Option<&(Name, Address)> {
        self.all.get(self.selected)
    }

    pub(super) fn move_by(&mut self, down: bool) {
        let last = self.all.len().saturating_sub(1);
        if !self.asks {
            self.selected =
                if down { (self.selected + 1).min(last) } else { self.selected.saturating_sub(1) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        addresses(text).into_iter().map(|(_, it)| it.text).collect()
    }

    #[test]
    fn addresses_are_found_where_people_write_them() {
        let server =
            "tinychat://chat.example.org:7878#SHA256:yJUB/EEr3QvhUKhLzmu6Jg3sEsyQhtbxGRjaV4xgoDg";
        for (text, expected) in [
            ("no address", &[][..]),
            ("see https://example.org/a?b=c.", &["https://example.org/a?b=c"]),
            (
                "(http://example.org) and https://b.example",
                &["http://example.org/", "https://b.example/"],
            ),
            (&format!("to '{server}'."), &[server]),
            ("tinychat://chat.example.org:7878#SHA256:nonsense", &[]),
            ("javascript://x file:///etc/passwd ftp://example.org", &[]),
        ] {
            assert_eq!(found(text), expected, "{text}");
        }
        let (place, _) = addresses("see https://example.org/ü now").remove(0);
        assert_eq!(&"see https://example.org/ü now"[place], "https://example.org/ü");
    }

    #[test]
    fn an_address_is_shown_as_it_is_opened() {
        // The first letter is Cyrillic.
        assert_eq!(found("https://аpple.com/login"), ["https://xn--pple-43d.com/login"]);
        assert_eq!(found("https://example.org/ü"), ["https://example.org/%C3%BC"]);
        assert_eq!(found(&format!("https://example.org/{}", "x".repeat(LONGEST))), [""; 0]);
    }

    #[test]
    fn each_is_listed_once_and_what_is_asked_about_stays() {
        let marie: Name = "marie".parse().unwrap();
        let address = |n: usize| addresses(&format!("https://example.org/{n}")).remove(0).1;
        let mut links = Links::new([1, 2, 1].map(|n| (marie.clone(), address(n))));
        assert_eq!(links.all.len(), 2);
        links.move_by(true);
        links.move_by(true);
        links.asks = true;
        links.move_by(false);
        assert_eq!(links.chosen(), Some(&(marie.clone(), address(2))));
        assert_eq!(Links::new((0..999).map(|n| (marie.clone(), address(n)))).all.len(), LISTED);
    }
}
