//! Detects full card numbers, which must not be stored: 13 to 19 digits that pass Luhn's check (ISO/IEC 7812-1, annex B),
//! in any notation.
//!
//! Each text is checked once, where it arrives: fields, bodies, paths and queries in `http`, cells in `csv`, files in
//! `config`. Output is covered by [`masked`].

use crate::domain::vocabulary::{
    attributes::Attribute,
    card_numbers::{
        digits::{DIGITS_MAX, Digits, Group, decimal},
        issuers::{network_named, network_of, network_of_prefix},
    },
    words::Word,
};
mod digits;
mod issuers;

use core::net::IpAddr;
use std::{borrow::Cow, ops::Range};

/// The fewest digits of a card number.
const DIGITS_MIN: usize = 13;
/// The shortest digest, in characters, in an id: a word of hexadecimal digits that could hold a card number and has a
/// letter.
const DIGEST_CHARS_MIN_ID: usize = DIGITS_MIN + 1;
/// The shortest in another text.
const DIGEST_CHARS_MIN_TEXT: usize = 24;
/// The digits at the beginning and at the end that a masked number shows.
const SHOWN: (usize, usize) = (6, 4);

/// The meaning of a text, which decides how it is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// Ids are often long numbers, and one in ten passes Luhn's check: a number is a card number only if a network issues
    /// such numbers.
    Id,
    /// A number written alone is a card number by Luhn's check; a part of a longer one only if a network issues such.
    Text,
    /// As an id, but for phone numbers.
    Phone,
    /// As an id, but for IP addresses: the groups of an IPv6 address can be the digits of a card number.
    Address,
}

impl Meaning {
    fn of(field: &str) -> Self {
        match Attribute::parse(field) {
            Some(Attribute::Phone) => Self::Phone,
            Some(Attribute::ExternalId | Attribute::ReferredBy) => Self::Id,
            Some(Attribute::RegistrationIp) => Self::Address,
            Some(_) => Self::Text,
            None if matches!(field, "masked_number" | "brand") => Self::Text,
            None => Self::Id,
        }
    }
}

/// Whether a text contains a full card number. The name of its field decides what the text means. `is_phone` is called
/// only for a phone that looks like a card number: a valid phone number is no card number.
#[inline]
pub(crate) fn has_card_number(field: &str, text: &str, is_phone: impl FnOnce(&str) -> bool) -> bool {
    may_hold(text) && field_holds_number(field, text, is_phone)
}

/// Whether an id contains a full card number.
pub(crate) fn id_has_card_number(text: &str) -> bool {
    may_hold(text) && holds_number(text, Meaning::Id)
}

#[cold]
fn field_holds_number(field: &str, text: &str, is_phone: impl FnOnce(&str) -> bool) -> bool {
    let meaning = Meaning::of(field);
    let is_other = || match meaning {
        Meaning::Phone => is_phone(text),
        Meaning::Address => is_assigned_address(text),
        Meaning::Id | Meaning::Text => false,
    };
    holds_number(text, meaning) && !is_other()
}

/// Whether a text is an IP address of a range that is assigned: IPv4, or IPv6 in 2000::/3 (RFC 4291).
fn is_assigned_address(text: &str) -> bool {
    match text.trim().parse() {
        Ok(IpAddr::V4(_)) => true,
        Ok(IpAddr::V6(address)) => address.segments()[0] >> 13 == 1,
        Err(_) => false,
    }
}

/// The network of a masked card number, such as `411111******1111`. `None`: it does not show the first six digits, or no
/// network issues such numbers.
pub(crate) fn network_of_masked(masked: &str) -> Option<&'static str> {
    let written: Vec<char> = masked.chars().filter(|one| !matches!(one, ' ' | '-')).collect();
    let first: Vec<u8> = written.iter().map_while(|one| decimal(*one)).take(SHOWN.0).collect();
    (first.len() == SHOWN.0).then(|| network_of_prefix(&first, written.len())).flatten()
}

/// The brand as it is stored: the network of that name, written as in the table of issuers, or the text as sent.
pub(crate) fn brand_as_stored(text: &str) -> &str {
    network_named(text).unwrap_or(text)
}

/// The text with the middle of every card number masked. The length in bytes stays, so that positions in it stay valid.
pub(crate) fn masked(text: &str) -> Cow<'_, str> {
    if !may_hold(text) {
        return Cow::Borrowed(text);
    }
    let all = Digits::of(text);
    let (mut covered, mut group): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    while let Some((number, next)) = number_from(&all, group, Meaning::Id) {
        covered.push(number.start + SHOWN.0..number.end - SHOWN.1);
        group = next;
    }
    if covered.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut covered, mut digit) = (String::with_capacity(text.len()), covered.into_iter().peekable(), 0);
    for one in text.chars() {
        if decimal(one).is_none() {
            shown.push(one);
            continue;
        }
        covered.next_if(|range| range.end <= digit);
        match covered.peek().is_some_and(|range| range.contains(&digit)) {
            true => shown.extend(std::iter::repeat_n('*', one.len_utf8())),
            false => shown.push(one),
        }
        digit += 1;
    }
    Cow::Owned(shown)
}

/// Whether the text may contain enough digits, found in one pass: nearly all texts do not.
#[inline]
pub(crate) fn may_hold(text: &str) -> bool {
    text.len() >= DIGITS_MIN && has_run(text)
}

/// Whether there are enough digits without a letter between them; text of other scripts always counts as enough.
fn has_run(text: &str) -> bool {
    let mut digits = 0;
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'z' | b'A'..=b'Z' => digits = 0,
            0x80.. => return true,
            _ => {}
        }
        if digits >= DIGITS_MIN {
            return true;
        }
    }
    false
}

/// Whether a text holds a card number.
fn holds_number(text: &str, meaning: Meaning) -> bool {
    number_from(&Digits::of(text), 0, meaning).is_some()
}

/// The first card number that begins with the group at `from` or a later one, as a range of digits, and the group after
/// it.
fn number_from(all: &Digits, from: usize, meaning: Meaning) -> Option<(Range<usize>, usize)> {
    let digest_chars_min = if meaning == Meaning::Text { DIGEST_CHARS_MIN_TEXT } else { DIGEST_CHARS_MIN_ID };
    for first in from..all.groups.len() {
        if all.groups[first].is_in_digest(digest_chars_min) {
            continue;
        }
        let (begins, end) = (all.begins(first, digest_chars_min), all.last_of(first, digest_chars_min));
        for last in first..=end {
            let number = all.groups[first].from..all.groups[last].end;
            if number.len() > DIGITS_MAX {
                break;
            }
            let digits = &all.digits[number.clone()];
            if !is_number(digits) {
                continue;
            }
            let is_issued = || network_of(digits).is_some();
            let is_whole = begins && last == end;
            let is_card = match meaning {
                Meaning::Text => is_whole || is_issued(),
                // Without letters, all groups of an id are one number however they are cut.
                Meaning::Id | Meaning::Phone | Meaning::Address => {
                    let is_all = is_whole && !all.has_letters && digits.len() == all.digits.len();
                    is_issued() && (is_all || is_cut_like_a_card(&all.groups[first..=last]))
                }
            };
            if is_card {
                return Some((number, last + 1));
            }
        }
    }
    None
}

/// Whether the groups are those of a card number: equal groups of which the last may differ, as 4-6-4 or 4-6-5, or the
/// issuer's six digits and the rest.
fn is_cut_like_a_card(groups: &[Group]) -> bool {
    match groups {
        [] => false,
        [_] => true,
        [first, _] if first.len() == 6 => true,
        [first, second, third] if (first.len(), second.len()) == (4, 6) => matches!(third.len(), 4 | 5),
        [first, middle @ .., last] => {
            middle.iter().all(|group| group.len() == first.len())
                && (last.len() <= first.len() || (first.len(), last.len()) == (4, 5))
        }
    }
}

/// Whether the number of digits fits a card number and they pass Luhn's check.
fn is_number(digits: &[u8]) -> bool {
    let doubled = |digit: u32| digit * 2 / 10 + digit * 2 % 10;
    let from_the_right = digits.iter().rev().map(|digit| u32::from(*digit)).enumerate();
    let luhn =
        || -> u32 { from_the_right.map(|(place, digit)| if place % 2 == 0 { digit } else { doubled(digit) }).sum() };
    (DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) && luhn().is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(field: &str, text: &str) -> bool {
        has_card_number(field, text, |_| false)
    }

    #[test]
    fn full_card_numbers_are_distinguished_from_other_numbers() {
        for (text, in_text, in_id) in [
            ("4111111111111111", true, true),
            ("4111 1111 1111 1111", true, true),
            ("5500-0000-0000-0004", true, true),
            ("4111.1111.1111.1111", true, true),
            ("4111/1111_1111\u{a0}1111", true, true),
            ("4111 - 1111 - 1111 - 1111", true, true),
            ("4111    1111\t\t1111  \u{a0} 1111", true, true),
            ("4111\u{2011}1111\u{2011}1111\u{2011}1111", true, true),
            ("411111 1111111111", true, true),
            ("41-11-11-11-11-11-11-11", true, true),
            ("411-1111111-111111", true, true),
            ("\u{ff14}\u{ff11}11111111111111", true, true),
            ("\u{664}\u{661}\u{661}\u{661}111111111111", true, true),
            ("\u{96a}\u{1d7cf}\u{1fbf1}\u{1041}\u{e51}\u{17e1}1111111111", true, true),
            ("378282246310005", true, true),
            ("3782 822463 10005", true, true),
            ("3056 930902 5904 exp 1229", true, true),
            ("card:4111111111111111", true, true),
            ("tok_4111111111111111", true, true),
            ("card4111111111111111", true, true),
            ("x4111111111111111", true, true),
            ("4111111111111111,", true, true),
            ("%B4111111111111111^DOE/JANE^29121010000?", true, false),
            (";4111111111111111=29121010000?", true, true),
            ("4111111111111111 12/27", true, true),
            ("4111 1111 1111 1111 12/27", true, true),
            ("4111 1111 1111 1111 12/29 123", true, true),
            ("tok 4111-1111-1111-1111 exp 0129", true, true),
            ("4111-1111-1111-1111b", true, true),
            ("Flat 3, 4111 1111 1111 1111", true, true),
            ("Visa 4111 1111 1111 1111 of mine", true, true),
            ("550e8400-e29b-41d4-a716-446655440000/4111111111111111", true, true),
            ("4111111111111112", false, false),
            ("411111******1111", false, false),
            ("order-20261120-000412", false, false),
            ("550e8400-e29b-41d4-a716-446655440000", false, false),
            ("41111111-1111-1111-8111-111111111111", false, false),
            ("pay_41111111-1111-1111-8111-111111111111_2", false, false),
            // Hexadecimal digits are a digest, unless a text has too few of them.
            ("a41111111111111111b", false, false),
            ("b4111111111111111", true, false),
            ("d3b07384d4111111111111111c6235ab", false, false),
            ("01J9ZK3NDEKTSV4RRFFQ69G5FAV", false, false),
            ("123456789012", false, false),
            ("+49 30 1234567, +49 30 7654321", false, false),
            ("2026-11-20T10:00:00.123Z", false, false),
            ("", false, false),
        ] {
            assert_eq!(is_refused("payment_instrument", text), in_text, "{text} in a text");
            assert_eq!(is_refused("transaction_id", text), in_id, "{text} in an id");
            assert_eq!(id_has_card_number(text), in_id, "{text} in an id");
        }
        // Passes Luhn's check, but no network issues it: a text may not be it, an id may.
        for (field, card, long) in [
            ("name", true, true),
            ("masked_number", true, true),
            ("external_id", true, false),
            ("phone", true, false),
            ("job", true, false),
        ] {
            assert_eq!(is_refused(field, "4111111111111111"), card, "{field}");
            assert_eq!(is_refused(field, "1700000000000000004"), long, "{field}");
        }
    }

    #[test]
    fn ids_that_are_made_of_time_and_counters_pass() {
        for step in 0..2_000_u64 {
            for id in [
                format!("20261120100000{:03}", step % 1_000),
                format!("{}", 1_790_000_000_000 + step * 7_919),
                format!("{}", 1_790_000_000_000_000 + step * 7_919),
                format!("{}", 1_790_000_000_000_000_000 + step * 7_919),
                format!("ord-2026-11-20-{step:06}"),
                format!("order{}", 1_790_000_000_000 + step * 7_919),
                format!("{:032x}", u128::from(step).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835)),
            ] {
                assert!(!id_has_card_number(&id), "{id}");
            }
        }
    }

    #[test]
    fn a_valid_phone_number_is_no_card_number() {
        for (text, is_phone, want) in [("4111111111111111", false, true), ("4111111111111111", true, false)] {
            assert_eq!(has_card_number("phone", text, |_| is_phone), want, "{text}");
            assert!(has_card_number("name", text, |_| is_phone), "{text}");
        }
    }

    #[test]
    fn a_long_text_is_judged_in_one_pass() {
        for text in ["1 ".repeat(1 << 20), "4111111111111112 ".repeat(1 << 16), "4111111111111111 ".repeat(1 << 16)] {
            let is_card = text.starts_with("4111111111111111");
            assert_eq!(is_refused("transaction_id", &text), is_card);
            assert_eq!(masked(&text).contains("411111******1111"), is_card);
        }
    }

    #[test]
    fn a_card_number_is_covered_wherever_it_is() {
        for (text, want) in [
            ("no transaction \"4111111111111111\"", "no transaction \"411111******1111\""),
            ("4111 1111 1111 1111 or 378282246310005", "4111 11** **** 1111 or 378282*****0005"),
            ("\u{ff14}111111111111111", "\u{ff14}11111******1111"),
            ("411111\u{ff11}1\u{ff11}1111111", "411111**********1111"),
            ("no transaction \"t-1\" of 1700000000000000004", "no transaction \"t-1\" of 1700000000000000004"),
            ("caf\u{e9} 4111111111111111", "caf\u{e9} 411111******1111"),
            ("4222222222222 12/29, 5500000000000004", "422222***2222 12/29, 550000******0004"),
        ] {
            assert_eq!(masked(text), want);
            assert_eq!(masked(text).len(), text.len());
        }
    }
}
