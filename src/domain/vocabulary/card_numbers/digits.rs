//! The digits of a text, in groups: digits of every script, and which groups may be parts of one number.

use crate::domain::vocabulary::names::NAME_BYTES_MAX;
use smallvec::SmallVec;

/// The zeros of all decimal digits (general category Nd, Unicode 17); each is followed by its one to nine.
const ZEROS: &[char] = &[
    '\u{30}',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{10d40}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{116d0}',
    '\u{116da}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11bf0}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{11de0}',
    '\u{11f50}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{16d70}',
    '\u{1ccf0}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e4f0}',
    '\u{1e5f1}',
    '\u{1e950}',
    '\u{1fbf0}',
];
/// The most digits of a card number.
pub(super) const DIGITS_MAX: usize = 19;
/// The most characters between two groups of one number, as in `4111 - 1111`; spaces in a row are one.
const BETWEEN_MAX: usize = 3;
/// The bytes of a UUID as text (RFC 9562), and how many of them are digits.
const UUID_BYTES: usize = 36;
const UUID_DIGITS: usize = 32;

/// The value of a decimal digit of any script.
pub(super) fn decimal(one: char) -> Option<u8> {
    if one.is_ascii() {
        return one.is_ascii_digit().then(|| one as u8 - b'0');
    }
    let zero = *ZEROS.get(ZEROS.partition_point(|zero| *zero <= one).checked_sub(1)?)?;
    u8::try_from(u32::from(one) - u32::from(zero)).ok().filter(|digit| *digit < 10)
}

/// Digits with nothing between them.
pub(super) struct Group {
    /// The first digit, counted over the whole text.
    pub(super) from: usize,
    /// The digit after the last.
    pub(super) end: usize,
    /// Whether so little is between it and the group before that both may be one number.
    pub(super) is_joined: bool,
    /// The characters of the digest that it is part of: of a word of hexadecimal digits of which some are letters, or
    /// of a UUID. 0: it is part of none.
    pub(super) digest_chars: usize,
}

/// The digits of a text one after another, and the groups. Those of an id fit in without an allocation.
#[derive(Default)]
pub(super) struct Digits {
    pub(super) digits: SmallVec<[u8; NAME_BYTES_MAX]>,
    pub(super) groups: SmallVec<[Group; 8]>,
    /// Whether the text has letters.
    pub(super) has_letters: bool,
}

/// A word: letters and digits with nothing else between them.
struct Word {
    /// Its first group.
    groups_from: usize,
    chars: usize,
    has_letters: bool,
    is_hexadecimal: bool,
}

impl Digits {
    pub(super) fn of(text: &str) -> Self {
        let mut all = Self::default();
        let mut word: Option<Word> = None;
        // What came since the last digit: how many characters, whether letters, and whether a space was the last one.
        let (mut since, mut letters, mut was_space) = (usize::MAX, false, false);
        let mut uuid_end = 0;
        for (at, one) in text.char_indices() {
            if word.is_none() && is_uuid(&text[at..]) {
                uuid_end = at + UUID_BYTES;
            }
            let digit = decimal(one);
            if !one.is_alphanumeric() && digit.is_none() {
                all.end_word(word.take());
                let is_space = one.is_whitespace();
                since = since.saturating_add(usize::from(!(is_space && was_space)));
                was_space = is_space;
                continue;
            }
            let groups_from = all.groups.len();
            let word = word.get_or_insert(Word { groups_from, chars: 0, has_letters: false, is_hexadecimal: true });
            word.chars += 1;
            was_space = false;
            let Some(digit) = digit else {
                word.has_letters = true;
                word.is_hexadecimal &= one.is_ascii_hexdigit();
                (all.has_letters, letters, since) = (true, true, since.saturating_add(1));
                continue;
            };
            if since > 0 {
                let (from, is_joined) = (all.digits.len(), since <= BETWEEN_MAX && !letters);
                let digest_chars = if at < uuid_end { UUID_DIGITS } else { 0 };
                all.groups.push(Group { from, end: from, is_joined, digest_chars });
            }
            all.digits.push(digit);
            if let Some(group) = all.groups.last_mut() {
                group.end = all.digits.len();
            }
            (since, letters) = (0, false);
        }
        all.end_word(word);
        all
    }

    fn end_word(&mut self, word: Option<Word>) {
        let Some(word) = word.filter(|word| word.has_letters && word.is_hexadecimal) else { return };
        for group in &mut self.groups[word.groups_from..] {
            group.digest_chars = group.digest_chars.max(word.chars);
        }
    }

    /// Whether no group before this one may be part of the same number. Digests of so many characters are no parts.
    pub(super) fn begins(&self, group: usize, digest_chars_min: usize) -> bool {
        !self.groups[group].is_joined || self.groups[..group].last().is_some_and(|g| g.is_in_digest(digest_chars_min))
    }

    /// The last group that may be part of the same number as this one; no more are looked at than a number has digits.
    pub(super) fn last_of(&self, group: usize, digest_chars_min: usize) -> usize {
        let rest = self.groups.iter().skip(group + 1).take(DIGITS_MAX);
        group + rest.take_while(|group| group.is_joined && !group.is_in_digest(digest_chars_min)).count()
    }
}

impl Group {
    /// How many digits it has.
    pub(super) fn len(&self) -> usize {
        self.end - self.from
    }

    /// Whether it is part of a digest of at least so many characters.
    pub(super) fn is_in_digest(&self, chars_min: usize) -> bool {
        self.digest_chars > 0 && self.digest_chars >= chars_min
    }
}

/// Whether a text begins with a UUID and goes on with no letter or digit.
fn is_uuid(text: &str) -> bool {
    let Some((uuid, rest)) = text.as_bytes().split_at_checked(UUID_BYTES) else { return false };
    let fits = |(at, byte): (usize, &u8)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    uuid.iter().enumerate().all(fits) && !text[text.len() - rest.len()..].starts_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_of_every_script_have_their_values() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for digit in 0..10 {
                let one = char::from_u32(u32::from(*zero) + u32::from(digit)).unwrap();
                assert!(one.is_numeric(), "{one:?} is no digit");
                assert_eq!(decimal(one), Some(digit), "{one:?}");
            }
        }
        for none in ['a', '/', ':', '\u{b2}', '\u{2460}', '\u{2160}', '\u{4e00}', '\u{65f}', '\u{1d7cd}', '\u{1fbfa}'] {
            assert_eq!(decimal(none), None, "{none:?}");
        }
    }

    #[test]
    fn a_uuid_is_known_by_its_form() {
        for (text, want) in [
            ("550e8400-e29b-41d4-a716-446655440000", true),
            ("41111111-1111-1111-1111-111111111111", true),
            ("550e8400-e29b-41d4-a716-446655440000/x", true),
            ("550e8400-e29b-41d4-a716-4466554400001", false),
            ("550e8400-e29b-41d4-a716-44665544000\u{e9}", false),
            ("550e8400-e29b-41d4-a716_446655440000", false),
            ("550e8400-e29b-41d4-a716", false),
        ] {
            assert_eq!(is_uuid(text), want, "{text}");
        }
    }
}
