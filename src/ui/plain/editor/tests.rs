use proptest::prelude::*;

use super::*;

/// Keys as people name them, with Ctrl in front of a letter as `^a`.
fn press(editor: &mut Editor, keys: &str) -> Vec<Pressed> {
    let mut pressed = Vec::new();
    for word in keys.split_inclusive(' ') {
        let word = if word == " " { word } else { word.trim_end() };
        let named = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let strokes: Vec<KeyEvent> = match word {
            "Enter" => vec![named(KeyCode::Enter)],
            "Tab" => vec![named(KeyCode::Tab)],
            "Up" => vec![named(KeyCode::Up)],
            "Down" => vec![named(KeyCode::Down)],
            "Left" => vec![named(KeyCode::Left)],
            "Home" => vec![named(KeyCode::Home)],
            "End" => vec![named(KeyCode::End)],
            "Esc" => vec![named(KeyCode::Esc)],
            "Backspace" => vec![named(KeyCode::Backspace)],
            word => match word.strip_prefix('^') {
                Some(letter) => {
                    let code = KeyCode::Char(letter.chars().next().unwrap());
                    vec![KeyEvent::new(code, KeyModifiers::CONTROL)]
                }
                None => word.chars().map(|c| named(KeyCode::Char(c))).collect(),
            },
        };
        pressed.extend(strokes.iter().map(|key| editor.press(key)));
    }
    pressed.retain(|it| *it != Pressed::Done);
    pressed
}

fn line(text: &str) -> Pressed {
    Pressed::Line(text.into())
}

#[test]
fn keys_edit_the_line() {
    for (keys, expected) in [
        ("hello", "hello"),
        ("hllo Home Left e", "ehllo"),
        ("helo Left l", "hello"),
        ("ab ^a x ^e y", "xaby"),
        ("ab Home x End y", "xaby"),
        ("one ^w", ""),
        ("one ^u two ^y", "twoone"),
        ("ab ^a ^d", "b"),
        ("ab ^a ^k ^y ^y", "abab"),
    ] {
        let mut editor = Editor::default();
        assert_eq!(press(&mut editor, keys), []);
        assert_eq!(editor.line(), expected, "{keys}");
    }
}

#[test]
fn enter_gives_the_line_and_the_end_of_input_is_where_nothing_is_written() {
    let mut editor = Editor::default();
    assert_eq!(press(&mut editor, "hello Enter"), [line("hello")]);
    assert_eq!(press(&mut editor, "x ^d Backspace ^d"), [Pressed::EndOfInput]);
    assert_eq!(press(&mut editor, "^z ^l Tab"), [Pressed::Stop, Pressed::Clear, Pressed::Complete]);
}

#[test]
fn what_was_written_comes_back() {
    let mut editor = Editor::default();
    press(&mut editor, "one Enter two Enter draft Up Up");
    assert_eq!(editor.line(), "one");
    press(&mut editor, "Down Down");
    assert_eq!(editor.line(), "draft");
    assert_eq!(press(&mut editor, "^p ^p Enter"), [line("one")]);
}

#[test]
fn what_was_written_is_found() {
    let mut editor = Editor::default();
    press(&mut editor, "hello Enter help Enter bye Enter draft ^r hel");
    let View { before, after } = editor.view(80);
    assert_eq!((before.as_str(), after.as_str()), ("search: hel", "  help"));
    press(&mut editor, "^r");
    assert_eq!(editor.view(80).after, "  hello");
    press(&mut editor, "^g");
    assert_eq!(editor.line(), "draft");
    press(&mut editor, "^r hel Esc");
    assert_eq!(editor.line(), "help");
    assert_eq!(press(&mut editor, "^r by Enter"), [line("bye")]);
    press(&mut editor, "draft ^r nothing End");
    assert_eq!(editor.line(), "draft");
}

#[test]
fn each_line_of_a_paste_is_one_and_the_last_can_be_edited() {
    let mut editor = Editor::default();
    press(&mut editor, "so:");
    let pressed = editor.paste(" one\r\ntwo\n\nthr");
    assert_eq!(pressed, [line("so: one"), line("two"), line(""), Pressed::Done]);
    assert_eq!(press(&mut editor, "ee Enter"), [line("three")]);
}

#[test]
fn a_line_takes_only_so_much() {
    let mut editor = Editor::default();
    let long = "x".repeat(MAX_LINE);
    assert_eq!(editor.paste(&long), [Pressed::Done]);
    assert_eq!(press(&mut editor, "y"), [Pressed::Full]);
    assert_eq!(press(&mut editor, "Enter"), [line(&long)]);
}

#[test]
fn words_are_completed_as_far_as_there_is_one_way() {
    let names = ["anna", "marie", "marius"];
    for (typed, expected, ways) in [
        ("/ta", "/TALK ", vec![]),
        ("/s", "/s", vec!["/SEND", "/SAVE", "/STATUS", "/SEAL", "/SEARCH"]),
        ("ma", "mari", vec![]),
        ("mari", "mari", vec!["marie", "marius"]),
        ("ask an", "ask anna ", vec![]),
        ("nobody", "nobody", vec![]),
    ] {
        let mut editor = Editor::default();
        editor.insert(typed);
        assert_eq!(editor.complete(names.into_iter()), ways, "{typed}");
        let expected = if typed == "/s" { "/S" } else { expected };
        assert_eq!(editor.line().to_uppercase(), expected.to_uppercase(), "{typed}");
    }
}

#[test]
fn paths_are_completed_unless_one_typed_on() {
    let mut editor = Editor::default();
    editor.insert("/send /tmp/a");
    assert_eq!(editor.begun_path(), Some("/tmp/a"));
    editor.complete_path("/tmp/a", vec!["/tmp/animals/".into()]);
    assert_eq!(editor.line(), "/send /tmp/animals/");
    editor.complete_path("/tmp/a", vec!["/tmp/away".into()]);
    assert_eq!(editor.line(), "/send /tmp/animals/");
    editor.complete_path("/tmp/animals/", vec!["/tmp/animals/cat.png".into()]);
    assert_eq!(editor.line(), "/send /tmp/animals/cat.png ");
}

proptest! {
    #[test]
    fn whatever_is_pressed_it_can_be_shown(
        keys in prop::collection::vec("(Enter|Tab|Up|Down|Left|Home|Esc|Backspace|\\^[a-z]|[a字👩\u{301}]{1,4})", 0..40),
        width in 1..40u16,
    ) {
        let mut editor = Editor::default();
        for key in keys {
            press(&mut editor, &key);
            editor.view(width);
        }
    }
}
