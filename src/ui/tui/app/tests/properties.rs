//! What holds whatever happens.

use proptest::prelude::*;

use super::*;
use crate::ui::tui::display::Painter;
use crate::ui::tui::display::glass::{Glass, MEASURES, Measure};
use crate::ui::typing::keys::{self, Action};

/// What may happen, as the property makes it up.
#[derive(Clone, Debug)]
enum Step {
    /// Something is typed that is nowhere else.
    Letter,
    Key(KeyCode, KeyModifiers),
    Line(&'static str),
    Paste(usize),
    Resized(u16, u16),
    Focus(bool),
    Says(usize),
    Waits(usize, u64),
    Page(usize),
    Stored(usize),
    Connected(bool),
    Presence(usize),
}

const PEOPLE: [&str; 4] = ["marie", "anna", "bob", "Łukasz"];

fn step() -> impl Strategy<Value = Step> {
    let keys: Vec<(KeyCode, KeyModifiers)> = keys::KEYS.iter().map(keys::Key::stroke).collect();
    let lines = [
        "/TALK anna",
        "/TALK bob",
        "/CLOSE",
        "/CLOSE anna",
        "/MUTE",
        "/ONLINE",
        "/HELP",
        "/BLOCK bob",
        "/STATUS",
        "/nonsense",
        "/FINGERPRINT",
        "/QUIT",
    ];
    prop_oneof![
        6 => Just(Step::Letter),
        8 => prop::sample::select(keys).prop_map(|(code, modifiers)| Step::Key(code, modifiers)),
        2 => (b'1'..=b'9').prop_map(|c| Step::Key(KeyCode::Char(c.into()), KeyModifiers::ALT)),
        2 => prop::sample::select(lines.to_vec()).prop_map(Step::Line),
        1 => prop::sample::select(vec![1, 3, 30]).prop_map(Step::Paste),
        1 => (0..100u16, 0..30u16).prop_map(|(width, height)| Step::Resized(width, height)),
        1 => any::<bool>().prop_map(Step::Focus),
        6 => (0..4usize).prop_map(Step::Says),
        1 => (0..4usize, 0..3u64).prop_map(|(peer, count)| Step::Waits(peer, count)),
        1 => (0..4usize).prop_map(Step::Page),
        1 => (0..4usize).prop_map(Step::Stored),
        1 => any::<bool>().prop_map(Step::Connected),
        1 => (0..4usize).prop_map(Step::Presence),
    ]
}

/// What is typed in a step: one letter that no other step types.
fn letter(number: usize) -> char {
    char::from_u32(0x4e00 + u32::try_from(number).unwrap()).unwrap()
}

/// Of what was typed so: what is written anywhere, or was sent, or is kept to be brought back.
fn letters(desk: &Desk, sent: &str) -> BTreeSet<char> {
    let app = &desk.app;
    let all = app.conversations.iter().chain(app.closed.values());
    let mut texts: Vec<&str> = all.map(|it| it.composer.text()).collect();
    texts.extend([app.cut.as_str(), sent]);
    texts.extend(app.recalled.as_ref().map(|(_, draft)| draft.as_str()));
    texts.push(app.lobby.text());
    let all = app.conversations.iter().chain(app.closed.values());
    texts.extend(all.flat_map(|it| &it.written).map(String::as_str));
    if let Some(Overlay::Paste(text, _)) = &app.overlay {
        texts.push(text);
    }
    texts.iter().flat_map(|text| text.chars()).filter(|c| *c >= letter(0)).collect()
}

/// Keys that take away, and of which one knows it: what was cut before, too, is forgotten then.
fn takes_away(step: &Step, before: &App) -> bool {
    let Step::Key(code, modifiers) = step else { return false };
    let action = keys::action(&KeyEvent::new(*code, *modifiers));
    let closes =
        matches!(action, Some(Action::Cancel | Action::Interrupt | Action::Send | Action::Help));
    closes && before.overlay.is_some()
        || matches!(
            action,
            Some(
                Action::Backspace
                    | Action::Delete
                    | Action::EndOfInput
                    | Action::KillToEnd
                    | Action::KillToStart
                    | Action::KillWord
                    | Action::Interrupt
            )
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_happens_no_draft_is_lost_and_unread_is_what_came_and_was_not_seen(
        steps in prop::collection::vec(step(), 1..80),
    ) {
        let mut desk = Desk::of(Some("marie"), (80, 24));
        let (mut came, mut seen, mut sent) = (BTreeSet::new(), BTreeSet::new(), String::new());
        for (number, step) in steps.into_iter().enumerate() {
            let may_lose = takes_away(&step, &desk.app);
            let before = letters(&desk, &sent);
            let focused = desk.app.focused;
            happen(&mut desk, &step, number, &mut came);
            for effect in std::mem::take(&mut desk.effects) {
                match effect {
                    Effect::Give(Command::Shown(id)) => {
                        prop_assert!(focused || desk.app.focused, "nobody looked");
                        prop_assert!(seen.insert(id), "seen twice");
                    }
                    Effect::Give(Command::Send { text, .. }) => sent += &text,
                    _ => {}
                }
            }
            let after = letters(&desk, &sent);
            prop_assert!(may_lose || before.is_subset(&after), "{step:?} lost {:?}", &before - &after);
            let app = &desk.app;
            let unread: usize =
                app.conversations.iter().chain(app.closed.values()).map(Conversation::unread).sum();
            prop_assert!(seen.is_subset(&came));
            prop_assert_eq!(unread, came.len() - seen.len());
            desk.screen();
        }
    }
}

fn happen(desk: &mut Desk, step: &Step, number: usize, came: &mut BTreeSet<i64>) {
    match *step {
        Step::Letter => desk.press(KeyCode::Char(letter(number))),
        Step::Key(code, modifiers) => desk.take(Input::Key(KeyEvent::new(code, modifiers))),
        Step::Line(line) => {
            desk.types(line);
            desk.press(KeyCode::Enter);
        }
        Step::Paste(lines) => {
            desk.take(Input::Paste(format!("{}\n", letter(number)).repeat(lines)));
        }
        Step::Resized(width, height) => desk.take(Input::Resized(width, height)),
        Step::Focus(focused) => desk.take(Input::Focus(focused)),
        Step::Says(peer) => {
            desk.says(PEOPLE[peer], &"words and more words ".repeat(number % 20));
            came.insert(desk.next);
        }
        Step::Waits(peer, count) => {
            desk.hear(Event::Waiting { peer: name(PEOPLE[peer]), count, known: false });
        }
        Step::Page(peer) => {
            let (peer, records) = (name(PEOPLE[peer]), Vec::new());
            desk.hear(Event::Page { peer, place: Place::Newest, records });
        }
        Step::Stored(peer) => desk.hear(stored(PEOPLE[peer], 1)),
        Step::Connected(true) => desk.hear(Event::Connected),
        Step::Connected(false) => desk.hear(away()),
        Step::Presence(peer) => desk.comes(PEOPLE[peer]),
    }
}

/// What terminals measure differently, in messages and in drafts.
const HARD: [&str; 12] = [
    "plain words",
    "❤\u{fe0f}",
    "👩\u{200d}👩\u{200d}👧",
    "🇫🇷🇫",
    "👍🏽 🏽",
    "1\u{fe0f}\u{20e3}",
    "ที่กำ",
    "क्षि नमस्ते",
    "e\u{301}\u{301}",
    "日本語",
    "한국",
    "שלום",
];

/// What is drawn of an app, by a painter that knows what was there before.
fn paint(desk: &Desk, painter: &mut Painter) -> Vec<u8> {
    let mut bytes = Vec::new();
    painter.paint(desk.canvas(Theme { colours: true }), &mut bytes).unwrap();
    bytes
}

fn glass(measure: Measure, desk: &Desk) -> Glass {
    let mut glass = Glass::new(measure, desk.app.size);
    glass.take(b"\x1b[?7l");
    glass
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_happens_the_screen_is_as_if_it_were_drawn_for_the_first_time(
        steps in prop::collection::vec((step(), prop::collection::vec(0..HARD.len(), 0..9)), 1..24),
    ) {
        let mut desk = Desk::of(Some("marie"), (80, 24));
        let mut painter = Painter::default();
        let mut glasses = MEASURES.map(|it| glass(it, &desk));
        for (number, (step, words)) in steps.into_iter().enumerate() {
            let words: Vec<&str> = words.iter().map(|it| HARD[*it]).collect();
            match step {
                Step::Says(peer) => desk.says(PEOPLE[peer], &words.join(" ")),
                Step::Paste(_) => desk.take(Input::Paste(words.concat())),
                ref step => happen(&mut desk, step, number, &mut BTreeSet::new()),
            }
            if let Step::Resized(..) = step {
                painter.forget();
                glasses = MEASURES.map(|it| glass(it, &desk));
            }
            let (bytes, all) = (paint(&desk, &mut painter), paint(&desk, &mut Painter::default()));
            for (shown, measure) in glasses.iter_mut().zip(MEASURES) {
                let mut fresh = glass(measure, &desk);
                fresh.take(&all);
                shown.take(&bytes);
                prop_assert_eq!(shown.cells(), fresh.cells(), "{:?} {:?}", step, measure);
            }
        }
    }
}
