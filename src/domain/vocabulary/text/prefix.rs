//! Beginnings of names and e-mail addresses, by which staff find customers.

use crate::domain::vocabulary::{
    attributes::{Attribute, Attributes},
    contact::email,
};
use std::borrow::Cow;

/// The fewest characters of a beginning. Shorter ones match too many customers to be useful.
pub const PREFIX_CHARS_MIN: usize = 3;

/// The beginning of a text as it is compared: Unicode NFC, lower case, one space between words, without invisible
/// characters and white space at the ends. Letters with and without accents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPrefix(String);

impl TextPrefix {
    /// Reads a beginning; a star at its end is not part of it. `None`: it has too few characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = compared(text.strip_suffix('*').unwrap_or(text)).into_owned();
        (text.chars().count() >= PREFIX_CHARS_MIN).then_some(Self(text))
    }

    /// Whether the e-mail address of a customer begins with it. The domain matches as written and in its ASCII form.
    #[must_use]
    pub fn begins_email(&self, attributes: &Attributes) -> bool {
        let begins = |address: &str| {
            compared(address).starts_with(&self.0)
                || (!address.is_ascii() && email::compared(address).starts_with(&self.0))
        };
        attributes.value(Attribute::Email).is_some_and(begins)
    }

    /// Whether a name of a customer, or the rest of it after one of its words, begins with it: the full name, or the first
    /// and the last name in either order.
    #[must_use]
    pub fn begins_name(&self, attributes: &Attributes) -> bool {
        let value = |attribute| attributes.value(attribute);
        let begins = |name: &str| self.begins_word_of(&compared(name));
        value(Attribute::Name).is_some_and(begins)
            || match (value(Attribute::FirstName), value(Attribute::LastName)) {
                // Both orders in one text.
                (Some(first), Some(last)) => begins(&format!("{first} {last} {first}")),
                (first, last) => first.or(last).is_some_and(begins),
            }
    }

    fn begins_word_of(&self, text: &str) -> bool {
        let is_word_start = |at: usize| !text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        text.match_indices(self.0.as_str()).any(|(at, _)| is_word_start(at))
    }
}

/// The form in which a text is compared.
fn compared(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
    let has_single_spaces = text == text.trim() && !text.contains("  ");
    if has_single_spaces && text.bytes().all(is_plain) {
        let is_lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
        return if is_lower { text.into() } else { text.to_ascii_lowercase().into() };
    }
    let lower = email::visible_lower_case(text);
    lower.split_whitespace().collect::<Vec<_>>().join(" ").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(Attribute, &str)]) -> Attributes {
        let mut attributes = Attributes::default();
        values.iter().for_each(|(attribute, value)| attributes.set(*attribute, value));
        attributes
    }

    #[test]
    fn a_name_is_found_by_the_beginning_of_each_of_its_words() {
        use Attribute::{FirstName, LastName, Name};
        let alice = of(&[(Name, "Alice  van der B\u{fc}rg-O'Brien")]);
        let zoe = of(&[(FirstName, "ZO\u{cb}"), (LastName, "Smith")]);
        let (only_last, nobody) = (of(&[(LastName, "Li Wei")]), of(&[(Attribute::Email, "alice@example.com")]));
        for (customer, prefix, want) in [
            (&alice, "ali", true),
            (&alice, "ALICE VAN", true),
            (&alice, " van  der ", true),
            (&alice, "bu\u{308}rg", true),
            (&alice, "B\u{dc}R", true),
            (&alice, "burg", false),
            (&alice, "obrien", false),
            (&alice, "o'b", true),
            (&alice, "brien", true),
            (&alice, "lice", false),
            (&alice, "ali*", true),
            (&zoe, "zoe", false),
            (&zoe, "zo\u{eb}", true),
            (&zoe, "zoe\u{308} smi", true),
            (&zoe, "smith z", true),
            (&zoe, "mith", false),
            (&only_last, "wei", true),
            (&nobody, "ali", false),
        ] {
            let prefix = TextPrefix::parse(prefix).unwrap();
            assert_eq!(prefix.begins_name(customer), want, "{prefix:?} of {customer:?}");
        }
    }

    #[test]
    fn an_address_is_found_by_its_beginning_alone() {
        let address = |text: &str| of(&[(Attribute::Email, text)]);
        for (stored, prefix, want) in [
            ("Alice@Example.com", "alice", true),
            ("Alice@Example.com", "ALICE@EX", true),
            ("Alice@Example.com", "alice@example.com", true),
            ("Alice@Example.com", "example", false),
            ("user@b\u{fc}cher.example", "user@b\u{fc}ch", true),
            ("user@b\u{fc}cher.example", "user@xn--b", true),
            ("jose\u{301}@example.com", "jos\u{e9}", true),
            ("jos\u{e9}@example.com", "jose", false),
        ] {
            let prefix = TextPrefix::parse(prefix).unwrap();
            assert_eq!(prefix.begins_email(&address(stored)), want, "{prefix:?} of {stored}");
        }
        assert!(!TextPrefix::parse("alice").unwrap().begins_email(&of(&[(Attribute::Name, "alice")])));
    }

    #[test]
    fn a_beginning_has_three_characters() {
        for (text, want) in [
            ("", None),
            ("al", None),
            ("al*", None),
            ("  a ", None),
            ("\u{200b}al", None),
            ("Al\u{ef}", Some("al\u{ef}")),
        ] {
            assert_eq!(TextPrefix::parse(text).map(|prefix| prefix.0).as_deref(), want, "{text:?}");
        }
    }
}
