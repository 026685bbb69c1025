//! An answer that comes when nobody waits for it any more, among the keys.
//!
//! Owned by the face. What reads the keys knows no answers: it takes one for Alt-P, `>`, `|`, `k` and so on. Invariants:
//! what is not an answer reaches the face as it came, [so late](WHOLE) at most; what is held is no longer than
//! [an answer](LONGEST), and nothing is held where none is to come.

use std::time::{Duration, Instant};

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

/// How an answer begins.
pub(super) const BEGIN: &str = "\x1bP>|";

/// How it ends.
const END: &str = "\x1b\\";

/// How long behind its question an answer may begin: as long as a terminal may be busy with something else.
const LATEST: Duration = Duration::from_secs(30);

/// How long what may be an answer is held if nothing comes behind it. It comes in one piece, or nearly.
const HOLD: Duration = Duration::from_millis(250);

/// How long it is held whatever comes behind it.
const WHOLE: Duration = Duration::from_secs(2);

/// The longest answer, in keys. Names with a version have a third of it; one that is longer is shown.
const LONGEST: usize = 96;

/// Looks for one answer among keys. Pure: the time is an argument.
#[derive(Clone, Debug)]
pub(super) struct Late {
    /// Until when it may begin; none once it has come.
    until: Option<Instant>,
    /// What may be its beginning; when the first key of it came, and the last.
    held: Vec<KeyEvent>,
    came: [Instant; 2],
}

/// What keys are, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Begun,
    Whole,
    Other,
}

impl Late {
    /// The answer to a question that was asked just now.
    pub(super) fn since(now: Instant) -> Self {
        Self { until: Some(now + LATEST), held: Vec::new(), came: [now; 2] }
    }

    /// Takes in what came, and gives what can be handed on.
    pub(super) fn take(&mut self, event: Event, now: Instant) -> Vec<Event> {
        let mut on = if now < self.came[0] + WHOLE { Vec::new() } else { self.give_up() };
        let is_due = !self.held.is_empty() || self.until.is_some_and(|until| now < until);
        match event {
            Event::Key(key) if is_due && key.kind == KeyEventKind::Press => {
                on.extend(self.hold(key, now));
            }
            // What is not typed is no part of an answer, and may come amid one.
            other => on.push(other),
        }
        on
    }

    /// How long what is held is waited for; none if nothing is.
    pub(super) fn patience(&self, now: Instant) -> Option<Duration> {
        let until = (self.came[0] + WHOLE).min(self.came[1] + HOLD);
        (!self.held.is_empty()).then(|| until.saturating_duration_since(now))
    }

    /// Gives what has been held for too long.
    pub(super) fn give_back(&mut self, now: Instant) -> Vec<Event> {
        match self.patience(now) {
            Some(Duration::ZERO) => self.give_up(),
            _ => Vec::new(),
        }
    }

    fn give_up(&mut self) -> Vec<Event> {
        self.held.drain(..).map(Event::Key).collect()
    }

    fn hold(&mut self, key: KeyEvent, now: Instant) -> Vec<Event> {
        let first = if self.held.is_empty() { now } else { self.came[0] };
        self.came = [first, now];
        self.held.push(key);
        match found(&self.held) {
            Found::Begun => Vec::new(),
            Found::Whole => {
                (self.until, self.held) = (None, Vec::new());
                Vec::new()
            }
            Found::Other => self.let_go(now),
        }
    }

    /// It is no answer, yet the last key may begin one.
    fn let_go(&mut self, now: Instant) -> Vec<Event> {
        let mut keys = std::mem::take(&mut self.held);
        if keys.last().is_some_and(|last| found(&[*last]) == Found::Begun) {
            self.held.extend(keys.pop());
            self.came = [now; 2];
        }
        keys.into_iter().map(Event::Key).collect()
    }
}

/// What keys are, as what a terminal wrote for them.
fn found(keys: &[KeyEvent]) -> Found {
    let written: Option<String> = keys.iter().map(written).collect();
    let Some(written) = written.filter(|_| keys.len() <= LONGEST) else { return Found::Other };
    let Some(text) = written.strip_prefix(BEGIN) else {
        return if BEGIN.starts_with(&written) { Found::Begun } else { Found::Other };
    };
    match text.find('\x1b').map(|at| &text[at..]) {
        None | Some("\x1b") => Found::Begun,
        Some(END) => Found::Whole,
        Some(_) => Found::Other,
    }
}

/// None for what is in no answer.
fn written(key: &KeyEvent) -> Option<String> {
    let modifiers = key.modifiers.difference(KeyModifiers::SHIFT);
    match (key.code, modifiers) {
        (KeyCode::Char(c), KeyModifiers::NONE) if (' '..='~').contains(&c) => Some(c.to_string()),
        (KeyCode::Char(c @ ('P' | '\\')), KeyModifiers::ALT) => Some(format!("\x1b{c}")),
        (KeyCode::Esc, KeyModifiers::NONE) => Some("\x1b".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(c: char) -> Event {
        let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
        Event::Key(KeyEvent::new(KeyCode::Char(c), shift))
    }

    fn alt(c: char) -> Event {
        let Event::Key(key) = key(c) else { panic!("a key") };
        Event::Key(KeyEvent::new(key.code, key.modifiers | KeyModifiers::ALT))
    }

    fn esc() -> Event {
        Event::Key(KeyCode::Esc.into())
    }

    fn typed(text: &str) -> Vec<Event> {
        text.chars().map(key).collect()
    }

    /// As it arrives; `split` says whether an escape is told apart from what is behind it.
    fn answer(version: &str, split: [bool; 2]) -> Vec<Event> {
        let escaped = |c, split| if split { vec![esc(), key(c)] } else { vec![alt(c)] };
        let [begin, end] = split;
        [escaped('P', begin), typed(">|"), typed(version), escaped('\\', end)].concat()
    }

    fn taken(late: &mut Late, events: Vec<Event>, now: Instant) -> Vec<Event> {
        events.into_iter().flat_map(|event| late.take(event, now)).collect()
    }

    #[test]
    fn what_is_no_answer_is_given_back_in_time() {
        let now = Instant::now();
        let mut late = Late::since(now);
        assert_eq!(taken(&mut late, vec![alt('P'), key('>')], now), []);
        assert_eq!(late.patience(now), Some(HOLD));
        assert_eq!(late.give_back(now + HOLD / 2), []);
        assert_eq!(late.give_back(now + HOLD), [alt('P'), key('>')]);
        assert_eq!(late.patience(now), None);
        // What comes next gives back what is before it.
        assert_eq!(taken(&mut late, vec![esc()], now), []);
        assert_eq!(taken(&mut late, vec![key('x')], now + HOLD), [esc(), key('x')]);
        assert_eq!(taken(&mut late, vec![esc()], now), []);
        assert_eq!(taken(&mut late, vec![key('P')], now + WHOLE), [esc(), key('P')]);
        // What is not typed is not held.
        let amid = vec![alt('P'), Event::FocusLost, Event::Resize(9, 9), key('x')];
        let on = [Event::FocusLost, Event::Resize(9, 9), alt('P'), key('x')];
        assert_eq!(taken(&mut late, amid, now), on);
    }

    #[test]
    fn one_answer_is_swallowed_and_none_that_comes_too_late_or_is_too_long() {
        let now = Instant::now();
        let answer = answer("kitty(0.32.2)", [false; 2]);
        let mut late = Late::since(now);
        assert_eq!(taken(&mut late, answer.clone(), now), []);
        assert_eq!(taken(&mut late, answer.clone(), now), answer, "there was one question");
        let mut late = Late::since(now);
        assert_eq!(taken(&mut late, answer.clone(), now + LATEST), answer);
        let mut late = Late::since(now);
        let long = [vec![alt('P')], typed(">|"), typed(&"x".repeat(LONGEST))].concat();
        assert_eq!(taken(&mut late, long.clone(), now), long);
    }

    /// Keys of which an answer may be made, and others.
    fn any_key() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(esc()),
            Just(alt('P')),
            Just(alt('\\')),
            prop::sample::select(vec!['P', '\\', '>', '|', 'k', 'é']).prop_map(key),
            Just(Event::Key(KeyCode::Enter.into())),
        ]
    }

    proptest! {
        #[test]
        fn an_answer_is_taken_out_of_whatever_it_comes_among(
            before in "[a-zP>|\\\\]{0,20}",
            version in "[ -~]{0,60}",
            after in "[a-zP>|\\\\]{0,20}",
            split in any::<[bool; 2]>(),
        ) {
            let now = Instant::now();
            let mut late = Late::since(now);
            let all = [typed(&before), answer(&version, split), typed(&after)].concat();
            prop_assert_eq!(taken(&mut late, all, now), typed(&(before + &after)));
        }

        #[test]
        fn keys_without_an_answer_all_come_in_their_order(
            keys in prop::collection::vec((any_key(), 0..300u64), 0..200),
        ) {
            let mut now = Instant::now();
            let mut late = Late::since(now);
            let mut on = Vec::new();
            // Nothing ends an answer.
            let keys: Vec<_> = keys.into_iter().filter(|(it, _)| *it != alt('\\') && *it != key('\\')).collect();
            for (key, wait) in &keys {
                now += Duration::from_millis(*wait);
                on.extend(late.take(key.clone(), now));
                prop_assert!(late.held.len() <= LONGEST);
                prop_assert!(late.patience(now).is_none_or(|it| it <= HOLD));
            }
            on.extend(late.give_back(now + HOLD));
            prop_assert_eq!(on, keys.into_iter().map(|(key, _)| key).collect::<Vec<_>>());
        }

        #[test]
        fn what_is_missing_is_one_whole_answer(keys in prop::collection::vec(any_key(), 0..60)) {
            let now = Instant::now();
            let mut late = Late::since(now);
            let mut on = taken(&mut late, keys.clone(), now);
            on.extend(late.give_back(now + HOLD));
            let gone = keys.len() - on.len();
            let is_one = |at: &usize| {
                let rest = [&keys[..*at], &keys[at + gone..]].concat();
                rest == on && (gone == 0 || is_answer(&keys[*at..at + gone]))
            };
            prop_assert!((0..=on.len()).any(|at| is_one(&at)), "{keys:?} {on:?}");
        }
    }

    fn is_answer(keys: &[Event]) -> bool {
        let pressed = |it: &Event| if let Event::Key(key) = it { Some(*key) } else { None };
        keys.iter()
            .map(pressed)
            .collect::<Option<Vec<_>>>()
            .is_some_and(|it| found(&it) == Found::Whole)
    }
}
