//! The names of people in histories: a person with the token whose rights the person had, or two of them.
//!
//! The configuration refuses names that would make these texts ambiguous or too long.

/// A person who acts with the rights of a token.
pub(crate) fn person_with_token(person: &str, token: &str) -> String {
    format!("{person} ({token})")
}

/// Two authors of one change: who asked for it, and who confirmed it.
pub(crate) fn two_authors(first: &str, second: &str) -> String {
    format!("{first}, {second}")
}

/// The tokens of the people in the name of an author who is no token.
pub(crate) fn token_names(author: &str) -> impl Iterator<Item = &str> {
    author
        .split(", ")
        .map(|part| part.strip_suffix(')').and_then(|part| part.rsplit_once(" (")).map_or(part, |(_, token)| token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::USER_NAME_BYTES_MAX, domain::vocabulary::names::NAME_BYTES_MAX};

    #[test]
    fn the_tokens_of_an_author_are_found() {
        let ann = person_with_token("ann@example.com", "support");
        assert_eq!(ann, "ann@example.com (support)");
        let both = two_authors(&ann, &person_with_token("ben", "risk"));
        for (author, want) in [
            (ann.as_str(), &["support"][..]),
            (&both, &["support", "risk"]),
            ("olga", &["olga"]),
            (&two_authors("olga", "petra"), &["olga", "petra"]),
        ] {
            assert_eq!(token_names(author).collect::<Vec<_>>(), want, "{author}");
        }
    }

    #[test]
    fn the_longest_names_of_two_people_with_their_tokens_are_one_name() {
        let longest = person_with_token(&"a".repeat(USER_NAME_BYTES_MAX), &"t".repeat(20));
        assert_eq!(two_authors(&longest, &longest).len(), NAME_BYTES_MAX);
    }
}
