//! What must hold of what was written, received and told. Pure, and tested below: a check that
//! cannot fail checks nothing.

use std::collections::{HashMap, HashSet};

use crate::store::{Entry, Origin, Stored};

/// What a sender was told about one conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) stored: u64,
    pub(crate) delivered: u64,
}

impl Told {
    /// Takes in a line that `--receipts` printed, if it is about that peer. Delivered is stored.
    pub(crate) fn hear(&mut self, peer: &str, line: &str) {
        let words: Vec<&str> = line.split(' ').collect();
        let [state, of, n] = words[..] else { return };
        let Some(n) = n.parse().ok().filter(|_| of == peer) else { return };
        match state {
            "stored" => self.stored = self.stored.max(n),
            "delivered" => {
                (self.stored, self.delivered) = (self.stored.max(n), self.delivered.max(n));
            }
            _ => {}
        }
    }
}

/// What was told delivered, by its number in the present installation, is final, unless it came back; and nothing of it
/// was forgotten, unless numbers are missing because of what came back.
pub(crate) fn delivered(stored: &Stored, peer: &str, told: u64) -> Result<(), String> {
    let came_back: HashSet<_> = stored.bounced.iter().map(|(origin, _)| origin).collect();
    let own = stored.messages.iter().filter(|it| it.own && it.peer == peer);
    let own = own.filter(|it| stored.installation.as_ref() == Some(&it.number.0));
    let of_told: Vec<_> = own.filter(|it| it.number.1 <= told).collect();
    let is_open = |it: &&&Entry| ["waiting", "stored"].contains(&&*it.state);
    if let Some(open) = of_told.iter().filter(is_open).find(|it| !came_back.contains(&it.origin)) {
        return Err(format!("{told} are told delivered, and {} is {}", open.number.1, open.state));
    }
    if came_back.is_empty() && (of_told.len() as u64) < told {
        return Err(format!("{told} are told delivered, and {} are there", of_told.len()));
    }
    Ok(())
}

/// The longest padding of a message.
const PADDING: usize = 1_500;

/// The text of a message: the how manieth, of which run of its sender's client. Padded to many
/// lengths, so that reads, commits and kills end at many places.
pub(crate) fn text(run: usize, n: u64) -> String {
    let padding = (run * 389 + n as usize * 611) % PADDING;
    format!("{run}.{n} {:x<padding$}", "")
}

/// What tells a message from the others, for whoever has to understand a failure.
fn brief(text: &str) -> &str {
    text.split(' ').next().unwrap_or(text)
}

/// What was handed to one run of a client, for one peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Handed {
    pub(crate) count: u64,
    /// The run ended by itself, so that it has taken everything.
    pub(crate) finished: bool,
}

/// The sender's store has what was handed to each run: a beginning of it if the run was killed,
/// else everything.
pub(crate) fn written(own: &[String], runs: &[Handed]) -> Result<(), String> {
    let mut rest = own;
    for (run, handed) in runs.iter().enumerate() {
        let expected = (1..=handed.count).map(|n| text(run, n));
        let taken =
            rest.iter().zip(expected).take_while(|(got, expected)| *got == expected).count();
        if handed.finished && (taken as u64) < handed.count {
            return Err(format!("run {run} ended without {run}.{}", taken + 1));
        }
        rest = &rest[taken..];
    }
    match rest.first() {
        Some(text) => {
            Err(format!("{} is in the sender's store out of order, or twice", brief(text)))
        }
        None => Ok(()),
    }
}

/// The receiver has what was sent, each once and in order.
pub(crate) fn received(sent: &[String], received: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    if let Some(text) = received.iter().find(|text| !seen.insert(*text)) {
        return Err(format!("{} came twice", brief(text)));
    }
    if let Some(text) = sent.iter().find(|text| !seen.contains(text)) {
        let (came, text) = (received.len(), brief(text));
        return Err(format!("{text} is lost ({came} of {} came)", sent.len()));
    }
    let differs = sent.iter().zip(received).find(|(sent, received)| sent != received);
    match differs {
        Some((sent, received)) => {
            Err(format!("{} came where {} belongs", brief(received), brief(sent)))
        }
        None if received.len() > sent.len() => {
            Err(format!("nobody sent {}", brief(&received[sent.len()])))
        }
        None => Ok(()),
    }
}

/// A message as both its sender and its receiver know it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Word {
    pub(crate) origin: Origin,
    pub(crate) text: String,
}

/// Whatever was done with folders, the receiver has each message once, both as it was typed and as the programs know it.
pub(crate) fn once(received: &[Word]) -> Result<(), String> {
    let (mut texts, mut origins) = (HashSet::new(), HashSet::new());
    match received.iter().find(|it| !texts.insert(&it.text) || !origins.insert(it.origin)) {
        Some(word) => Err(format!("{} came twice", brief(&word.text))),
        None => Ok(()),
    }
}

/// All of these are with the receiver.
pub(crate) fn arrived<'a>(
    sent: impl IntoIterator<Item = &'a Word>,
    received: &HashSet<Word>,
) -> Result<(), String> {
    match sent.into_iter().find(|word| !received.contains(word)) {
        Some(word) => Err(format!("{} is lost", brief(&word.text))),
        None => Ok(()),
    }
}

/// All that was read is some of what was sent, each once and in order.
pub(crate) fn in_order(sent: &[String], read: &[String]) -> Result<(), String> {
    let mut rest = sent.iter();
    match read.iter().find(|text| !rest.any(|sent| sent == *text)) {
        Some(text) => Err(format!("{} came twice, out of order, or from nobody", brief(text))),
        None => Ok(()),
    }
}

/// The receiver has a beginning of what was sent, each once and in order, and all that was told.
pub(crate) fn received_beginning(sent: &[String], got: &[String], told: u64) -> Result<(), String> {
    if (got.len() as u64) < told {
        return Err(format!("{told} were told to be kept, {} came", got.len()));
    }
    received(&sent[..got.len().min(sent.len())], got)
}

/// A face was given everything at least once, the first time in order. What it had printed when it
/// was killed may be shown again.
pub(crate) fn shown(received: &[String], printed: &[String]) -> Result<(), String> {
    let mut places = HashMap::new();
    for (place, text) in printed.iter().enumerate() {
        places.entry(text).or_insert(place);
    }
    let mut last = None;
    for text in received {
        let Some(place) = places.get(text) else {
            return Err(format!("{} was not shown", brief(text)));
        };
        if last >= Some(*place) {
            return Err(format!("{} was shown too early", brief(text)));
        }
        last = Some(*place);
    }
    Ok(())
}

/// A face was given everything at least once.
pub(crate) fn shown_at_all(received: &[String], printed: &[String]) -> Result<(), String> {
    let printed: HashSet<_> = printed.iter().collect();
    match received.iter().find(|text| !printed.contains(text)) {
        Some(text) => Err(format!("{} was not shown", brief(text))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &str) -> Vec<String> {
        texts.split_whitespace().map(String::from).collect()
    }

    /// Numbered ones, as they are written.
    fn messages(briefly: &str) -> Vec<String> {
        let numbers = briefly.split_whitespace().map(|it| it.split_once('.').unwrap());
        numbers.map(|(run, n)| text(run.parse().unwrap(), n.parse().unwrap())).collect()
    }

    #[test]
    fn receipts_are_heard_for_one_peer_and_only_grow() {
        let mut told = Told::default();
        for line in ["stored bob 3", "stored carol 9", "delivered bob 2", "stored bob 1", "-- x"] {
            told.hear("bob", line);
        }
        assert_eq!(told, Told { stored: 3, delivered: 2 });
        told.hear("bob", "delivered bob 5");
        assert_eq!(told, Told { stored: 5, delivered: 5 });
    }

    /// A folder with messages to bob that are numbered from 1 and have these states; `came_back`: by their numbers now.
    fn stored(states: &str, came_back: &[u8]) -> Stored {
        let number = |n: u8| ("i".to_string(), u64::from(n));
        let entry = |(n, state): (u8, &str)| Entry {
            peer: "bob".into(),
            own: true,
            number: number(n),
            origin: [n; 16],
            text: n.to_string(),
            state: state.into(),
        };
        let messages = (1..).zip(states.split_whitespace()).filter(|(_, it)| *it != "none");
        Stored {
            messages: messages.map(entry).collect(),
            installation: Some("i".into()),
            bounced: came_back.iter().map(|n| ([*n; 16], number(1))).collect(),
            ..Stored::default()
        }
    }

    #[test]
    fn what_was_told_delivered_is_final_and_there_unless_it_came_back() {
        for (states, came_back) in [
            ("delivered delivered waiting", &[][..]),
            ("delivered expired stored", &[]),
            ("none delivered delivered", &[3]),
            ("waiting delivered", &[1]),
        ] {
            assert_eq!(delivered(&stored(states, came_back), "bob", 2), Ok(()), "{states}");
        }
        for (states, came_back) in [
            ("delivered stored delivered", &[][..]),
            ("delivered waiting", &[1]),
            ("none delivered delivered", &[]),
            ("delivered", &[]),
        ] {
            assert!(delivered(&stored(states, came_back), "bob", 2).is_err(), "{states}");
        }
    }

    #[test]
    fn a_killed_run_may_have_taken_less_than_it_was_handed_but_only_from_the_end() {
        let runs = [(3, false), (2, true)].map(|(count, finished)| Handed { count, finished });
        for fine in ["0.1 0.2 0.3 1.1 1.2", "0.1 1.1 1.2", "1.1 1.2"] {
            assert_eq!(written(&messages(fine), &runs), Ok(()), "{fine}");
        }
        for wrong in ["0.1 0.3 1.1 1.2", "0.1 1.1", "0.1 0.1 1.1 1.2", "1.1 1.2 0.1", "1.2 1.1", ""]
        {
            assert!(written(&messages(wrong), &runs).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_lost_doubled_moved_or_made_up_is_found() {
        let sent = list("a b c");
        assert_eq!(received(&sent, &list("a b c")), Ok(()));
        for wrong in ["a b", "a c", "", "a b b c", "a b c a", "a c b", "a b c d"] {
            assert!(received(&sent, &list(wrong)).is_err(), "{wrong}");
        }
    }

    /// Each by its origin and its text.
    fn words(all: &str) -> Vec<Word> {
        let parts = all.split_whitespace().map(|it| it.split_once(':').unwrap());
        parts
            .map(|(origin, text)| Word { origin: [origin.parse().unwrap(); 16], text: text.into() })
            .collect()
    }

    #[test]
    fn what_comes_twice_is_found_by_its_text_and_by_its_origin() {
        assert_eq!(once(&words("1:a 2:b 3:c")), Ok(()));
        for wrong in ["1:a 1:a", "1:a 2:a", "1:a 1:b"] {
            assert!(once(&words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_did_not_arrive_as_it_was_sent_is_lost() {
        let received: HashSet<_> = words("1:a 2:b").into_iter().collect();
        for fine in ["", "2:b", "2:b 1:a"] {
            assert_eq!(arrived(&words(fine), &received), Ok(()), "{fine}");
        }
        for wrong in ["3:c", "1:b", "3:a", "1:a 3:c"] {
            assert!(arrived(&words(wrong), &received).is_err(), "{wrong}");
        }
    }

    #[test]
    fn some_of_what_was_sent_is_read_once_and_in_order() {
        for fine in ["a b c", "a c", "b", ""] {
            assert_eq!(in_order(&list("a b c"), &list(fine)), Ok(()), "{fine}");
        }
        for wrong in ["a a", "b a", "a d", "c c"] {
            assert!(in_order(&list("a b c"), &list(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_beginning_has_all_that_was_told() {
        let sent = list("a b c");
        assert_eq!(received_beginning(&sent, &list("a b"), 2), Ok(()));
        assert_eq!(received_beginning(&sent, &list("a b c"), 0), Ok(()));
        for (wrong, told) in [("a", 2), ("b", 0), ("a c", 1), ("a a", 1), ("a b c d", 0)] {
            assert!(received_beginning(&sent, &list(wrong), told).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_never_shown_is_found() {
        let received = list("a b");
        assert_eq!(shown_at_all(&received, &list("b c a b")), Ok(()));
        assert!(shown_at_all(&received, &list("b c b")).is_err());
    }

    #[test]
    fn what_is_shown_may_be_shown_again_but_must_be_shown_in_order() {
        let received = list("a b c");
        for fine in ["a b c", "a b a b c", "a b b c c"] {
            assert_eq!(shown(&received, &list(fine)), Ok(()), "{fine}");
        }
        for wrong in ["a b", "a c b", "b a b c", ""] {
            assert!(shown(&received, &list(wrong)).is_err(), "{wrong}");
        }
    }
}
