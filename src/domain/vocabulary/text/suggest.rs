//! Suggestions for misspelt words.

/// The most bytes of a word that gets a suggestion.
const WORD_BYTES_MAX: usize = 64;

/// The candidate most similar to the word, if one is similar enough.
///
/// Case and the kind of dash are ignored. About one letter in three may be wrong; a swap of neighbours counts as one.
pub(crate) fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > WORD_BYTES_MAX {
        return None;
    }
    let plain = |text: &str| -> Vec<char> { text.to_lowercase().replace(['-', ' '], "_").chars().collect() };
    let word = plain(word);
    let far_max = (word.len() / 3).max(1);
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        if candidate.is_empty() || candidate.len() > WORD_BYTES_MAX {
            continue;
        }
        let other = plain(candidate);
        if other.len().abs_diff(word.len()) > far_max {
            continue;
        }
        let far = distance(&word, &other);
        // The bound could allow every letter of a short word to change: at least one must stay.
        if far <= far_max && far < word.len().max(other.len()) && best.is_none_or(|(least, _)| far < least) {
            best = Some((far, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The end of a sentence about a word that is not known: it asks about the most similar candidate, if one is similar enough.
pub(crate) fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// A list of candidates, separated by commas, and the question about the most similar one.
pub(crate) fn with_nearest(list: &str, word: &str) -> String {
    format!("{list}{}", did_you_mean(word, list.split(", ")))
}

/// The help text for a word that is not allowed.
pub(crate) fn one_of<'c>(word: &str, allowed: impl IntoIterator<Item = &'c str> + Clone) -> String {
    let list = allowed.clone().into_iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ");
    match nearest(word, allowed) {
        Some(near) => format!("did you mean `{near}`? allowed are {list}"),
        None if list.is_empty() => "nothing is allowed here".to_owned(),
        None => format!("write one of {list}"),
    }
}

/// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours.
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before_last = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let substituted = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = substituted.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[width - 1]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_gets_a_suggestion_and_another_word_does_not() {
        for (word, candidates, want) in [
            ("curency", &["currency", "currencies"][..], Some("currency")),
            ("timezone", &["time_zone", "id"], Some("time_zone")),
            ("Time-Zone", &["time_zone"], Some("time_zone")),
            ("wieght", &["weight", "min_amount"], Some("weight")),
            ("eur", &["EUR", "USD"], Some("EUR")),
            ("gate-d", &["gate-a", "gate-b"], Some("gate-a")),
            ("xyz", &["abc", "id"], None),
            ("a", &["b"], None),
            ("", &["x"], None),
        ] {
            assert_eq!(nearest(word, candidates.iter().copied()), want, "{word}");
        }
    }
}
