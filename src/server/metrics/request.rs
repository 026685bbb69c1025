//! The head of a request over HTTP: what is asked for, and in which format.
//!
//! Pure. Whoever asks is a program on this machine, or one that the operator lets in; what it says is not believed.
//! Invariant: a head is read up to its end, or up to what is wrong with it, and no body is.

use httparse::{EMPTY_HEADER, Header, Request};

use super::text::Format;

/// How many fields a head may have.
const FIELDS: usize = 64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Metrics(Format),
    /// Whether the process answers.
    Health,
    /// Whether it can do what it is for.
    Readiness,
    /// Something that is not there.
    Nothing,
    /// Something else than to read.
    Otherwise,
    /// It cannot be understood.
    Malformed,
    /// Its head is too long.
    TooLong,
}

/// What a head asks for. None as long as more of it has to come.
pub(super) fn parse(head: &[u8]) -> Option<Asked> {
    let mut fields = [EMPTY_HEADER; FIELDS];
    let mut request = Request::new(&mut fields);
    match request.parse(head) {
        Ok(status) if status.is_partial() => None,
        Ok(_) => Some(asked(&request)),
        Err(httparse::Error::TooManyHeaders) => Some(Asked::TooLong),
        Err(_) => Some(Asked::Malformed),
    }
}

fn asked(request: &Request<'_, '_>) -> Asked {
    if request.method != Some("GET") {
        return Asked::Otherwise;
    }
    let path = request.path.unwrap_or_default();
    match path.split_once('?').map_or(path, |(path, _)| path) {
        "/metrics" => Asked::Metrics(wanted(request.headers)),
        "/healthz" => Asked::Health,
        "/readyz" => Asked::Readiness,
        _ => Asked::Nothing,
    }
}

/// OpenMetrics where it is wanted at least as much as the other.
fn wanted(fields: &[Header<'_>]) -> Format {
    let (mut open, mut classic) = (0.0, 0.0);
    let accept = fields.iter().filter(|it| it.name.eq_ignore_ascii_case("accept"));
    let texts = accept.filter_map(|it| str::from_utf8(it.value).ok());
    for range in texts.flat_map(|text| text.split(',')) {
        match Range::of(range) {
            Range { kind: "application/openmetrics-text", ours: true, quality } => {
                open = quality.max(open);
            }
            Range { kind: "text/plain", quality, .. } => classic = quality.max(classic),
            _ => {}
        }
    }
    if open > 0.0 && open >= classic { Format::Open } else { Format::Classic }
}

/// One of the formats that are accepted.
struct Range<'a> {
    kind: &'a str,
    /// Its version is one of those that we have, or any.
    ours: bool,
    /// How much it is wanted.
    quality: f32,
}

impl<'a> Range<'a> {
    fn of(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let (mut ours, mut quality) = (true, 1.0);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name {
                "version" => ours = value.starts_with("1."),
                // What is no number is not wanted.
                "q" => quality = value.parse().unwrap_or(0.0),
                _ => {}
            }
        }
        Self { kind, ours, quality }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(rest: &str) -> Option<Asked> {
        parse(format!("GET {rest}\r\n\r\n").as_bytes())
    }

    #[test]
    fn what_is_there_is_found() {
        for (path, asked) in [
            ("/metrics", Asked::Metrics(Format::Classic)),
            ("/metrics?name=x", Asked::Metrics(Format::Classic)),
            ("/healthz", Asked::Health),
            ("/readyz", Asked::Readiness),
            ("/", Asked::Nothing),
            ("/metrics/", Asked::Nothing),
            ("http://127.0.0.1/metrics", Asked::Nothing),
        ] {
            assert_eq!(get(&format!("{path} HTTP/1.1")), Some(asked), "{path}");
        }
        for method in ["HEAD", "POST", "OPTIONS", "get"] {
            let head = format!("{method} /metrics HTTP/1.1\r\n\r\n");
            assert_eq!(parse(head.as_bytes()), Some(Asked::Otherwise), "{method}");
        }
    }

    #[test]
    fn openmetrics_is_for_those_who_want_it_as_much() {
        const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.4,*/*;q=0.1";
        for (accept, format) in [
            (PROMETHEUS, Format::Open),
            ("application/openmetrics-text", Format::Open),
            ("text/plain, application/openmetrics-text", Format::Open),
            ("application/openmetrics-text; version=1.0.0; q=0.5, text/plain; q=0.5", Format::Open),
            ("application/openmetrics-text; q=0.4, text/plain; q=0.5", Format::Classic),
            ("application/openmetrics-text; version=0.0.1", Format::Classic),
            ("application/openmetrics-text; q=0", Format::Classic),
            ("application/openmetrics-text; q=nan", Format::Classic),
            ("*/*", Format::Classic),
            ("text/html", Format::Classic),
            ("", Format::Classic),
        ] {
            let asked = get(&format!("/metrics HTTP/1.1\r\nACCEPT: {accept}"));
            assert_eq!(asked, Some(Asked::Metrics(format)), "{accept}");
        }
    }

    #[test]
    fn a_head_that_has_not_come_to_its_end_is_awaited() {
        const HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        for end in 0..HEAD.len() {
            assert_eq!(parse(&HEAD[..end]), None, "{end}");
        }
        assert_eq!(parse(HEAD), Some(Asked::Health));
    }

    #[test]
    fn what_is_no_http_is_told_at_once() {
        for rubbish in [&b"\x16\x03\x01\x02\x00"[..], b"HELLO tinychat/2 john\r\n", b"GET /\0"] {
            assert_eq!(parse(rubbish), Some(Asked::Malformed), "{rubbish:?}");
        }
        let fields: String = (0..=FIELDS).map(|n| format!("\r\nX-{n}: y")).collect();
        assert_eq!(get(&format!("/healthz HTTP/1.1{fields}")), Some(Asked::TooLong));
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_does_harm(head in prop::collection::vec(any::<u8>(), 0..200)) {
            parse(&head);
            parse(&[b"GET /metrics HTTP/1.1\r\nAccept: ", &head[..], b"\r\n\r\n"].concat());
        }
    }
}
