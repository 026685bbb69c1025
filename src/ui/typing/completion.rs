//! Completion of what is being written: commands, names of people, paths. Pure: the same for every face.

use super::command::COMMANDS;

/// What the last word may be, of the commands at the beginning of a line, and of these names.
pub(crate) fn candidates<'a>(before: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let word = word(before);
    match before.strip_prefix('/') {
        Some(command) if word.len() == before.len() => COMMANDS
            .iter()
            .filter(|it| it.name.starts_with(&command.to_uppercase()))
            .map(|it| format!("/{}", it.name))
            .collect(),
        _ => {
            let fitting = names.filter(|name| !word.is_empty() && name.starts_with(word));
            fitting.map(String::from).collect()
        }
    }
}

/// The last word.
pub(crate) fn word(before: &str) -> &str {
    before.rsplit(char::is_whitespace).next().unwrap_or_default()
}

/// The path that is being written behind a command that takes one.
pub(crate) fn begun_path(before: &str) -> Option<&str> {
    let (command, rest) = before.split_once(' ')?;
    let rest = rest.trim_start();
    let path = if command.eq_ignore_ascii_case("/send") {
        rest
    } else if command.eq_ignore_ascii_case("/save") {
        without_number(rest)
    } else {
        return None;
    };
    let mut escaped = false;
    let ends = |c: char| {
        let ends = c.is_whitespace() && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    };
    (!path.contains(ends)).then_some(path)
}

/// What stands behind the number of a file, if there is one.
fn without_number(words: &str) -> &str {
    match words.split_once(' ') {
        Some((number, rest)) if number.parse::<u64>().is_ok() => rest.trim_start(),
        _ => words,
    }
}

/// What all of them begin with; none if that is nothing.
pub(crate) fn common_beginning(candidates: &[String]) -> Option<String> {
    let (first, others) = candidates.split_first()?;
    let shared = |end: &usize| others.iter().all(|it| it.starts_with(&first[..*end]));
    let ends = first.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(shared).last()?;
    Some(first[..end].to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_begin_a_line_and_names_go_anywhere() {
        let people = ["anna", "marie", "marius"];
        for (before, expected) in [
            ("/ta", &["/TALK"][..]),
            ("/S", &["/SEND", "/SAVE", "/STATUS", "/SEAL", "/SEARCH"]),
            ("/talk a", &["anna"]),
            ("ask mar", &["marie", "marius"]),
            ("see /ta", &[]),
            ("", &[]),
            ("/talk ", &[]),
        ] {
            assert_eq!(candidates(before, people.into_iter()), expected, "{before:?}");
        }
    }

    #[test]
    fn a_path_stands_behind_its_command_and_a_number() {
        for (before, path) in [
            ("/send /tmp/a", Some("/tmp/a")),
            ("/SEND ", Some("")),
            ("/send my\\ c", Some("my\\ c")),
            ("/send /tmp/a look", None),
            ("/save 2 /tmp/a", Some("/tmp/a")),
            ("/save /tmp/a", Some("/tmp/a")),
            ("/talk /tmp/a", None),
            ("/send", None),
        ] {
            assert_eq!(begun_path(before), path, "{before:?}");
        }
    }

    #[test]
    fn what_is_common_to_all_is_certain() {
        let common = |all: &[&str]| {
            common_beginning(&all.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        assert_eq!(common(&["marie", "marius"]).as_deref(), Some("mari"));
        assert_eq!(common(&["äa", "öa"]), None);
        assert_eq!(common(&[]), None);
    }
}
