//! What is pressed and pasted at a terminal that was asked something.
//!
//! Owned by the face. Invariant: an answer that comes [late](super::late) is not among the keys, and everything else is.

use std::collections::VecDeque;
use std::io;
use std::time::Instant;

use async_std::future::timeout;
use crossterm::event::Event;
use futures::{Stream, StreamExt};

use super::late::Late;
use super::question::Heard;

/// What is pressed and pasted, without the answer.
pub(crate) struct Keys<S> {
    terminal: S,
    late: Option<Late>,
    /// What can be handed on.
    ready: VecDeque<Event>,
}

impl<S: Stream<Item = io::Result<Event>> + Unpin> Keys<S> {
    /// Behind what was heard before.
    pub(crate) fn new(terminal: S, heard: Heard) -> Self {
        Self { terminal, late: heard.late, ready: heard.events.into() }
    }

    /// Waits for the next. Nothing is lost if the wait is given up.
    pub(crate) async fn next(&mut self) -> Option<io::Result<Event>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let next = self.terminal.next();
            let Some(late) = &mut self.late else { return next.await };
            let came = match late.patience(Instant::now()) {
                None => next.await,
                Some(patience) => match timeout(patience, next).await {
                    Ok(came) => came,
                    Err(_) => {
                        self.ready.extend(late.give_back(Instant::now()));
                        continue;
                    }
                },
            };
            match came {
                Some(Ok(event)) => self.ready.extend(late.take(event, Instant::now())),
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use async_std::task::block_on;
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use super::*;

    #[test]
    fn whoever_waits_for_a_key_gets_what_was_held() {
        let alt_p =
            Event::Key(KeyEvent::new(KeyCode::Char('P'), KeyModifiers::ALT | KeyModifiers::SHIFT));
        let greater = Event::Key(KeyCode::Char('>').into());
        let heard = Heard { late: Some(Late::since(Instant::now())), ..Heard::default() };
        let begun = vec![Ok(alt_p.clone()), Ok(greater.clone())];
        let terminal = futures::stream::iter(begun).chain(futures::stream::pending());
        let mut keys = Keys::new(Box::pin(terminal), heard);
        for event in [alt_p, greater] {
            assert_eq!(block_on(keys.next()).unwrap().unwrap(), event);
        }
    }
}
