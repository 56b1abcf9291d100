//! An identifier of a customer in its stored form: readable, or sealed with the customer's key.
//!
//! A sealed identifier has a keyed digest, by which the customer is found, and its text. The text can be forgotten; the
//! digest stays. This module has no key: the caller passes the digest.

use std::fmt;

/// A `merchant_customer_identifier` of a customer. Its text is never empty, except in data of an earlier version.
///
/// It is one text in memory, because most customers have one identifier and stay in memory: the identifier itself if it
/// is readable; else `MARK`, `s`, the digest as `DIGEST_CHARS` characters of seven bits, lowest first, and the text or
/// nothing. A readable text that begins with `MARK` is prefixed by `MARK` and `c`.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredIdentifier(Box<str>);

/// A control character, which no current identifier contains.
const MARK: char = '\u{1}';
const CLEAR: char = 'c';
const SEALED: char = 's';
/// Of seven bits each: a digest has 128.
const DIGEST_CHARS: usize = 19;

impl StoredIdentifier {
    /// A readable identifier.
    #[must_use]
    pub fn clear(text: &str) -> Self {
        if !text.starts_with(MARK) {
            return Self(text.into());
        }
        Self([MARK, CLEAR].into_iter().chain(text.chars()).collect())
    }

    /// A sealed identifier with its keyed digest.
    #[must_use]
    pub fn sealed(text: &str, digest: u128) -> Self {
        let mut kept = String::with_capacity(2 + DIGEST_CHARS + text.len());
        kept.extend([MARK, SEALED]);
        kept.extend((0..DIGEST_CHARS).map(|nth| char::from((digest >> (7 * nth) & 0x7f).to_le_bytes()[0])));
        kept.push_str(text);
        Self(kept.into_boxed_str())
    }

    /// A sealed identifier whose text is forgotten.
    #[must_use]
    pub fn forgotten(digest: u128) -> Self {
        Self::sealed("", digest)
    }

    /// The digest and the text of a sealed identifier; `None`: it is readable.
    fn parts(&self) -> Option<(u128, &str)> {
        let rest = self.0.strip_prefix(MARK)?.strip_prefix(SEALED)?;
        let (digits, text) = rest.split_at_checked(DIGEST_CHARS)?;
        Some((digits.bytes().rev().fold(0, |digest, digit| digest << 7 | u128::from(digit)), text))
    }

    /// The text; `None`: it is forgotten.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match self.parts() {
            Some((_, text)) => (!text.is_empty()).then_some(text),
            None => Some(self.0.strip_prefix(MARK).map_or(&*self.0, |rest| rest.strip_prefix(CLEAR).unwrap_or(rest))),
        }
    }

    /// The keyed digest of a sealed identifier.
    #[must_use]
    pub fn digest(&self) -> Option<u128> {
        self.parts().map(|(digest, _)| digest)
    }

    /// Whether it is stored sealed.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.parts().is_some()
    }

    /// Whether the text is forgotten.
    #[must_use]
    pub fn is_forgotten(&self) -> bool {
        self.text().is_none()
    }

    /// Forgets the text of a sealed identifier; a readable one stays.
    pub fn forget(&mut self) {
        if let Some(digest) = self.digest() {
            *self = Self::forgotten(digest);
        }
    }

    /// Whether both are the same identifier: by their texts, without white space at the ends, where both are known, else
    /// by their digests.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (self.text(), other.text()) {
            (Some(text), Some(other)) => text.trim() == other.trim(),
            _ => self.digest().is_some_and(|digest| other.digest() == Some(digest)),
        }
    }
}

impl From<&str> for StoredIdentifier {
    fn from(text: &str) -> Self {
        Self::clear(text)
    }
}

impl fmt::Debug for StoredIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parts() {
            None => self.text().unwrap_or_default().fmt(f),
            Some((digest, "")) => write!(f, "sealed({digest:032x})"),
            Some((digest, text)) => write!(f, "sealed({digest:032x}, {text:?})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_identifier_returns_its_text_and_digest(text in any::<String>(), digest: u128, marks in 0..3_usize) {
            let text = MARK.to_string().repeat(marks) + &text;
            let clear = StoredIdentifier::clear(&text);
            prop_assert_eq!((clear.text(), clear.digest()), (Some(text.as_str()), None));
            let mut sealed = StoredIdentifier::sealed(&text, digest);
            prop_assert_eq!(sealed.text(), (!text.is_empty()).then_some(text.as_str()));
            prop_assert_eq!(sealed.digest(), Some(digest));
            sealed.forget();
            prop_assert_eq!((sealed.text(), sealed.digest()), (None, Some(digest)));
        }
    }

    #[test]
    fn a_text_that_looks_like_a_sealed_identifier_is_readable() {
        for text in ["\u{1}", "\u{1}s", "\u{1}c", "\u{1}s0123456789012345678alice", "\u{1}cbob", "alice"] {
            let mut clear = StoredIdentifier::clear(text);
            clear.forget();
            assert_eq!((clear.text(), clear.is_sealed()), (Some(text), false), "{text:?}");
        }
    }

    #[test]
    fn identifiers_are_compared_by_text_and_where_one_is_forgotten_by_digest() {
        let [clear, sealed, gone] =
            [StoredIdentifier::clear(" a "), StoredIdentifier::sealed("a", 7), StoredIdentifier::forgotten(7)];
        assert!(clear.is_same(&sealed) && sealed.is_same(&gone) && gone.is_same(&gone));
        assert!(!clear.is_same(&gone) && !gone.is_same(&StoredIdentifier::forgotten(8)));
        assert!(!sealed.is_same(&StoredIdentifier::sealed("b", 7)), "texts are compared where both are known");
    }

    #[test]
    fn an_optional_identifier_has_the_size_of_an_optional_text() {
        assert_eq!(size_of::<Option<StoredIdentifier>>(), size_of::<Option<Box<str>>>());
    }
}
