//! Markdown as roff.
//!
//! Pure. Markdown that we do not use is left out: pictures, HTML, notes. A row of a table becomes a paragraph with its
//! first cell as a tag.

use std::mem::take;

use pulldown_cmark::{BrokenLink, CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, line_break, roman};

/// Puts it behind what a page has.
pub(super) fn write(page: &mut Roff, markdown: &str) {
    let mut writer = Writer { page, line: Vec::new(), fonts: Vec::new(), place: Place::Text };
    // What rustdoc takes for a link to an item is one here too.
    let mut linked = |link: BrokenLink<'_>| Some((link.reference.into_static(), CowStr::from("")));
    let options = Options::ENABLE_TABLES;
    for event in Parser::new_with_broken_link_callback(markdown, options, Some(&mut linked)) {
        writer.take(event);
    }
}

/// A line in which nothing but words in backquotes is special.
pub(super) fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate().filter(|(_, part)| !part.is_empty());
    parts.map(|(n, part)| if n % 2 == 0 { roman(part) } else { bold(part) }).collect()
}

struct Writer<'a> {
    page: &'a mut Roff,
    /// What is to stand in the next line.
    line: Vec<Inline>,
    fonts: Vec<fn(String) -> Inline>,
    place: Place,
}

/// Where a text stands.
enum Place {
    Text,
    /// In a list: a paragraph that follows another has to be set apart.
    Item {
        is_first: bool,
    },
    Code,
    /// In a table: its headings, and the cells of a row that were read.
    Table {
        headings: Vec<String>,
        cells: Vec<Vec<Inline>>,
    },
}

impl Writer<'_> {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.begin(&tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if matches!(self.place, Place::Code) => {
                for line in text.lines() {
                    self.page.text([roman(line)]);
                }
            }
            Event::Text(text) => {
                let font = self.fonts.last().copied().unwrap_or(roman);
                self.line.push(font(text.into_string()));
            }
            Event::Code(text) => self.line.push(bold(text.into_string())),
            Event::SoftBreak => self.line.push(roman(" ")),
            Event::HardBreak => self.line.push(line_break()),
            _ => {}
        }
    }

    fn begin(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Paragraph => match &mut self.place {
                Place::Item { is_first } if *is_first => *is_first = false,
                Place::Item { .. } => _ = self.page.control("IP", []),
                _ => _ = self.page.control("PP", []),
            },
            Tag::Item => {
                self.write_line();
                self.page.control("IP", ["•", "2"]);
                self.place = Place::Item { is_first: true };
            }
            Tag::CodeBlock(_) => {
                self.page.control("PP", []).control("EX", []);
                self.place = Place::Code;
            }
            Tag::Table(_) => {
                self.place = Place::Table { headings: Vec::new(), cells: Vec::new() };
            }
            Tag::Emphasis => self.fonts.push(italic),
            Tag::Strong => self.fonts.push(bold),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(HeadingLevel::H1) => {
                let heading = plain(&take(&mut self.line)).to_uppercase();
                self.page.control("SH", [&*heading]);
            }
            TagEnd::Heading(_) => {
                let heading = plain(&take(&mut self.line));
                self.page.control("SS", [&*heading]);
            }
            TagEnd::Paragraph | TagEnd::Item => self.write_line(),
            TagEnd::List(_) | TagEnd::Table => self.place = Place::Text,
            TagEnd::CodeBlock => {
                self.page.control("EE", []);
                self.place = Place::Text;
            }
            TagEnd::Emphasis | TagEnd::Strong => _ = self.fonts.pop(),
            TagEnd::TableCell => {
                if let Place::Table { cells, .. } = &mut self.place {
                    cells.push(take(&mut self.line));
                }
            }
            TagEnd::TableHead => {
                if let Place::Table { headings, cells } = &mut self.place {
                    *headings = take(cells).iter().map(|cell| plain(cell)).collect();
                }
            }
            TagEnd::TableRow => self.write_row(),
            _ => {}
        }
    }

    fn write_line(&mut self) {
        if !self.line.is_empty() {
            self.page.text(take(&mut self.line));
        }
    }

    /// What stands between the first cell and the last says what it is.
    fn write_row(&mut self) {
        let Place::Table { headings, cells } = &mut self.place else { return };
        let (mut cells, last) = (take(cells).into_iter(), headings.len().saturating_sub(1));
        self.page.control("TP", []).text(cells.next().unwrap_or_default());
        let mut rest = Vec::new();
        for (number, cell) in cells.enumerate().map(|(n, cell)| (n + 1, cell)) {
            if number < last {
                rest.push(roman(format!("{}: ", headings[number])));
            }
            rest.extend(cell);
            if number < last {
                rest.push(roman("; "));
            }
        }
        self.page.text(rest);
    }
}

fn plain(line: &[Inline]) -> String {
    let text = line.iter().map(|part| match part {
        Inline::Roman(text) | Inline::Italic(text) | Inline::Bold(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    text.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roff(markdown: &str) -> String {
        let mut page = Roff::new();
        write(&mut page, markdown);
        page.to_roff()
    }

    #[test]
    fn headings_paragraphs_and_fonts() {
        let text = "# Who is *who*\n\nA **bold** word,\nand `code`.\n\n## More\n\nEnd.\n";
        let page = ".SH \"WHO IS WHO\"\n.PP\nA \\fBbold\\fR word, and \\fBcode\\fR.\n.SS More\n.PP\nEnd.\n";
        assert_eq!(roff(text), page);
    }

    #[test]
    fn links_are_their_words() {
        let text = "See [`Name`], [here](there) and [`limits`](self#limits).";
        assert_eq!(roff(text), ".PP\nSee \\fBName\\fR, here and \\fBlimits\\fR.\n");
    }

    #[test]
    fn lists_and_code_keep_their_lines() {
        let text = "- one\n- two\n\n```sh\na  \\\n.b\n```\n";
        let page = ".IP • 2\none\n.IP • 2\ntwo\n.PP\n.EX\na  \\\\\n\\&.b\n.EE\n";
        assert_eq!(roff(text), page);
    }

    #[test]
    fn rows_of_a_table_say_what_they_are() {
        let text = "| code | fatal | because |\n|---|---|---|\n| `BAD` | yes | it *is* |\n";
        assert_eq!(roff(text), ".TP\n\\fBBAD\\fR\nfatal: yes; it \\fIis\\fR\n");
        let text = "| | |\n|---|---|\n| a | b |\n";
        assert_eq!(roff(text), ".TP\na\nb\n");
    }

    #[test]
    fn words_in_backquotes_are_what_is_typed() {
        assert_eq!(inline("who has `invite`"), [roman("who has "), bold("invite")]);
        assert_eq!(inline("`a`"), [bold("a")]);
    }
}
