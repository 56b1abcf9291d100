//! Full card numbers, which nothing here may hold: 13 to 19 digits that pass Luhn's check (ISO/IEC 7812-1, annex B),
//! however they are written.

use super::{name::NAME_BYTES_MAX, refusal::Refusal, rules::Attribute};
use smallvec::SmallVec;

/// Fewer digits are no card's number.
const DIGITS_MIN: usize = 13;
/// Nor are more.
const DIGITS_MAX: usize = 19;
/// The most characters between two groups of a number, as in `4111 - 1111`.
const BETWEEN_MAX: usize = 3;

/// Refuses a text that holds a full card number. What is a number whole is judged by Luhn's check; what stands among
/// other things must also begin and end as the cards of a network do, since one in ten long numbers passes.
pub(crate) fn no_card_number(field: &'static str, text: &str) -> Result<(), Refusal> {
    if !may_hold(text) {
        return Ok(());
    }
    let Digits { digits, groups } = &Digits::of(text);
    let holds = |first: usize| {
        let joined = groups[first + 1..].iter().take_while(|group| group.is_joined);
        let behind = first + joined.count();
        (first..=behind).any(|last| {
            let number = &digits[groups[first].from..groups[last].end];
            let is_whole = !groups[first].is_joined && last == behind;
            is_number(number) && (is_whole || is_issued(number))
        })
    };
    if (0..groups.len()).any(holds) { Err(Refusal::CardNumber(field)) } else { Ok(()) }
}

/// Refuses an id that holds a full card number. Ids are often long numbers, and parts of them are: a number in one is
/// that of a card if a network issues such, and if no letter stands beside it, as in the digests of which many ids are
/// made. Without letters all groups of an id are one number.
pub(crate) fn no_card_id(field: &'static str, text: &str) -> Result<(), Refusal> {
    if !may_hold(text) {
        return Ok(());
    }
    let Digits { digits, groups } = &Digits::of(text);
    let is_card = |digits: &[u8]| is_number(digits) && is_issued(digits);
    let is_one = groups.iter().skip(1).all(|group| group.is_joined) && !text.chars().any(char::is_alphabetic);
    let mut alone = groups.iter().filter(|group| !group.has_letter_beside);
    if is_one && is_card(digits) || alone.any(|group| is_card(&digits[group.from..group.end])) {
        return Err(Refusal::CardNumber(field));
    }
    Ok(())
}

/// Refuses a full card number as an attribute. An external id is an id.
pub(crate) fn no_card_attribute(attribute: Attribute, value: &str) -> Result<(), Refusal> {
    match attribute {
        Attribute::Phone => no_card_phone(attribute.word(), value),
        Attribute::ExternalId => no_card_id(attribute.word(), value),
        _ => no_card_number(attribute.word(), value),
    }
}

/// Refuses a full card number as a phone number. What has a country's code and no more digits than a number can have
/// (ITU-T E.164: 15) is a phone number; anything else is judged as an id.
fn no_card_phone(field: &'static str, text: &str) -> Result<(), Refusal> {
    const PHONE_DIGITS_MAX: usize = 15;
    match text.trim().strip_prefix('+') {
        Some(rest) if rest.bytes().filter(u8::is_ascii_digit).count() <= PHONE_DIGITS_MAX => Ok(()),
        Some(rest) => no_card_id(field, rest),
        None => no_card_id(field, text),
    }
}

/// Whether there may be digits enough, told in one pass: of nearly all texts there are not.
fn may_hold(text: &str) -> bool {
    text.len() >= DIGITS_MIN && (!text.is_ascii() || text.bytes().filter(u8::is_ascii_digit).count() >= DIGITS_MIN)
}

/// The digits of a text, one behind another, and the groups in which they stand. An id's fit in without an allocation.
#[derive(Default)]
struct Digits {
    digits: SmallVec<[u8; NAME_BYTES_MAX]>,
    groups: SmallVec<[Group; 8]>,
}

/// Digits with nothing between them: a part of all.
struct Group {
    from: usize,
    end: usize,
    /// Whether so little stands between it and the group before that both may be one number.
    is_joined: bool,
    has_letter_beside: bool,
}

impl Digits {
    fn of(text: &str) -> Self {
        let Self { mut digits, mut groups } = Self::default();
        // What came since the last digit: how many characters, whether letters, and whether the last was one.
        let (mut since, mut letters, mut was_letter) = (usize::MAX, false, false);
        for one in text.chars() {
            let Some(digit) = decimal(one) else {
                was_letter = one.is_alphabetic();
                if since == 0 {
                    groups.last_mut().into_iter().for_each(|group: &mut Group| group.has_letter_beside |= was_letter);
                }
                (since, letters) = (since.saturating_add(1), letters || was_letter);
                continue;
            };
            if since > 0 {
                let (from, is_joined) = (digits.len(), since <= BETWEEN_MAX && !letters);
                groups.push(Group { from, end: from, is_joined, has_letter_beside: was_letter });
            }
            digits.push(digit);
            groups.last_mut().into_iter().for_each(|group| group.end = digits.len());
            (since, letters, was_letter) = (0, false, false);
        }
        Self { digits, groups }
    }
}

/// A decimal digit as people type it on keyboards of several scripts.
fn decimal(one: char) -> Option<u8> {
    const ZEROS: [char; 5] = ['0', '\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'];
    let digit = |zero: &char| u32::from(one).checked_sub(u32::from(*zero)).filter(|digit| *digit < 10);
    ZEROS.iter().find_map(digit).and_then(|digit| u8::try_from(digit).ok())
}

/// Whether the digits are as many as a card's, and pass Luhn's check.
fn is_number(digits: &[u8]) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let from_the_right = digits.iter().rev().map(|digit| u32::from(*digit)).enumerate();
    let luhn =
        || -> u32 { from_the_right.map(|(place, digit)| if place % 2 == 0 { digit } else { doubled(digit) }).sum() };
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && luhn().is_multiple_of(10)
}

/// Whether a network issues numbers that begin so and are so long.
fn is_issued(digits: &[u8]) -> bool {
    let (length, first_four) = (digits.len(), digits.iter().take(4).fold(0, |n, digit| n * 10 + u32::from(*digit)));
    match first_four {
        4000..=4999 => matches!(length, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => length == 16,
        3400..=3499 | 3700..=3799 => length == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&length),
        3528..=3589 | 6000..=6999 | 5000..=5099 => (16..=19).contains(&length),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_card_numbers_are_told_from_other_numbers() {
        for (text, in_text, in_id) in [
            ("4111111111111111", true, true),
            ("4111 1111 1111 1111", true, true),
            ("5500-0000-0000-0004", true, true),
            ("4111.1111.1111.1111", true, true),
            ("4111/1111_1111\u{a0}1111", true, true),
            ("4111 - 1111 - 1111 - 1111", true, true),
            ("4111\u{2011}1111\u{2011}1111\u{2011}1111", true, true),
            ("\u{ff14}\u{ff11}11111111111111", true, true),
            ("\u{664}\u{661}\u{661}\u{661}111111111111", true, true),
            ("378282246310005", true, true),
            ("card:4111111111111111", true, true),
            ("tok_4111111111111111", true, true),
            ("4111111111111111,", true, true),
            ("4111111111111111 12/27", true, true),
            ("4111 1111 1111 1111 12/27", true, false),
            ("Flat 3, 4111 1111 1111 1111", true, false),
            ("x4111111111111111", true, false),
            ("Visa 4111 1111 1111 1111 of mine", true, false),
            ("4111111111111112", false, false),
            ("411111******1111", false, false),
            ("order-20261120-000412", false, false),
            ("550e8400-e29b-41d4-a716-446655440000", false, false),
            ("a41111111111111111b", false, false),
            ("123456789012", false, false),
            ("+49 30 1234567, +49 30 7654321", false, false),
            ("", false, false),
        ] {
            assert_eq!(no_card_number("payment_instrument", text).is_err(), in_text, "{text} in a text");
            assert_eq!(no_card_id("transaction_id", text).is_err(), in_id, "{text} in an id");
        }
        // Passes Luhn's check, but no network issues it: a text may not be it, an id may.
        assert!(no_card_number("name", "1700000000000000004").is_err());
        assert!(no_card_id("transaction_id", "1700000000000000004").is_ok());
        for (attribute, card, long) in
            [(Attribute::Name, true, true), (Attribute::ExternalId, true, false), (Attribute::Phone, true, false)]
        {
            assert_eq!(no_card_attribute(attribute, "4111111111111111").is_err(), card, "{}", attribute.word());
            assert_eq!(no_card_attribute(attribute, "1700000000000000004").is_err(), long, "{}", attribute.word());
        }
    }
}
