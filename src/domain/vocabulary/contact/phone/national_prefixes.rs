//! National prefixes: the digits at the start of a national number that libphonenumber may remove or replace when it reads
//! the number after its country code.
//!
//! They are the starts of `national_prefix_for_parsing` in the metadata of libphonenumber 9.0.42, of the main region
//! of each country code. `tests/phones` compares them with the metadata.

/// Country codes without a national prefix.
const WITHOUT: [u16; 100] = [
    30, 34, 39, 45, 47, 48, 52, 56, 65, 216, 220, 221, 222, 223, 224, 225, 226, 227, 228, 229, 230, 235, 236, 237, 238,
    239, 240, 242, 244, 245, 246, 247, 248, 253, 257, 258, 266, 267, 268, 269, 290, 297, 299, 350, 351, 354, 356, 357,
    371, 372, 376, 420, 500, 501, 502, 503, 504, 505, 507, 509, 592, 597, 599, 670, 673, 674, 675, 676, 677, 678, 679,
    680, 681, 682, 683, 685, 687, 688, 689, 690, 691, 800, 808, 852, 853, 870, 878, 881, 882, 883, 888, 960, 965, 968,
    973, 974, 975, 979, 992, 998,
];

/// Country codes whose only national prefix is `0`.
const ZERO: [u16; 91] = [
    20, 27, 31, 32, 33, 40, 41, 43, 46, 49, 51, 53, 58, 60, 62, 63, 64, 66, 84, 90, 91, 92, 93, 94, 95, 98, 211, 212,
    213, 218, 231, 232, 233, 234, 243, 249, 250, 251, 252, 254, 255, 256, 260, 262, 263, 264, 265, 291, 353, 355, 358,
    359, 373, 374, 377, 380, 381, 382, 383, 385, 386, 387, 389, 421, 508, 590, 593, 594, 595, 596, 598, 686, 850, 855,
    856, 880, 886, 961, 962, 963, 964, 966, 967, 970, 971, 972, 976, 977, 994, 995, 996,
];

/// The other country codes, with the starts of what is removed or replaced.
const OTHERS: [(u16, &[&str]); 24] = [
    (1, &["1"]),
    (7, &["8"]),
    (36, &["06"]),
    (44, &["0", "180020"]),
    (54, &["0", "1", "2", "3"]),
    (55, &["0", "90"]),
    (57, &["0"]),
    (61, &["0", "183"]),
    (81, &["0"]),
    (82, &["0"]),
    (86, &["0", "11", "12", "179"]),
    (241, &["0"]),
    (261, &["0", "2", "4", "5", "6", "7", "8", "9"]),
    (298, &["10"]),
    (352, &["15"]),
    (370, &["0", "8"]),
    (375, &["0", "8"]),
    (378, &["8", "9"]),
    (423, &["0", "1001"]),
    (506, &["19"]),
    (591, &["0"]),
    (672, &["0", "1", "2", "5", "8"]),
    (692, &["1"]),
    (993, &["8"]),
];

/// The starts of national numbers of a country code that the library may change; `None`: no country has the code.
#[must_use]
pub fn of(country_code: u16) -> Option<&'static [&'static str]> {
    if ZERO.binary_search(&country_code).is_ok() {
        return Some(&["0"]);
    }
    if WITHOUT.binary_search(&country_code).is_ok() {
        return Some(&[]);
    }
    let place = OTHERS.binary_search_by_key(&country_code, |(code, _)| *code).ok()?;
    Some(OTHERS[place].1)
}

/// The national prefixes of the country code at the start of digits, and the digits after it. No code is the start of
/// another one.
pub(super) fn split_country_code(digits: &str) -> Option<(&'static [&'static str], &str)> {
    // No code begins with zero.
    let digits = Some(digits).filter(|digits| !digits.starts_with('0'))?;
    (1..=3).find_map(|len| {
        let (code, rest) = digits.split_at_checked(len)?;
        Some((of(code.parse().ok()?)?, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rlibphonenumber::PHONE_NUMBER_UTIL;
    use std::collections::BTreeSet;

    #[test]
    fn every_country_code_of_the_library_is_in_one_list() {
        let supported: BTreeSet<u16> =
            PHONE_NUMBER_UTIL.get_supported_calling_codes().map(|code| u16::try_from(code).unwrap()).collect();
        let listed: BTreeSet<u16> =
            WITHOUT.into_iter().chain(ZERO).chain(OTHERS.into_iter().map(|(code, _)| code)).collect();
        assert_eq!(listed, supported);
        assert_eq!(listed.len(), WITHOUT.len() + ZERO.len() + OTHERS.len(), "a code is listed twice");
        for codes in [&WITHOUT[..], &ZERO[..], &OTHERS.map(|(code, _)| code)[..]] {
            assert!(codes.is_sorted(), "{codes:?}");
        }
    }

    #[test]
    fn a_country_code_is_found_at_the_start() {
        for (digits, want) in [
            ("49301234502", Some((&["0"][..], "301234502"))),
            ("12025550123", Some((&["1"], "2025550123"))),
            ("35799123456", Some((&[], "99123456"))),
            ("0301234502", None),
            ("0491234", None),
            ("2101", None),
            ("", None),
        ] {
            assert_eq!(split_country_code(digits), want, "{digits}");
        }
    }
}
