//! What is said of people who write without being talked to.
//!
//! Owned by the plain face. Pure: no I/O, and the time is an argument. Invariant: whoever writes without a pause
//! is announced a few times, and the last line has the last count.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::message::Name;
use crate::ui::phrases::news;

/// How long messages are collected for the first line.
const COLLECT: Duration = Duration::from_millis(300);

/// How long the second line waits behind the first; each further one twice as long as the one before, up to
/// [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(5);

/// The longest that a count waits to be shown.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Of how many people it is remembered when they were announced. Of more, those who are quiet are forgotten first,
/// and then whoever comes first in the alphabet: they are announced at once the next time.
const REMEMBERED: usize = 1000;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Announcements {
    /// To a script that can give no commands.
    scripted: bool,
    by_peer: BTreeMap<Name, Announced>,
}

#[derive(Debug)]
struct Announced {
    /// The last count that is not shown yet, and whether one knows them.
    unshown: Option<(u64, bool)>,
    /// When the next line may come.
    next: Instant,
    /// How long the line behind it waits then.
    pause: Duration,
}

impl Announcements {
    /// For a face that can be given commands, or for one that cannot.
    pub(super) fn new(takes_commands: bool) -> Self {
        Self { scripted: !takes_commands, ..Self::default() }
    }

    /// Somebody has left so many messages.
    pub(super) fn hear(&mut self, peer: Name, count: u64, known: bool, now: Instant) {
        if !self.by_peer.contains_key(&peer) {
            self.make_room(now);
        }
        let begin = || Announced { unshown: None, next: now + COLLECT, pause: PAUSE };
        let it = self.by_peer.entry(peer).or_insert_with(begin);
        if it.is_quiet(now) {
            *it = begin();
        }
        it.unshown = Some((count, known));
    }

    /// Nothing more is to be said of what they left so far.
    pub(super) fn forget(&mut self, peer: &Name) {
        self.by_peer.remove(peer);
    }

    /// When a line is to be shown.
    pub(super) fn due(&self) -> Option<Instant> {
        let waiting = self.by_peer.values().filter(|it| it.unshown.is_some());
        waiting.map(|it| it.next).min()
    }

    /// The lines that are due.
    pub(super) fn take_lines(&mut self, now: Instant) -> Vec<String> {
        let tell = teller(self.scripted);
        let due = self.by_peer.iter_mut().filter(|(_, it)| it.next <= now);
        due.filter_map(|(peer, it)| it.take_line(peer, now, tell)).collect()
    }

    /// All that was not shown yet.
    pub(super) fn take_rest(&mut self, now: Instant) -> Vec<String> {
        let tell = teller(self.scripted);
        self.by_peer.iter_mut().filter_map(|(peer, it)| it.take_line(peer, now, tell)).collect()
    }

    fn make_room(&mut self, now: Instant) {
        if self.by_peer.len() < REMEMBERED {
            return;
        }
        self.by_peer.retain(|_, it| !it.is_quiet(now));
        if self.by_peer.len() >= REMEMBERED {
            self.by_peer.pop_first();
        }
    }
}

/// Who wrote, how much, and whether one knows them, in words.
type Teller = fn(&Name, u64, bool) -> String;

fn teller(scripted: bool) -> Teller {
    if scripted { news::waiting_for_a_script } else { news::waiting }
}

impl Announced {
    fn take_line(&mut self, peer: &Name, now: Instant, tell: Teller) -> Option<String> {
        let (count, known) = self.unshown.take()?;
        self.next = now + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Some(tell(peer, count, known))
    }

    /// Whether nothing was heard for as long as a line would wait now.
    fn is_quiet(&self, now: Instant) -> bool {
        self.unshown.is_none() && self.next + self.pause <= now
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    /// Has somebody write at these times, and gives the lines until all is shown, with when they came.
    fn told(times: impl IntoIterator<Item = Duration>) -> Vec<(Duration, String)> {
        let (mut all, begin) = (Announcements::default(), Instant::now());
        let mut lines = Vec::new();
        let mut show = |all: &mut Announcements, until: Option<Instant>| {
            while let Some(due) = all.due().filter(|due| until.is_none_or(|until| *due <= until)) {
                let shown = all.take_lines(due).into_iter();
                lines.extend(shown.map(|line| (due - begin, line)));
            }
        };
        for (count, time) in (1..).zip(times) {
            show(&mut all, Some(begin + time));
            all.hear(name("mallory"), count, false, begin + time);
        }
        show(&mut all, None);
        lines
    }

    #[test]
    fn a_flood_is_a_handful_of_lines_and_the_last_one_counts_all() {
        let lines = told((0..1000).map(|n| Duration::from_millis(20 * n)));
        let times: Vec<_> = lines.iter().map(|(time, _)| time.as_millis()).collect();
        assert_eq!(times, [300, 5_300, 15_300, 35_300]);
        assert!(lines[0].1.starts_with("15 messages from mallory, who is new to you"), "{lines:?}");
        assert!(lines[3].1.starts_with("1000 messages from mallory"), "{lines:?}");
    }

    #[test]
    fn who_writes_seldom_is_announced_each_time() {
        let hours = [0, 1, 2].map(|hours| Duration::from_secs(3600 * hours));
        let lines = told(hours);
        let expected = hours.map(|time| time + COLLECT);
        assert_eq!(lines.iter().map(|(time, _)| *time).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn people_are_announced_each_for_themselves_and_the_end_shows_the_rest() {
        let (mut all, now) = (Announcements::default(), Instant::now());
        all.hear(name("mallory"), 1, false, now);
        all.hear(name("anna"), 2, true, now);
        assert_eq!(all.take_lines(now), [""; 0], "they may write more");
        let lines = all.take_lines(now + COLLECT);
        assert_eq!(lines[0], "2 messages from anna; /TALK anna to read");
        assert!(lines[1].starts_with("1 message from mallory, "));
        all.hear(name("mallory"), 2, false, now + COLLECT);
        all.hear(name("anna"), 3, true, now + COLLECT);
        all.forget(&name("mallory"));
        assert_eq!(all.take_rest(now + COLLECT), ["3 messages from anna; /TALK anna to read"]);
        assert_eq!(all.due(), None);
    }

    #[test]
    fn no_more_people_are_remembered_than_there_is_room_for() {
        let (mut all, now) = (Announcements::default(), Instant::now());
        for n in 0..2 * REMEMBERED {
            all.hear(name(&format!("sybil{n}")), 1, false, now);
        }
        assert_eq!(all.by_peer.len(), REMEMBERED);
    }

    proptest! {
        #[test]
        fn however_somebody_writes_all_is_told_in_time(
            pauses in prop::collection::vec(0..400_000u64, 1..100),
        ) {
            let times = pauses.iter().scan(Duration::ZERO, |time, pause| {
                *time += Duration::from_millis(*pause);
                Some(*time)
            });
            let times: Vec<_> = times.collect();
            let lines = told(times.clone());
            let (shown, last) = lines.last().unwrap();
            let count = times.len();
            prop_assert!(last.starts_with(&format!("{count} message")), "{}", last);
            prop_assert!(*shown <= times[count - 1] + LONGEST_PAUSE + COLLECT);
            let apart = lines.windows(2).all(|it| it[1].0 - it[0].0 >= PAUSE);
            prop_assert!(apart, "{:?}", lines);
        }
    }
}
