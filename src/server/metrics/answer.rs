//! What is answered to a request over HTTP, as bytes.
//!
//! Pure, but for reading the metrics. Invariant: behind an answer the connection ends.

use super::request::Asked;
use super::source::Source;
use super::{table, text};

const PLAIN: &str = "text/plain; charset=utf-8";

/// What is said to somebody for whom there is no room.
pub(super) const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: String,
}

/// The answer.
pub(super) fn answer(asked: Asked, source: &Source<'_>) -> Vec<u8> {
    let Answer { status, content_type, body } = find(asked, source);
    let allow = if asked == Asked::Otherwise { "Allow: GET\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{allow}Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}

fn find(asked: Asked, source: &Source<'_>) -> Answer {
    match asked {
        Asked::Metrics(format) => Answer {
            status: "200 OK",
            content_type: format.content_type(),
            body: text::write(&table::read(source), format),
        },
        Asked::Health => say("200 OK", "the server answers"),
        Asked::Readiness => match source.ready() {
            Ok(()) => say("200 OK", "the server is ready"),
            Err(why) => say("503 Service Unavailable", why),
        },
        Asked::Nothing => say("404 Not Found", "here are /metrics, /healthz and /readyz"),
        Asked::Otherwise => say("405 Method Not Allowed", "here is nothing but to read"),
        Asked::Malformed => say("400 Bad Request", "this is no request that can be understood"),
        Asked::TooLong => say("431 Request Header Fields Too Large", "this head is too long"),
    }
}

fn say(status: &'static str, text: &str) -> Answer {
    Answer { status, content_type: PLAIN, body: format!("{text}\n") }
}
