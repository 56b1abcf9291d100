//! Which networks issue card numbers that begin how, and how long these are.
//!
//! Sources: Wikipedia, "Payment card number" (IIN ranges of most networks, UzCard, Humo, Troy, Dankort, RuPay); the table
//! of braintree/credit-card-type (Visa, UnionPay, Elo, Hiper, Hipercard, Verve, Mir, Diners Club); for JCB's old numbers
//! of 15 digits and Hipercard's 3841 the patterns that acquirers publish (`2131|1800`, `606282|3841`). Where sources
//! differ, both readings are in the table: it tells a card number from another number, and names no network for sure.

use std::cmp::Reverse;

/// Numbers of one network.
struct Issuer {
    network: &'static str,
    /// The first and the last prefix, of equally many digits.
    prefixes: (u32, u32),
    /// How many digits a number has.
    lengths: &'static [usize],
}

const fn of(network: &'static str, first: u32, last: u32, lengths: &'static [usize]) -> Issuer {
    Issuer { network, prefixes: (first, last), lengths }
}

const FROM_13: &[usize] = &[13, 14, 15, 16, 17, 18, 19];
const FROM_14: &[usize] = &[14, 15, 16, 17, 18, 19];
const FROM_16: &[usize] = &[16, 17, 18, 19];

/// All networks. Several may issue numbers of the same range.
const ISSUERS: &[Issuer] = &[
    of("visa", 4, 4, &[13, 16, 18, 19]),
    of("mastercard", 51, 55, &[16]),
    of("mastercard", 2221, 2720, &[16]),
    of("amex", 34, 34, &[15]),
    of("amex", 37, 37, &[15]),
    of("diners", 300, 305, FROM_14),
    of("diners", 309, 309, FROM_14),
    of("diners", 36, 36, FROM_14),
    of("diners", 38, 39, FROM_14),
    of("discover", 6011, 6011, FROM_16),
    of("discover", 622_126, 622_925, FROM_16),
    of("discover", 644, 659, FROM_16),
    of("jcb", 3528, 3589, FROM_16),
    of("jcb", 2131, 2131, &[15]),
    of("jcb", 1800, 1800, &[15]),
    of("unionpay", 62, 62, FROM_14),
    of("unionpay", 81, 81, FROM_14),
    of("maestro", 50, 50, FROM_13),
    of("maestro", 56, 69, FROM_13),
    of("rupay", 60, 60, &[16]),
    of("rupay", 65, 65, &[16]),
    of("rupay", 81, 82, &[16]),
    of("rupay", 508, 508, &[16]),
    of("rupay", 353, 353, &[16]),
    of("rupay", 356, 356, &[16]),
    of("mir", 2200, 2204, FROM_16),
    of("troy", 9792, 9792, &[16]),
    of("troy", 65, 65, &[16]),
    of("uzcard", 8600, 8600, &[16]),
    of("uzcard", 5614, 5614, &[16]),
    of("humo", 9860, 9860, &[16]),
    of("elo", 401_178, 401_179, &[16]),
    of("elo", 431_274, 431_274, &[16]),
    of("elo", 438_935, 438_935, &[16]),
    of("elo", 451_416, 451_416, &[16]),
    of("elo", 457_393, 457_393, &[16]),
    of("elo", 457_631, 457_632, &[16]),
    of("elo", 504_175, 504_175, &[16]),
    of("elo", 506_699, 506_778, &[16]),
    of("elo", 509_000, 509_999, &[16]),
    of("elo", 627_780, 627_780, &[16]),
    of("elo", 636_297, 636_297, &[16]),
    of("elo", 636_368, 636_368, &[16]),
    of("elo", 650_031, 650_051, &[16]),
    of("elo", 650_405, 650_439, &[16]),
    of("elo", 650_485, 650_598, &[16]),
    of("elo", 650_700, 650_727, &[16]),
    of("elo", 650_901, 650_978, &[16]),
    of("elo", 651_652, 651_679, &[16]),
    of("elo", 655_000, 655_058, &[16]),
    of("hipercard", 606_282, 606_282, &[13, 16, 19]),
    of("hipercard", 3841, 3841, &[13, 16, 19]),
    of("hiper", 637_095, 637_095, &[16]),
    of("hiper", 637_568, 637_612, &[16]),
    of("verve", 506_099, 506_198, &[16, 18, 19]),
    of("verve", 507_865, 507_964, &[16, 18, 19]),
    of("verve", 650_002, 650_027, &[16, 18, 19]),
    of("dankort", 5019, 5019, &[16]),
    of("dankort", 4571, 4571, &[16]),
];

/// A network that issues numbers which begin as these digits do and are as long: the first of the table.
pub(super) fn network_of(digits: &[u8]) -> Option<&'static str> {
    ISSUERS.iter().find(|issuer| issuer.issues(digits)).map(|issuer| issuer.network)
}

/// The network whose numbers most likely begin with these digits and have this length. The longest prefix decides, then
/// the length, because a mask may be shorter than the number, then the order of the table.
pub(super) fn network_of_prefix(first_digits: &[u8], length: usize) -> Option<&'static str> {
    let candidates = ISSUERS.iter().filter(|issuer| issuer.has_prefix_of(first_digits));
    let rank = |issuer: &&Issuer| (Reverse(issuer.prefix_digits()), !issuer.lengths.contains(&length));
    candidates.min_by_key(rank).map(|issuer| issuer.network)
}

/// The network of a name, in any case.
pub(super) fn network_named(name: &str) -> Option<&'static str> {
    ISSUERS.iter().map(|issuer| issuer.network).find(|network| network.eq_ignore_ascii_case(name))
}

impl Issuer {
    fn issues(&self, digits: &[u8]) -> bool {
        self.lengths.contains(&digits.len()) && self.has_prefix_of(digits)
    }

    fn prefix_digits(&self) -> usize {
        self.prefixes.0.ilog10() as usize + 1
    }

    fn has_prefix_of(&self, digits: &[u8]) -> bool {
        let (first, last) = self.prefixes;
        let prefix = digits.iter().take(self.prefix_digits()).fold(0, |prefix, digit| prefix * 10 + u32::from(*digit));
        (first..=last).contains(&prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_network_has_its_ranges() {
        for (network, number) in [
            ("visa", "4111111111111111"),
            ("visa", "4222222222222"),
            ("mastercard", "5555555555554444"),
            ("mastercard", "2221000000000009"),
            ("mastercard", "2720999999999996"),
            ("amex", "378282246310005"),
            ("diners", "30569309025904"),
            ("diners", "36006666333344"),
            ("discover", "6011111111111117"),
            ("discover", "6445644564456445"),
            ("jcb", "3530111333300000"),
            ("jcb", "213100000000001"),
            ("jcb", "180000000000002"),
            ("unionpay", "6200000000000005"),
            ("unionpay", "8171999927660000"),
            ("maestro", "5018000000000009"),
            ("maestro", "6759649826438453"),
            ("maestro", "6799990100000000019"),
            ("rupay", "8200000000000003"),
            ("rupay", "5080000000000009"),
            ("rupay", "3530000000000003"),
            ("mir", "2200000000000004"),
            ("troy", "9792000000000001"),
            ("uzcard", "8600000000000003"),
            ("humo", "9860000000000006"),
            ("elo", "5067310000000002"),
            ("elo", "6362970000457013"),
            ("hipercard", "6062826786276634"),
            ("hipercard", "3841001111222233334"),
            ("hiper", "6370950000000005"),
            ("verve", "5061000000000000001"),
            ("dankort", "5019717010103742"),
        ] {
            let digits: Vec<u8> = number.bytes().map(|byte| byte - b'0').collect();
            let mut issuers = ISSUERS.iter().filter(|issuer| issuer.issues(&digits));
            assert!(issuers.any(|issuer| issuer.network == network), "{network} {number}");
        }
        for number in [
            "1790000000000",
            "1790000000000000",
            "20261120100000123",
            "2220990000000000",
            "2721000000000000",
            "2205000000000000",
            "7000000000000000",
            "9999999999999999",
            "0000000000000000",
            "5100000000000",
            "340000000000000000",
            "18000000000000000",
            "8300000000000000",
            "490000000000000",
        ] {
            let digits: Vec<u8> = number.bytes().map(|byte| byte - b'0').collect();
            assert_eq!(network_of(&digits), None, "{number}");
        }
    }

    #[test]
    fn the_brand_follows_from_the_first_digits() {
        for (first, length, want) in [
            ("411111", 16, Some("visa")),
            ("401178", 16, Some("elo")),
            ("457100", 16, Some("dankort")),
            ("555555", 16, Some("mastercard")),
            ("222100", 16, Some("mastercard")),
            ("222099", 16, None),
            ("378282", 15, Some("amex")),
            ("384100", 16, Some("hipercard")),
            ("385000", 14, Some("diners")),
            // A short mask changes no brand: no Maestro of 13 digits.
            ("650031", 13, Some("elo")),
            ("411111", 11, Some("visa")),
            ("650100", 16, Some("discover")),
            ("601111", 16, Some("discover")),
            ("622126", 16, Some("discover")),
            ("620000", 16, Some("unionpay")),
            ("650031", 16, Some("elo")),
            ("650002", 16, Some("verve")),
            ("606282", 16, Some("hipercard")),
            ("675964", 16, Some("maestro")),
            ("220000", 16, Some("mir")),
            ("979200", 16, Some("troy")),
            ("000000", 16, None),
            ("999999", 16, None),
        ] {
            let digits: Vec<u8> = first.bytes().map(|byte| byte - b'0').collect();
            assert_eq!(network_of_prefix(&digits, length), want, "{first} of {length}");
        }
        assert_eq!((network_named("VISA"), network_named("own brand")), (Some("visa"), None));
    }

    #[test]
    fn prefixes_are_written_with_equally_many_digits() {
        for Issuer { network, prefixes: (first, last), lengths } in ISSUERS {
            assert!(first <= last && first.ilog10() == last.ilog10(), "{network} {first}");
            assert!(lengths.is_sorted() && lengths.iter().all(|length| (13..=19).contains(length)), "{network}");
        }
    }
}
