//! What scripts say arrives as it is: words on the command line, lines through a pipe, and a whole input.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::programs::{Finished, Launch};
use crate::world::{Peer, World, story};

/// How many inputs the property is tried with, each with two runs of the program.
const INPUTS: usize = 12;

/// How an input goes into the program.
#[derive(Clone, Copy, Debug)]
enum Mode {
    /// Each line is a message.
    Lines,
    /// All of it is one.
    Whole,
}

impl Mode {
    async fn give(self, world: &World, input: &str) -> Finished {
        let john = Launch::of(world, "john");
        let john = match self {
            Self::Lines => john.to("marie"),
            Self::Whole => john.with(&["send", "--to", "marie", "-"]),
        };
        john.pipe(input).await
    }

    /// What marie is to hear.
    fn messages(self, input: &str) -> Vec<&str> {
        match self {
            Self::Lines => input.lines().collect(),
            Self::Whole => vec![input.strip_suffix('\n').unwrap_or(input)],
        }
    }
}

/// Whatever looks like a command, and anything else.
fn line() -> impl Strategy<Value = String> {
    let names: Vec<_> = tinychat::ui::typing::command::COMMANDS.iter().map(|it| it.name).collect();
    let command = prop::sample::select(names);
    prop_oneof![
        (command, "[ a-z/]{0,12}").prop_map(|(name, rest)| format!("/{name} {rest}")),
        prop::sample::select(&[
            "QUIT",
            "/QUIT",
            "/talk mallory",
            "//x",
            "/",
            "",
            "-",
            "--",
            "help"
        ])
        .prop_map(String::from),
        "/?[ -~äß€👩]{0,30}",
    ]
}

#[test]
fn any_input_arrives_as_it_is_or_is_refused_and_gives_no_orders() {
    story(async |world| {
        let (mut marie, mut mallory) =
            (world.sign_in("marie").await, world.sign_in("mallory").await);
        marie.talk("john").await;
        let mut runner = TestRunner::default();
        let lines = prop::collection::vec(line(), 0..6);
        for _ in 0..INPUTS {
            let input = lines.new_tree(&mut runner).unwrap().current().join("\n");
            for mode in [Mode::Lines, Mode::Whole] {
                let ended = mode.give(world, &input).await;
                is_true(&ended, &mut marie, mode, &input).await;
            }
        }
        let lines = mallory.catch_up().await;
        assert!(!lines.iter().any(|line| line.starts_with("WAITING")), "{lines:?}");
    });
}

/// The exit code says what happened.
async fn is_true(ended: &Finished, marie: &mut Peer, mode: Mode, input: &str) {
    match ended.code() {
        0 => {
            for message in mode.messages(input) {
                assert_eq!(marie.hear().await.text, message, "{mode:?} of {input:?}");
            }
        }
        code @ (1 | 2) => assert!(!ended.err.is_empty(), "{code} of {input:?}, without a word"),
        code => panic!("{code} is no answer to {input:?}: {}", ended.err),
    }
    let more = marie.catch_up().await;
    let messages = more.iter().filter(|line| line.starts_with("MSG"));
    assert_eq!(messages.count(), 0, "{mode:?} of {input:?}: {more:?}");
}

#[test]
fn words_on_the_command_line_are_text() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        for (words, text) in [
            (&["send", "--to", "marie", "please", "help", "me"][..], "please help me"),
            (&["send", "--to", "marie", "it", "is", "-5", "degrees"], "it is -5 degrees"),
            (&["send", "--to=marie", "-5"], "-5"),
            (&["send", "--to", "marie", "help"], "help"),
            (&["send", "--to", "marie", "with", "--plain", "-"], "with --plain -"),
            (&["send", "--to", "marie", "--", "--help"], "--help"),
            (&["--receipts", "send", "--timeout", "30s", "--to", "marie", "hi"], "hi"),
        ] {
            let john = Launch::of(world, "john").with(words).pipe("not this").await;
            john.exited(0).printed(&[]).was_quiet();
            assert_eq!(marie.hear().await.text, text);
        }
    });
}

#[test]
fn what_is_not_understood_is_not_sent_and_told_with_what_may_have_been_meant() {
    story(async |world| {
        let mut marie = world.sign_in("marie").await;
        marie.talk("john").await;
        for (words, sentence) in [
            (&["send", "hi", "--to", "marie"][..], "put --to first, before \"hi\""),
            (&["send", "--to", "marie", "--to", "anna", "hi"], "--to is given twice"),
            (&["send", "--ot", "marie", "hi"], "there is no flag --ot; did you mean --to?"),
            (&["sned", "--to", "marie", "hi"], "there is no command sned here; did you mean send?"),
            (&["send", "--to", "marie", "-x"], "stands behind --"),
            (&["--plian"], "did you mean --plain?"),
        ] {
            let john = Launch::of(world, "john").with(words).pipe("").await;
            john.exited(2).printed(&[]).said(sentence);
        }
        marie.hears_nothing().await;
        let data = world.path("server");
        // It is a name like others.
        let banned = Launch::operator(&["user", "ban", "help"]).on(&data).pipe("").await;
        banned.exited(1).printed(&[]).said("nobody has the name help");
        let wrong = Launch::operator(&["chekc"]).pipe("").await;
        wrong.exited(2).said("there is no command chekc here; did you mean check?");
    });
}
