//! Prints problems so that a thousand of one kind do not hide the others: one in full, the places of some more, and the
//! number of the rest.

use crate::config::report::problem::{Problem, Severity, Style, render};
use std::{collections::HashMap, fmt::Write as _};

/// Up to this many problems of one kind are printed in full.
const FULL_MAX: usize = 10;
/// Of more problems of one kind, this many are printed as one line each, after the first in full.
const PLACES_MAX: usize = 3;

/// Prints problems as [`render`] does. Of more than ten of one kind it prints the first in full, then the places of three
/// more, then the number of the rest. The order of the first problem of each kind is kept.
#[must_use]
pub fn render_folded(problems: &[Problem], style: Style) -> String {
    let mut kinds: Vec<Vec<&Problem>> = Vec::new();
    let mut places: HashMap<(Severity, String), usize> = HashMap::new();
    for problem in problems {
        let place = *places.entry((problem.severity, kind_of(&problem.message))).or_insert(kinds.len());
        match kinds.get_mut(place) {
            Some(kind) => kind.push(problem),
            None => kinds.push(vec![problem]),
        }
    }
    if kinds.iter().all(|kind| kind.len() <= FULL_MAX) {
        return render(problems, style);
    }
    let mut text = String::new();
    for kind in kinds {
        let full = if kind.len() <= FULL_MAX { kind.len() } else { 1 };
        kind.iter().take(full).for_each(|problem| text.push_str(&render(std::slice::from_ref(*problem), style)));
        if full < kind.len() {
            let lines = kind.iter().skip(1).take(PLACES_MAX);
            lines.for_each(|problem| _ = writeln!(text, "{}", problem.without_help()));
            let rest = kind.len() - 1 - PLACES_MAX;
            let _ = writeln!(text, "and {rest} more, --all shows them\n");
        }
    }
    text
}

/// A message without what differs between problems of one kind: names in backticks, texts in quotes and parentheses,
/// numbers, currencies.
fn kind_of(message: &str) -> String {
    let mut kind = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let closing = match first {
            '`' | '"' => Some(first),
            '(' => Some(')'),
            _ => None,
        };
        let enclosed = closing.and_then(|closing| rest[1..].find(closing));
        if let Some(length) = enclosed {
            kind.push(first);
            rest = &rest[length + 2..];
            continue;
        }
        let word = rest.find(|c: char| !c.is_alphanumeric()).unwrap_or(rest.len()).max(first.len_utf8());
        let (text, after) = rest.split_at(word);
        let is_currency = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        match is_currency || is_number {
            true => kind.push('#'),
            false => kind.push_str(text),
        }
        rest = after;
    }
    // A list of names is one name.
    while kind.contains("`, `") {
        kind = kind.replace("`, `", "`");
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: usize, message: &str) -> Problem {
        Problem::of_file(Severity::Warning, format!("m{file}.toml"), message.to_owned(), "write it")
    }

    #[test]
    fn many_problems_of_one_kind_are_folded_and_others_are_not() {
        let mut problems: Vec<Problem> =
            (0..1_000).map(|n| problem(n, &format!("no payment reaches level `l{n}` (deposit EUR)"))).collect();
        problems.insert(500, problem(5_000, "nothing uses gate `a`"));
        let text = render_folded(&problems, Style::Plain);
        assert_eq!(text.matches("no payment reaches").count(), 4, "{text}");
        assert!(text.contains("m3.toml: warning: no payment reaches level `l3`"), "{text}");
        assert!(text.contains("and 996 more, --all shows them"), "{text}");
        assert!(text.contains("nothing uses gate `a`"), "{text}");
        assert_eq!(text.matches("help: write it").count(), 2, "{text}");
        assert_eq!(render_folded(&problems[..10], Style::Plain), render(&problems[..10], Style::Plain));
    }

    #[test]
    fn a_kind_does_not_depend_on_names_numbers_and_currencies() {
        for (one, other, same) in [
            ("unknown gate `a`", "unknown gate `b c`", true),
            ("unknown gate `a`", "unknown project `a`", false),
            ("`x = 1` is out of range", "`y = 2` is out of range", true),
            ("levels `a`, `b` (deposit EUR) each", "levels `a`, `b`, `c` (withdrawal USD) each", true),
            ("no rate from USD to EUR", "no rate from JPY to CAD", true),
            ("held 10 days", "held 200 days", true),
            ("an unmatched ` stays", "an unmatched ` goes", false),
            ("é", "ü", false),
        ] {
            assert_eq!(kind_of(one) == kind_of(other), same, "{one} / {other}");
        }
    }
}
