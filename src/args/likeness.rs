//! What may have been meant by a word that there is not: a flag, a command, a setting.
//!
//! Pure.

/// What is most like a word that there is not, if it differs in no more than so many letters, and not in most.
pub(crate) fn nearest<'a>(
    word: &str,
    all: impl IntoIterator<Item = &'a str>,
    most: usize,
) -> Option<&'a str> {
    let distance = |it: &str| strsim::damerau_levenshtein(it, word);
    let nearest = all.into_iter().min_by_key(|it| distance(it))?;
    (distance(nearest) <= most && distance(nearest) < word.chars().count()).then_some(nearest)
}
