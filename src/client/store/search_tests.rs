//! What is found by which words, with an index and without.

use proptest::prelude::*;

use super::super::thread::tests::{in_memory, run};
use super::*;

fn server() -> Server {
    "localhost".parse().unwrap()
}

fn say(tx: &Transaction<'_>, id: i64, text: &str) {
    tx.execute(
        "INSERT INTO message (id, server, peer, own, installation, n, time, kind, body, state)
         VALUES (?1, ?2, 'marie', 0, 'i', ?1, 7, 'text', ?3, 'shown')",
        params![id, server().as_str(), text.as_bytes()],
    )
    .unwrap();
}

fn query(text: &str) -> Query {
    Query::new(text).unwrap()
}

fn found(tx: &Transaction<'_>, words: &str) -> Vec<i64> {
    let hits = find(tx, &server(), &query(words), 10).unwrap();
    hits.into_iter().map(|hit| hit.id).collect()
}

#[test]
fn the_places_of_words_are_told() {
    for (text, words, places) in [
        ("The train, a train!", "TRAIN", &["train", "train"][..]),
        ("über den Wolken", "wolk uber", &["über"]),
        ("über den Wolken", "uber wolk", &["über", "Wolken"]),
        ("東京の空", "東京", &["東京"]),
        ("a snake_case name", "case", &["case"]),
        ("a snake_case name", "snake_ca", &["snake_case"]),
        ("die Straße", "stras", &["Straße"]),
        ("so 👍🏽👍", "👍", &["👍🏽", "👍"]),
        ("nothing", "something", &[]),
    ] {
        let found = query(words).places(text);
        let found: Vec<&str> = found.into_iter().map(|place| &text[place]).collect();
        assert_eq!(found, places, "{words} in {text}");
    }
}

#[test]
fn words_of_any_script_are_found() {
    for (text, words) in [
        ("The Train leaves at 9:40", "train"),
        ("The train leaves", "tra"),
        ("train to Köln", "koln"),
        ("un café crème", "CAFÉ"),
        ("поезд опаздывает", "ПОЕЗД"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("明日は晴れ", "晴れ"),
        ("今天天气很好", "天气"),
        ("รถไฟมาสาย", "มาสาย"),
        ("הרכבת מאחרת", "מאחרת"),
        ("기차가 늦었다", "기차"),
        ("ｆｕｌｌ width", "full"),
        ("صَباح الخير", "الخير"),
        ("one, two; three", "one three tw"),
        ("it can't be", "can't"),
        ("it can\u{2019}t be", "can't"),
        ("it can't be", "can\u{2bc}t"),
        ("l\u{2019}eau", "eau"),
        ("set MAX_WORD_LENGTH", "word"),
        ("set MAX_WORD_LENGTH", "max_word"),
        ("see cat.png", "png"),
        ("die Straße", "STRASSE"),
        ("GROSSE STRASSE", "straß"),
        ("well done \u{1f44d}", "\u{1f44d}"),
        ("well done\u{1f44d}\u{1f3fd}!", "\u{1f44d}"),
        ("love \u{2764}\u{fe0f}", "\u{2764}"),
        ("\u{1f469}\u{200d}\u{1f4bb} at work", "\u{1f469}\u{200d}\u{1f4bb}"),
        ("from \u{1f1e9}\u{1f1ea}", "\u{1f1e9}\u{1f1ea}"),
        ("melting \u{1fae0}", "\u{1fae0}"),
    ] {
        assert!(query(words).fits(text), "{words:?} in {text:?}");
        run(&mut in_memory(), |tx| {
            say(tx, 1, text);
            say(tx, 2, "something else");
            assert_eq!(found(tx, words), [1], "{words:?} in {text:?}");
            assert!(!advance(tx, 10)?);
            assert_eq!(found(tx, words), [1], "{words:?} in {text:?}");
            Ok(())
        });
    }
    for (text, words) in [
        ("the train", "rain"),
        ("a b", "c"),
        ("晴天", "天晴"),
        ("tr", "train"),
        ("\u{1f44d}", "\u{1f44e}"),
    ] {
        assert!(!query(words).fits(text), "{words:?} in {text:?}");
    }
    assert_eq!(Query::new(" ?! "), None);
}

#[test]
fn what_fits_better_is_first_and_of_equals_the_newest() {
    run(&mut in_memory(), |tx| {
        for (id, text) in [
            (1, "the train"),
            (2, "trains are late"),
            (3, "the train"),
            (4, "a train that nobody in this long message wanted to take any more"),
            (5, "bicycle"),
        ] {
            say(tx, id, text);
        }
        advance(tx, 3)?;
        assert_eq!(found(tx, "train"), [3, 1, 4, 2]);
        Ok(())
    });
}

#[test]
fn what_was_found_is_shown_with_what_is_around_it() {
    let text = format!("{}\nthe needle\tis here {}", "hay ".repeat(30), "and so on ".repeat(30));
    let excerpt = query("need").excerpt(&text);
    assert!(excerpt.starts_with("…"), "{excerpt}");
    assert!(excerpt.contains("hay the needle is here and"), "{excerpt}");
    assert!(excerpt.ends_with('…') && excerpt.chars().count() <= 122, "{excerpt}");
    assert_eq!(query("b").excerpt("a b"), "a b");
}

#[test]
fn an_index_with_words_of_another_build_is_built_again() {
    run(&mut in_memory(), |tx| {
        say(tx, 1, "snake_case");
        assert!(!advance(tx, 5)?);
        renew(tx)?;
        let up_to = || tx.query_row("SELECT up_to FROM indexed", (), |row| row.get::<_, i64>(0));
        assert_eq!(up_to()?, 1, "today's is kept");
        // As the first build left it.
        tx.execute_batch(
            "DROP TABLE indexed; CREATE TABLE indexed (up_to INTEGER NOT NULL) STRICT;
             INSERT INTO indexed VALUES (1); DELETE FROM word;
             INSERT INTO word (rowid, text) VALUES (1, 'snake_case');",
        )?;
        assert_eq!(found(tx, "case"), [0; 0]);
        renew(tx)?;
        assert_eq!((up_to()?, found(tx, "case")), (0, vec![1]));
        assert!(!advance(tx, 5)?);
        assert_eq!(found(tx, "case"), [1]);
        Ok(())
    });
}

#[test]
fn an_index_that_is_thrown_away_is_built_again() {
    run(&mut in_memory(), |tx| {
        for id in 1..=9 {
            say(tx, id, &format!("word{id}"));
        }
        assert!(advance(tx, 5)? && !advance(tx, 5)? && !advance(tx, 5)?);
        reset(tx)?;
        assert_eq!(found(tx, "word3"), [3], "without it all is looked through");
        assert!(!advance(tx, 20)?);
        assert_eq!(found(tx, "word9"), [9]);
        Ok(())
    });
}

proptest! {
    #[test]
    fn the_index_finds_what_a_look_through_all_finds(
        texts in prop::collection::vec("[aAbéß字\u{301}👍\u{1f3fd} '’.\"_-]{0,12}", 1..30),
        words in "[aAbés字👍 '’_\"]{1,6}",
        indexed in 0..30u32,
    ) {
        let Some(query) = Query::new(&words) else { return Ok(()) };
        run(&mut in_memory(), |tx| {
            for (id, text) in (1..).zip(&texts) {
                say(tx, id, text);
            }
            advance(tx, indexed.max(1))?;
            let mut hits: Vec<i64> =
                find(tx, &server(), &query, 100)?.into_iter().map(|hit| hit.id).collect();
            hits.sort_unstable();
            let fits = (1..).zip(&texts).filter(|(_, text)| query.fits(text));
            assert_eq!(hits, fits.map(|(id, _)| id).collect::<Vec<i64>>());
            Ok(())
        });
    }
}
