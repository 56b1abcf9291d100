//! The differences of two configurations as lists of sentences.

use crate::config::{
    diff::{Difference, DifferenceKind},
    schema::texts::SentenceText,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The most sentences of a list. The last one gives the number of the others.
const LINES_MAX: usize = 1_000;

/// What was added, changed and removed, in words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct DifferenceLists {
    /// What was added, in words.
    #[schemars(with = "Vec<SentenceText>")]
    added: Vec<String>,
    /// What was changed, in words.
    #[schemars(with = "Vec<SentenceText>")]
    changed: Vec<String>,
    /// What was removed, in words.
    #[schemars(with = "Vec<SentenceText>")]
    removed: Vec<String>,
}

impl DifferenceLists {
    /// Those of some differences.
    pub(crate) fn new(differences: &[&Difference]) -> Self {
        let of = |kind| {
            let lines = differences.iter().filter(|difference| difference.kind == kind);
            first_lines(lines)
        };
        Self {
            added: of(DifferenceKind::Added),
            changed: of(DifferenceKind::Changed),
            removed: of(DifferenceKind::Removed),
        }
    }
}

/// The first thousand lines. If there are more, the last line gives their number.
pub(crate) fn first_lines(mut lines: impl Iterator<Item = impl ToString>) -> Vec<String> {
    let mut first: Vec<String> = lines.by_ref().take(LINES_MAX).map(|line| line.to_string()).collect();
    let rest = lines.count();
    if rest > 0 {
        first.push(format!("and {rest} more; `levelgate check --diff OLD NEW` lists all"));
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_gives_the_number_of_what_it_leaves_out() {
        let lines = |count: usize| first_lines((0..count).map(|n| n.to_string()));
        assert_eq!(lines(1_000).len(), 1_000);
        assert_eq!(
            lines(1_500).last().map(String::as_str),
            Some("and 500 more; `levelgate check --diff OLD NEW` lists all")
        );
    }
}
